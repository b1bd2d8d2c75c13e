"""Statistics of the evaluation's report as numpy, scipy and scikit-learn give them: python tests/oracle/evaluation.py.
Writes tests/goldens/evaluation.json."""
import os

import numpy as np
from files import goldens_folder, write_json
from scipy.stats import norm, sem
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, log_loss

ROUNDS = 20_000


def bootstrap(rng, columns, groups):
    """Percentile intervals of the columns' means and of their differences from the first; whole groups are drawn."""
    count = groups.max() + 1
    sums = np.stack([np.bincount(groups, weights=column, minlength=count) for column in columns])
    sizes = np.bincount(groups, minlength=count)
    drawn = rng.integers(0, count, size=(ROUNDS, count))
    totals, battles = sums[:, drawn].sum(axis=2), sizes[drawn].sum(axis=1)
    means = totals / battles
    ends = lambda samples: np.quantile(samples, [0.025, 0.975], axis=1).T.tolist()
    return {"means": columns.mean(axis=1).tolist(), "intervals": ends(means), "differences": ends(means - means[0])}


def main():
    rng = np.random.default_rng(5)
    n = 300
    p = rng.dirichlet([1.5, 1.5, 1], size=n).round(6)
    p[:, 2] = 1 - p[:, 0] - p[:, 1]
    labels = np.array([rng.choice(3, p=np.clip(row, 0, 1) / np.clip(row, 0, 1).sum()) for row in 0.5 * p + 1 / 6])
    q = rng.dirichlet([4, 4, 4], size=n)
    losses = lambda p: -np.log(p[np.arange(n), labels])
    assert abs(losses(p).mean() - log_loss(labels, p, labels=[0, 1, 2])) < 1e-12
    columns = np.stack([losses(p), losses(q)])
    groups = rng.integers(0, 120, size=n)
    groups = np.unique(groups, return_inverse=True)[1]

    curves = []
    for outcome in [None, 0, 1, 2]:
        said = p.max(axis=1) if outcome is None else p[:, outcome]
        true = (p.argmax(axis=1) == labels) if outcome is None else labels == outcome
        share, mean = calibration_curve(true, said, n_bins=10)
        curves.append({"outcome": outcome, "share": share.tolist(), "mean": mean.tolist()})

    kinds = rng.integers(0, 3, size=n)
    half = lambda x: norm.ppf(0.975) * sem(x)
    by_kind = [{"battles": int((kinds == k).sum()), "mean": losses(p)[kinds == k].mean(), "half": half(losses(p)[kinds == k]),
                "reference": losses(q)[kinds == k].mean(), "accuracy": float((p.argmax(axis=1) == labels)[kinds == k].mean())}
               for k in range(3)]
    write_json(os.path.join(goldens_folder(""), "evaluation.json"), {
        "p": p.ravel().tolist(), "q": q.ravel().tolist(), "labels": labels.tolist(), "groups": groups.tolist(),
        "kinds": kinds.tolist(),
        "confusion": confusion_matrix(labels, p.argmax(axis=1), labels=[0, 1, 2]).tolist(),
        "outcomeLoss": [losses(p)[labels == c].mean() for c in range(3)],
        "curves": curves, "byKind": by_kind,
        "alone": bootstrap(rng, columns, np.arange(n)), "together": bootstrap(rng, columns, groups)})


if __name__ == "__main__":
    main()
