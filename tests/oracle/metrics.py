"""Scores as numpy and scikit-learn give them: python tests/oracle/metrics.py. Writes tests/goldens/metrics.json.

scikit-learn 1.9 has no `eps` any more, so log_loss(eps="auto") of 1.3 is written out below, step by step as in
sklearn/metrics/_classification.py of 1.3.2; where both apply, it is checked against the installed one.
"""
import os

import numpy as np
from files import goldens_folder, write_json
from scipy.special import xlogy
from sklearn.metrics import accuracy_score, log_loss


def log_loss_1_3(labels, p):
    eps = np.finfo(p.dtype).eps
    p = np.clip(p, eps, 1 - eps)
    p = p / p.sum(axis=1)[:, np.newaxis]
    one_hot = np.eye(3, dtype=p.dtype)[labels]
    return float(np.average(-xlogy(one_hot, p).sum(axis=1)))


def expected_log_loss(truth, p):
    eps = np.finfo(p.dtype).eps
    p = np.clip(p, eps, 1 - eps)
    p = p / p.sum(axis=1)[:, np.newaxis]
    return float(np.average(-xlogy(truth, p).sum(axis=1)))


def calibration_error(labels, p, bins=15):
    """Guo 2017: bins (0, 1/M], (1/M, 2/M], ..."""
    eps = np.finfo(np.float64).eps
    p = np.clip(p.astype(np.float64), eps, 1 - eps)
    p = p / p.sum(axis=1, keepdims=True)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = [abs(right[place == b].mean() - confidence[place == b].mean()) * (place == b).sum()
            for b in range(bins) if (place == b).any()]
    return float(sum(gaps) / len(labels))


def case(why, p, labels, truth=None):
    p, labels = np.asarray(p), np.asarray(labels)
    found = {"why": why, "dtype": str(p.dtype), "p": [float(x) for x in p.ravel()], "labels": labels.tolist(),
             "logLoss": log_loss_1_3(labels, p), "accuracy": accuracy_score(labels, p.argmax(axis=1)),
             "calibrationError": calibration_error(labels, p)}
    if truth is not None:
        found |= {"truth": np.asarray(truth).ravel().tolist(), "expectedLogLoss": expected_log_loss(truth, p)}
    eps = np.finfo(p.dtype).eps
    if np.allclose(p.sum(axis=1), 1) and (p > eps).all():
        assert abs(found["logLoss"] - log_loss(labels, p, labels=[0, 1, 2])) < 1e-12 * (1 if p.dtype == np.float64 else 1e6)
    return found


def main():
    rng = np.random.default_rng(7)
    soft = rng.dirichlet([1, 1, 1], size=40)
    labels = rng.integers(0, 3, size=40)
    cases = [
        case("forty battles", soft, labels, rng.dirichlet([2, 2, 1], size=40)),
        case("forty battles, float32", soft.astype(np.float32), labels),
        case("rows that add up to anything", soft * rng.uniform(0.01, 9, size=(40, 1)), labels),
        case("sure and right, sure and wrong", np.array([[1.0, 0, 0], [0, 0, 1.0]]), [0, 1], np.array([[1.0, 0, 0], [0.5, 0.5, 0]])),
        case("sure and wrong, float32", np.array([[1, 0, 0], [0, 0, 1]], dtype=np.float32), [0, 1]),
        case("nothing but zeros", np.zeros((2, 3)), [0, 2]),
        case("more than one", np.array([[5.0, 2, 1], [0.5, 3, 0]]), [0, 2]),
        case("below eps and above", np.array([[1e-17, 1 - 1e-17, 0], [1e-15, 1 - 1e-15, 0]]), [0, 0]),
        case("equally likely outcomes", np.array([[0.25, 0.25, 0.5], [0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [1 / 3] * 3]), [2, 1, 1, 0]),
    ]
    write_json(os.path.join(goldens_folder(""), "metrics.json"), {"cases": cases})


if __name__ == "__main__":
    main()
