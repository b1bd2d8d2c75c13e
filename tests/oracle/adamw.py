"""Golden of torch.optim.AdamW with torch.nn.utils.clip_grad_norm_, in float64: python tests/oracle/adamw.py

Two parameters of 64 values, the first decayed; five steps under a changing rate; gradients large enough to be clipped in some
steps and not in others, some tiny (where eps counts) and some zero.
"""
import os

import torch
from files import goldens_folder, prepare, write_json

STEPS, LENGTH, CLIP, DECAY = 5, 64, 1.0, 0.1
LR = [1e-3, 5e-3, 3e-3, 2e-3, 1e-2]
SCALE = [0.05, 1.0, 0.02, 3.0, 0.08]


def rounded(tensor):
    """Nine significant digits give back the same float32."""
    return [float(f"{value:.9g}") for value in tensor.detach().flatten().tolist()]


def as_float32(tensor):
    return tensor.float().double()


def main():
    prepare(7)
    parameters = [torch.nn.Parameter(as_float32(torch.randn(LENGTH, dtype=torch.float64))) for _ in range(2)]
    start = [rounded(p) for p in parameters]
    groups = [{"params": parameters[:1], "weight_decay": DECAY}, {"params": parameters[1:], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR[0])
    steps = []
    for lr, scale in zip(LR, SCALE):
        for p in parameters:
            gradient = scale * torch.randn(LENGTH, dtype=torch.float64)
            gradient[:8] *= 1e-7
            gradient[8:12] = 0
            p.grad = as_float32(gradient)
        gradients = sum((rounded(p.grad) for p in parameters), [])
        norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP).item()
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        steps.append({"lr": lr, "gradients": gradients, "norm": norm,
                      "parameters": sum((rounded(p) for p in parameters), [])})
    moments = {name: sum((rounded(optimizer.state[p][key]) for p in parameters), [])
               for name, key in [("firstMoments", "exp_avg"), ("secondMoments", "exp_avg_sq")]}
    golden = {"torch": torch.__version__, "clip": CLIP, "weightDecay": DECAY, "decayedLength": LENGTH,
              "parameters": sum(start, []), "steps": steps, **moments}
    write_json(os.path.join(goldens_folder(""), "adamw.json"), golden)


if __name__ == "__main__":
    main()
