"""Calibrations as scipy finds them: python tests/oracle/calibration.py. Writes tests/goldens/calibration.json.

p' = softmax(scale * log p + bias), fitted by BFGS with restarts to a gradient of 1e-9; the biases add up to 0.
"""
import os

import numpy as np
from files import goldens_folder, write_json
from scipy.optimize import minimize
from scipy.special import log_softmax


def unpack(x, method, symmetric):
    tie = (lambda v: np.array([v[0], v[0], v[1]])) if symmetric else np.array
    free = 2 if symmetric else 3
    if method == "temperature":
        return np.full(3, x[0]), np.zeros(3)
    if method == "prior":
        return np.ones(3), tie(x)
    return tie(x[:free]), tie(x[free:])


def fit(p, labels, method, symmetric):
    logs = np.log(np.maximum(p, 2.0**-52))
    rows = np.arange(len(labels))

    def loss(x):
        scale, bias = unpack(x, method, symmetric)
        return -log_softmax(logs * scale + bias, axis=1)[rows, labels].mean()

    free = 2 if symmetric else 3
    x = {"temperature": np.ones(1), "prior": np.zeros(free), "vector": np.r_[np.ones(free), np.zeros(free)]}[method]
    for _ in range(5):
        x = minimize(loss, x, method="BFGS", options={"gtol": 1e-10}).x
        x = minimize(loss, x, method="Nelder-Mead", options={"xatol": 1e-11, "fatol": 1e-15, "maxiter": 20000}).x
    scale, bias = unpack(x, method, symmetric)
    return {"method": method, "symmetric": symmetric, "scale": scale.tolist(), "bias": (bias - bias.mean()).tolist(),
            "loss": loss(x)}


def case(why, rng, rows, sharpness, shift, zeros=0.0):
    """Outcomes are drawn from softmax(z); the predictions are softmax(sharpness * z + shift)."""
    z = rng.normal(size=(rows, 3))
    truth = np.exp(log_softmax(z, axis=1))
    labels = np.array([rng.choice(3, p=row) for row in truth])
    p = np.exp(log_softmax(sharpness * z + np.array(shift), axis=1)).astype(np.float32).astype(np.float64)
    p[rng.uniform(size=p.shape) < zeros] = 0
    fits = [fit(p, labels, method, symmetric) for method in ("temperature", "prior", "vector")
            for symmetric in (False, True)]
    return {"why": why, "probabilities": p.ravel().tolist(), "labels": labels.tolist(), "fits": fits}


def main():
    rng = np.random.default_rng(5)
    cases = [case("too sure of itself", rng, 150, 2.5, [0, 0, 0]),
             case("too careful, ties forgotten", rng, 150, 0.4, [0, 0, -1.5]),
             case("prefers A", rng, 120, 1.0, [0.8, 0, 0.1]),
             case("probabilities of exactly 0", rng, 150, 1.5, [0, 0, 0], zeros=0.03)]
    write_json(os.path.join(goldens_folder(""), "calibration.json"), {"cases": cases})


if __name__ == "__main__":
    main()
