"""Multinomial logistic regression as scikit-learn fits it: python tests/oracle/logistic.py. Writes tests/goldens/logistic.json."""
import os

import numpy as np
from files import goldens_folder, write_json
from sklearn.linear_model import LogisticRegression


def case(why, rng, rows, features, c, share):
    x = np.where(rng.uniform(size=(rows, features)) < share, rng.normal(size=(rows, features)), 0).round(3)
    slopes = rng.normal(size=(features, 3))
    shares = np.exp(x @ slopes + [0.5, 0, -0.5])
    labels = np.array([rng.choice(3, p=row / row.sum()) for row in shares])
    model = LogisticRegression(C=c, tol=1e-12, max_iter=100_000).fit(x, labels)
    found = [{"columns": np.flatnonzero(row).tolist(), "values": row[row != 0].tolist()} for row in x]
    return {"why": why, "c": c, "features": features, "rows": found, "labels": labels.tolist(),
            "probabilities": [float(f"{p:.12g}") for p in model.predict_proba(x).ravel()]}


def main():
    rng = np.random.default_rng(11)
    cases = [case("few features, weak penalty", rng, 60, 4, 10.0, 1.0),
             case("more features than rows, strong penalty", rng, 20, 30, 0.1, 0.3),
             case("sparse rows, some empty", rng, 80, 6, 1.0, 0.15)]
    write_json(os.path.join(goldens_folder(""), "logistic.json"), {"cases": cases})


if __name__ == "__main__":
    main()
