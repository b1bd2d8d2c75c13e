"""PyTorch on the processor's cores, answering as serve.ts does: one line of JSON each way.

    python3 -m pip install -r tests/oracle/requirements.txt
    python3 bench/peers/torch_peer.py

`deno task bench --against torch` starts it with the `python3` of PATH: activate the environment that has torch and transformers.
"""

import contextlib
import json
import os
import sys
import time

import torch
from transformers import BertConfig, BertModel

torch.manual_seed(1)
torch.set_num_threads(os.cpu_count())


def products(T, inputs, outputs):
    x, w, dy = torch.randn(T, inputs), torch.randn(outputs, inputs), torch.randn(T, outputs)
    return lambda: [x @ w.T, dy @ w, dy.T @ x]


def block(T, W, F):
    layers = torch.nn.Sequential(
        torch.nn.Linear(W, F), torch.nn.GELU(), torch.nn.Linear(F, W), torch.nn.LayerNorm(W, eps=1e-12)
    )
    x, dy = torch.randn(T, W, requires_grad=True), torch.randn(T, W)
    return lambda: torch.autograd.grad(layers(x), [x, *layers.parameters()], dy)


def bert(layers, W, heads, F, vocabulary, positions):
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=W,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=F,
        max_position_embeddings=positions,
    )
    return BertModel(config, add_pooling_layer=False)


def predict(segments, length, vocabulary, **shape):
    model = bert(vocabulary=vocabulary, **shape).eval()
    ids = torch.randint(vocabulary, (segments, length))

    def run():
        with torch.inference_mode():
            return model(ids).last_hidden_state.mean(1)

    return run


def train_step(segments, length, vocabulary, **shape):
    """Forward, backward and AdamW of a siamese judge with the swap head's arithmetic, dropout as configured."""
    model = bert(vocabulary=vocabulary, **shape).train()
    head = torch.nn.Linear(2 * shape["W"], 3)
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5, weight_decay=0.01)
    ids = torch.randint(vocabulary, (segments, length))
    labels = torch.randint(3, (segments // 2,))

    def run():
        pooled = model(ids).last_hidden_state.mean(1)
        loss = torch.nn.functional.cross_entropy(head(pooled.view(segments // 2, -1)), labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss.item()

    return run


CASES = {"products": products, "block": block, "predict": predict, "train_step": train_step}


def main():
    runs = []
    for line in sys.stdin:
        try:
            asked = json.loads(line)
            with contextlib.redirect_stdout(sys.stderr):
                if "prepare" in asked:
                    run = CASES[asked["prepare"]](**asked["size"])
                    run()
                    runs.append(run)
                    answer = {"ready": len(runs) - 1}
                else:
                    start = time.perf_counter()
                    runs[asked["run"]]()
                    answer = {"ms": (time.perf_counter() - start) * 1000}
        except Exception as error:
            answer = {"failed": str(error).splitlines()[0] if str(error) else type(error).__name__}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
