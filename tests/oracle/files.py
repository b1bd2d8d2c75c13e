"""Writing a golden's folder: JSON with one battle or step a line, tensors as safetensors, each renamed into place."""
import json
import os
import random
import sys

import numpy as np
import torch
from safetensors.numpy import save

HYPER = {"clip": 1.0, "weightDecay": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "labelSmoothing": 0.0}


def prepare(seed):
    """One thread and fixed seeds: the same bytes each time on one machine."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    return random.Random(seed)


def goldens_folder(name):
    here = os.path.dirname(os.path.abspath(__file__))
    folder = os.path.join(here, "..", "goldens", name)
    os.makedirs(folder, exist_ok=True)
    return os.path.normpath(folder)


def write_bytes(path, data):
    with open(path + ".partial", "wb") as file:
        file.write(data)
    os.replace(path + ".partial", path)


def write_tensors(path, tensors):
    write_bytes(path, save({name: np.ascontiguousarray(t) for name, t in tensors.items()}))


def write_json(path, golden):
    """Top-level lists and objects of lists get one item a line, so that a changed golden shows a readable diff."""
    compact = lambda value: json.dumps(value, ensure_ascii=False, allow_nan=False)
    lines = []
    for name, value in golden.items():
        if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
            text = "[\n" + ",\n".join("    " + compact(item) for item in value) + "\n  ]"
        elif isinstance(value, dict) and any(isinstance(item, (dict, list)) for item in value.values()):
            text = "{\n" + ",\n".join(f"    {compact(k)}: {compact(item)}" for k, item in value.items()) + "\n  }"
        else:
            text = compact(value)
        lines.append(f"  {compact(name)}: {text}")
    write_bytes(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8"))


def float64_part(double):
    return {key: double[key] for key in ("logits", "losses", "gradNorms", "finalLogits")}


def report(name, folder, single, error):
    size = sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder))
    print(f"{name}: {size / 1e3:.0f} kB", file=sys.stdout)
    print("  losses   ", " ".join(f"{loss:.4f}" for loss in single["losses"]))
    print("  gradNorms", " ".join(f"{norm:.3f}" for norm in single["gradNorms"]))
    print("  float32 against float64:", ", ".join(f"{k} {v if isinstance(v, str) else format(v, '.2e')}" for k, v in error.items()))
