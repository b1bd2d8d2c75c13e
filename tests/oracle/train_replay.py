"""Replays a training run in PyTorch and compares it step by step with metrics.jsonl.

python tests/oracle/train_replay.py INIT TOKENS.jsonl RUN [--steps N] [--tolerance 1e-3]

INIT    the same run's starting point: deno task train ... --steps 0 --out INIT
TOKENS  deno task tokenize on the training data with the model, pairing and length of the run
RUN     deno task train ... --method full, lora or qlora --dropout 0 --no-shuffle --no-swap-augment --valid-fraction 0 --out RUN
Batch size, optimizer and schedule are taken from run.json. Each step takes the next battles in the file's order.
"""
import argparse
import json
import math
import os
import sys

import torch
from files import HYPER
from runs import load_judge, read_battles, read_lines
from trajectory import optimizer, step_loss
from transformers import get_scheduler

SCHEDULES = {"constant": "constant_with_warmup"}


def read_settings(run):
    with open(os.path.join(run, "run.json"), encoding="utf-8") as file:
        content = json.load(file)
    settings = content.get("settings", content)
    wanted = {"method": ["full", "lora", "qlora"], "dropout": [0], "shuffle": [False], "swapAugment": [False]}
    for name, values in wanted.items():
        if settings[name] not in values:
            sys.exit(f"Cannot replay {run}: its {name} is {settings[name]!r}, must be {values[0]!r}")
    return settings


def replay(judge, battles, settings, total_steps, steps):
    """Yields loss, rate and gradient norm of each step."""
    hyper = HYPER | {name: settings[name] for name in ("weightDecay", "labelSmoothing")}
    clip = settings["clip"] or math.inf
    adamw = optimizer(judge, hyper)
    for group in adamw.param_groups:
        group["lr"] = settings["lr"]
    name, warmup = settings["schedule"], math.ceil(total_steps * settings["warmup"])
    schedule = get_scheduler(SCHEDULES.get(name, name), adamw, warmup, total_steps)
    size = settings["batch"]
    per_epoch = math.ceil(len(battles) / size)
    for step in range(steps):
        start = step % per_epoch * size
        adamw.zero_grad()
        loss = step_loss(judge, battles[start:start + size], hyper["labelSmoothing"])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(judge.parameters(), clip)
        rate = schedule.get_last_lr()[0]
        adamw.step()
        schedule.step()
        yield loss.item(), rate, norm.item()


def compare_weights(judge, start, run):
    """How far the run's weights are from ours, as share of the way both went; the run must be without validation."""
    theirs = load_judge(run).checkpoint()
    with torch.no_grad():
        ours = {name: p for name, p in judge.checkpoint().items() if name not in judge.made_up}
        apart = sum(float((ours[n] - theirs[n]).square().sum()) for n in ours) ** 0.5
        moved = sum(float((ours[n] - start[n]).square().sum()) for n in ours) ** 0.5
    print(f"weights: moved by {moved:.3e}, apart by {apart:.3e} ({apart / moved:.1%})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("init")
    parser.add_argument("tokens")
    parser.add_argument("run")
    parser.add_argument("--steps", type=int, help="replay only so many")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="of a loss")
    options = parser.parse_args()

    settings = read_settings(options.run)
    rows = [row for row in read_lines(os.path.join(options.run, "metrics.jsonl")) if "loss" in row]
    steps = min(options.steps or len(rows), len(rows))
    judge, battles = load_judge(options.init), read_battles(options.tokens)
    start = {name: parameter.detach().clone() for name, parameter in judge.checkpoint().items()}
    worst, worst_rate, worst_norm = 0.0, 0.0, 0.0
    for row, (loss, rate, norm) in zip(rows, replay(judge, battles, settings, len(rows), steps)):
        worst = max(worst, abs(row["loss"] - loss))
        worst_rate = max(worst_rate, abs(row["lr"] - rate))
        worst_norm = max(worst_norm, abs(row["gradNorm"] - norm) / norm)
        print(f"step {row['step']:5d}  loss {row['loss']:.6f}  PyTorch {loss:.6f}  difference {row['loss'] - loss:+.1e}"
              f"  gradNorm {row['gradNorm']:.4f}  PyTorch {norm:.4f}  lr {row['lr']:.3e}")
    if steps == len(rows):
        compare_weights(judge, start, options.run)
    print(f"{steps} steps: largest difference of a loss {worst:.1e}, of a rate {worst_rate:.1e}, of a gradient norm"
          f" {worst_norm:.1e} of it")
    sys.exit(0 if worst <= options.tolerance and worst_rate <= 1e-3 * settings["lr"] else 1)


if __name__ == "__main__":
    main()
