"""Trains a run's siamese swap head again in PyTorch, on what transformers' frozen backbone makes of the same sequences, with
the run's settings and other orders of the battles, and compares log losses on the battles that the run held out.

python tests/oracle/preferences.py INIT TOKENS.jsonl RUN [--seeds 2] [--pooled FILE.npy]

INIT    the same run's starting point: deno task train ... --steps 0 --out INIT
TOKENS  deno task tokenize on the run's data with its model and length, and with --features length if the run has it
RUN     deno task train ... --folds K --fold I --method head --out RUN; its out_of_fold.csv says what was held out
--pooled keeps the backbone's rows between two calls.
"""
import argparse
import csv
import json
import os

import numpy as np
import torch
from runs import read_lines
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoModel, get_scheduler


def pool(folder, lines):
    """Mean over all tokens of each sequence, those of like length together."""
    model = AutoModel.from_pretrained(folder).eval()
    lengths = [len(line["input_ids"]) for line in lines]
    rows = np.zeros((len(lines), model.config.hidden_size), np.float32)
    order = np.argsort(lengths, kind="stable")
    with torch.no_grad():
        for start in range(0, len(lines), 16):
            at = order[start:start + 16]
            ids, types, mask = (torch.zeros(len(at), max(lengths[i] for i in at), dtype=torch.long) for _ in range(3))
            for row, i in enumerate(at):
                ids[row, :lengths[i]] = torch.tensor(lines[i]["input_ids"])
                types[row, :lengths[i]] = torch.tensor(lines[i]["token_type_ids"])
                mask[row, :lengths[i]] = 1
            hidden = model(input_ids=ids, token_type_ids=types, attention_mask=mask).last_hidden_state
            rows[at] = ((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).numpy()
    return rows


def columns(numbers):
    """[battles, 2 S + 1] -> what the head reads, as data/numbers.ts expands them."""
    size = numbers.shape[1] // 2
    difference = numbers[:, :size] - numbers[:, size:2 * size]
    winner = torch.stack([difference, torch.tanh(difference / 2)], 2).flatten(1)
    return winner, torch.cat([winner.abs(), numbers[:, -1:]], 1)


def train(start, u, v, numbers, labels, held, settings, seed):
    torch.manual_seed(seed)
    head = {name.removeprefix("head."): tensor.clone() for name, tensor in start.items()}
    learned = {n: t.requires_grad_() for n, t in head.items() if not n.endswith(("scale", "mean"))}
    if numbers is not None:
        x, t = columns(numbers)
        x, t = x / head["numbers.winner_scale"], (t - head["numbers.tie_mean"]) / head["numbers.tie_scale"]

    def logits(at):
        a, b = u[at] @ head["a"] + v[at] @ head["b"], v[at] @ head["a"] + u[at] @ head["b"]
        tie = (u[at] + v[at]) @ head["t"] + (u[at] - v[at]).abs() @ head["d"]
        c, e = head["bias"]
        if numbers is None:
            return torch.stack([a + c, b + c, tie + e], 1)
        s = x[at] @ head["numbers.winner"]
        return torch.stack([a + c + s, b + c - s, tie + e + t[at] @ head["numbers.tie"]], 1)

    decayed = [tensor for name, tensor in learned.items() if name in "abtd"]
    others = [tensor for name, tensor in learned.items() if name not in "abtd"]
    groups = [{"params": decayed, "weight_decay": settings["weightDecay"]}, {"params": others, "weight_decay": 0}]
    adamw = torch.optim.AdamW(groups, lr=settings["lr"])
    own, size = torch.nonzero(~held)[:, 0], settings["batch"]
    total = settings.get("steps") or -(-len(own) // size) * settings["epochs"]
    schedule = get_scheduler(settings["schedule"], adamw, -int(-total * settings["warmup"] // 1), total)
    step, best = 0, float("inf")
    while step < total:
        for at in own[torch.randperm(len(own))].split(size):
            adamw.zero_grad()
            cross_entropy(logits(at), labels[at], label_smoothing=settings["labelSmoothing"]).backward()
            torch.nn.utils.clip_grad_norm_(learned.values(), settings["clip"] or float("inf"))
            adamw.step()
            schedule.step()
            step += 1
            if step == total:
                break
        with torch.no_grad():
            best = min(best, cross_entropy(logits(held), labels[held]).item())
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("init", "tokens", "run"):
        parser.add_argument(name)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--pooled")
    options = parser.parse_args()
    with open(os.path.join(options.run, "run.json"), encoding="utf-8") as file:
        settings = json.load(file)["settings"]
    with open(os.path.join(options.run, "out_of_fold.csv"), encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    lines = read_lines(options.tokens)
    if options.pooled and os.path.exists(options.pooled):
        pooled = np.load(options.pooled)
    else:
        pooled = pool(options.init, lines)
        if options.pooled:
            np.save(options.pooled, pooled)
    u, v = torch.tensor(pooled[0::2]), torch.tensor(pooled[1::2])
    firsts = lines[0::2]
    labels = torch.tensor([line["label"] for line in firsts])
    held = torch.tensor([str(line["id"]) in rows for line in firsts])
    start = load_file(os.path.join(options.init, "head.safetensors"))
    has_numbers = "head.numbers.winner" in start
    numbers = torch.tensor([line["numbers"] for line in firsts]) if has_numbers else None
    names = ("winner_model_a", "winner_model_b", "winner_tie")
    ours = [-np.log(float(rows[str(line["id"])][names[line["label"]]])) for line in firsts if str(line["id"]) in rows]
    print(f"{int((~held).sum())} battles to train on, {len(ours)} held out; the run's log loss {np.mean(ours):.4f}")
    for seed in range(1, options.seeds + 1):
        loss = train(start, u, v, numbers, labels, held, settings, seed)
        print(f"PyTorch, order {seed}: {loss:.4f}, the run's is {np.mean(ours) - loss:+.4f} from it")


if __name__ == "__main__":
    main()
