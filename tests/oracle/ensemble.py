"""Ensemble weights as scipy finds them: python tests/oracle/ensemble.py. Writes tests/goldens/ensemble.json."""
import os

import numpy as np
from files import goldens_folder, write_json
from scipy.optimize import minimize
from scipy.special import log_softmax


def loss_of(weights, members, labels, on):
    rows = np.arange(len(labels))
    if on == "probabilities":
        return -np.log(np.tensordot(weights, members, 1)[rows, labels]).mean()
    return -log_softmax(np.tensordot(weights, np.log(members), 1), axis=1)[rows, labels].mean()


def fit(members, labels, on):
    count = len(members)
    found = minimize(loss_of, np.full(count, 1 / count), (members, labels, on), method="SLSQP", jac="3-point", bounds=[(0, 1)] * count,
                     constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, options={"ftol": 1e-16, "maxiter": 1000})
    return {"on": on, "weights": found.x.tolist(), "loss": float(found.fun)}


def case(why, rng, rows, noises):
    """A member sees the outcomes' scores through noise; negative noise: it sees them upside down."""
    z = rng.normal(size=(rows, 3))
    labels = np.array([rng.choice(3, p=row) for row in np.exp(log_softmax(z, axis=1))])
    members = np.array([np.exp(log_softmax(np.copysign(1, noise) * z + noise * rng.normal(size=z.shape), axis=1)) for noise in noises])
    return {"why": why, "labels": labels.tolist(), "members": members.reshape(len(noises), -1).round(9).tolist(),
            "fits": [fit(members, labels, on) for on in ("probabilities", "logits")]}


def main():
    rng = np.random.default_rng(8)
    cases = [case("two alike", rng, 120, [1.0, 1.0]), case("one much worse, weight 0", rng, 120, [0.3, -0.5, 0.8]),
             case("five", rng, 100, [0.6, 0.9, 1.2, 1.5, 0.7])]
    write_json(os.path.join(goldens_folder(""), "ensemble.json"), {"cases": cases})
    for one in cases:
        print(one["why"], one["fits"])


if __name__ == "__main__":
    main()
