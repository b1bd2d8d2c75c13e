"""Trains a run of `--folds` again in PyTorch: the same start, battles, order and settings; compares log losses on the battles that
the run held out. Siamese models with the swap head, with or without numbers; of `--method head` the backbone runs once.

python tests/oracle/preferences.py INIT TOKENS.jsonl RUN [--dropout-seed 1]

INIT    the same run's starting point: deno task train ... --steps 0 --out INIT
TOKENS  deno task tokenize on the run's data with its model and length, and with --features length if the run has it
RUN     deno task train ... --folds K --fold I --out RUN; its out_of_fold.csv says what was held out
Dropout is torch's own: with it, two runs agree in what they learn and not in each digit.
"""
import argparse
import csv
import json
import os

import torch
from order import epoch_order
from runs import read_lines
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from trajectory import is_gain
from transformers import AutoModel, get_scheduler


class Swap(torch.nn.Module):
    """The swap head over rows [B, W] of A and B, and what stands beside the text."""

    def __init__(self, tensors):
        super().__init__()
        for name, tensor in tensors.items():
            is_fixed = name.endswith(("scale", "mean"))
            name = name.removeprefix("head.").replace(".", "_")
            self.register_buffer(name, tensor) if is_fixed else setattr(self, name, torch.nn.Parameter(tensor))

    def forward(self, u, v, numbers):
        c, e = self.bias
        a = u @ self.a + v @ self.b + c
        b = v @ self.a + u @ self.b + c
        tie = (u + v) @ self.t + (u - v).abs() @ self.d + e
        if numbers is not None:
            winner, sizes = numbers
            s = winner / self.numbers_winner_scale @ self.numbers_winner
            a, b = a + s, b - s
            tie = tie + (sizes - self.numbers_tie_mean) / self.numbers_tie_scale @ self.numbers_tie
        return torch.stack([a, b, tie], 1)


def expand(numbers):
    """[B, 2 S + 1] -> what the head reads, as data/numbers.ts expands them."""
    size = numbers.shape[1] // 2
    difference = numbers[:, :size] - numbers[:, size:2 * size]
    winner = torch.stack([difference, torch.tanh(difference / 2)], 2).flatten(1)
    return winner, torch.cat([winner.abs(), numbers[:, -1:]], 1)


def pool(backbone, lines, at_once=8):
    """Means over all tokens of each sequence, [lines, W]; those of like length go through the backbone together."""
    order = sorted(range(len(lines)), key=lambda i: len(lines[i]["input_ids"]))
    rows = [None] * len(lines)
    for start in range(0, len(order), at_once):
        chosen = order[start:start + at_once]
        longest = len(lines[chosen[-1]]["input_ids"])
        ids, types, mask = (torch.zeros(len(chosen), longest, dtype=torch.long) for _ in range(3))
        for row, i in enumerate(chosen):
            length = len(lines[i]["input_ids"])
            ids[row, :length] = torch.tensor(lines[i]["input_ids"])
            types[row, :length] = torch.tensor(lines[i]["token_type_ids"])
            mask[row, :length] = 1
        hidden = backbone(input_ids=ids, token_type_ids=types, attention_mask=mask).last_hidden_state
        means = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        for row, i in enumerate(chosen):
            rows[i] = means[row]
    return torch.stack(rows)


class Judge:
    def __init__(self, folder, settings, lines):
        dropout = settings.get("dropout")
        rates = {} if dropout is None else {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
        self.backbone = AutoModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32, **rates)
        self.head = Swap(load_file(os.path.join(folder, "head.safetensors")))
        self.lines, self.pooled = lines, None
        if settings["method"] == "head":
            with torch.no_grad():
                self.pooled = pool(self.backbone.eval(), lines)
        firsts = lines[0::2]
        self.labels = torch.tensor([line["label"] for line in firsts])
        self.numbers = None
        if hasattr(self.head, "numbers_winner"):
            self.numbers = expand(torch.tensor([line["numbers"] for line in firsts]))

    def parameters(self):
        """Those that are decayed, and those that are not."""
        own = list(self.head.named_parameters())
        own = [(name, p) for name, p in own if name in "abtd"], [(name, p) for name, p in own if name not in "abtd"]
        if self.pooled is None:
            for name, parameter in self.backbone.named_parameters():
                own[name.endswith("bias") or is_gain(name)].append((name, parameter))
        return [[p for _, p in group] for group in own]

    def logits(self, battles):
        sides = [2 * i for i in battles] + [2 * i + 1 for i in battles]
        rows = self.pooled[sides] if self.pooled is not None else pool(self.backbone, [self.lines[i] for i in sides])
        numbers = self.numbers and [columns[battles] for columns in self.numbers]
        return self.head(rows[:len(battles)], rows[len(battles):], numbers)

    def loss(self, battles, label_smoothing=0.0):
        return cross_entropy(self.logits(battles), self.labels[battles], label_smoothing=label_smoothing)

    def validate(self, battles):
        self.backbone.eval()
        with torch.no_grad():
            parts = [battles[start:start + 32] for start in range(0, len(battles), 32)]
            return sum(self.loss(part).item() * len(part) for part in parts) / len(battles)


def train(judge, own, held, settings):
    """Log loss of the held-out battles after each epoch."""
    decayed, kept = judge.parameters()
    groups = [{"params": decayed, "weight_decay": settings["weightDecay"]}, {"params": kept, "weight_decay": 0}]
    adamw = torch.optim.AdamW(groups, lr=settings["lr"])
    size, per_epoch = settings["batch"], -(-len(own) // settings["batch"])
    total = settings.get("steps") or per_epoch * settings["epochs"]
    schedule = get_scheduler(settings["schedule"], adamw, -int(-total * settings["warmup"] // 1), total)
    losses = []
    for epoch in range(-(-total // per_epoch)):
        order = epoch_order(len(own), settings["seed"], epoch)
        judge.backbone.train(judge.pooled is None)
        for step in range(min(per_epoch, total - epoch * per_epoch)):
            battles = [own[i] for i in order[step * size:(step + 1) * size]]
            adamw.zero_grad()
            loss = judge.loss(battles, settings["labelSmoothing"])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(decayed + kept, settings["clip"] or float("inf"))
            adamw.step()
            schedule.step()
            if judge.pooled is None and (epoch * per_epoch + step + 1) % settings["logEvery"] == 0:
                print(f"step {epoch * per_epoch + step + 1}/{total}  loss {loss.item():.4f}", flush=True)
        losses.append(judge.validate(held))
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("init", "tokens", "run"):
        parser.add_argument(name)
    parser.add_argument("--dropout-seed", type=int, default=1)
    options = parser.parse_args()
    with open(os.path.join(options.run, "run.json"), encoding="utf-8") as file:
        settings = json.load(file)["settings"]
    with open(os.path.join(options.run, "out_of_fold.csv"), encoding="utf-8") as file:
        held_ids = {row["id"] for row in csv.DictReader(file)}
    rows = read_lines(os.path.join(options.run, "metrics.jsonl"))
    validations = [row["validLogLoss"] for row in rows if "validLogLoss" in row]
    lines = read_lines(options.tokens)
    ids = [str(line["id"]) for line in lines[0::2]]
    own = [i for i, one in enumerate(ids) if one not in held_ids]
    held = [i for i, one in enumerate(ids) if one in held_ids]
    torch.manual_seed(options.dropout_seed)
    judge = Judge(options.init, settings, lines)
    print(f"{len(own)} battles to train on, {len(held)} held out; before training {judge.validate(held):.4f}", flush=True)
    losses = train(judge, own, held, settings)
    for epoch, (loss, ours) in enumerate(zip(losses, validations), 1):
        print(f"epoch {epoch}: PyTorch {loss:.4f}, the run {ours:.4f}, {ours - loss:+.4f} from it")


if __name__ == "__main__":
    main()
