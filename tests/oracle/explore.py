"""Statistics of the data report from numpy, scipy and scikit-learn: python tests/oracle/explore.py.

Writes tests/goldens/explore.json: Wilson intervals, quantiles, penalised Bradley-Terry-Davidson strengths (scipy's
optimiser; without ties also scikit-learn's logistic regression), bootstrap intervals of strengths.
"""
import itertools
import os

import numpy as np
from files import goldens_folder, write_json
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

RIDGE = 0.1


def strengths(chatbots, pairs):
    """pairs: rows of i, j, wins of i, wins of j, ties."""
    i, j, wins_i, wins_j, ties = np.asarray(pairs, dtype=float).T
    i, j = i.astype(int), j.astype(int)
    has_ties = ties.sum() > 0

    def loss(x):
        s = (x[i] - x[j]) / 2
        eta = x[chatbots] if has_ties else -np.inf
        log_z = logsumexp(np.stack([s, -s, np.full_like(s, eta)]), axis=0)
        value = ((wins_i - wins_j) * s + (ties * eta if has_ties else 0) - (wins_i + wins_j + ties) * log_z).sum()
        pi, pj, pt = np.exp(s - log_z), np.exp(-s - log_z), np.exp(eta - log_z)
        n = wins_i + wins_j + ties
        slope = (wins_i - wins_j - n * (pi - pj)) / 2
        gradient = np.zeros_like(x)
        np.add.at(gradient, i, slope)
        np.add.at(gradient, j, -slope)
        if has_ties:
            gradient[chatbots] = (ties - n * pt).sum()
        return -value + RIDGE / 2 * (x**2).sum(), -gradient + RIDGE * x

    found = minimize(loss, np.zeros(chatbots + has_ties), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 10000})
    assert np.abs(found.jac).max() < 1e-5, found
    return found.x[:chatbots], float(np.exp(found.x[chatbots])) if has_ties else 0.0


def check_with_sklearn(chatbots, pairs, theta):
    """Without ties the model is a logistic regression without intercept."""
    x, y, weight = [], [], []
    for i, j, wins_i, wins_j, _ in pairs:
        row = np.zeros(chatbots)
        row[i], row[j] = 1, -1
        x += [row, row]
        y += [1, 0]
        weight += [wins_i, wins_j]
    fit = LogisticRegression(C=1 / RIDGE, fit_intercept=False, tol=1e-10, max_iter=10000)
    fit.fit(np.array(x), y, sample_weight=np.array(weight, dtype=float))
    assert np.abs(fit.coef_[0] - theta).max() < 1e-4, (fit.coef_[0], theta)


def draw_pairs(rng, theta, nu, battles):
    pairs = []
    for i, j in itertools.combinations(range(len(theta)), 2):
        s = (theta[i] - theta[j]) / 2
        p = np.array([np.exp(s), np.exp(-s), nu])
        counts = rng.multinomial(rng.integers(1, battles), p / p.sum())
        pairs.append([i, j, *counts.tolist()])
    return pairs


def bradley_terry_cases(rng):
    cases = []
    for why, theta, nu, battles in [
        ("six chatbots, ties", [1.5, 0.7, 0.2, -0.1, -0.8, -1.5], 0.8, 60),
        ("five chatbots, no ties", [1.0, 0.3, 0.0, -0.4, -0.9], 0.0, 40),
        ("many ties", [0.5, 0.0, -0.5], 6.0, 30),
    ]:
        cases.append({"why": why, "chatbots": len(theta), "pairs": draw_pairs(rng, theta, nu, battles)})
    cases.append({"why": "one that never lost", "chatbots": 3, "pairs": [[0, 1, 9, 0, 0], [0, 2, 5, 0, 0], [1, 2, 3, 4, 1]]})
    cases.append({"why": "nothing but ties", "chatbots": 2, "pairs": [[0, 1, 0, 0, 7]]})
    cases.append({"why": "two groups that never met", "chatbots": 4, "pairs": [[0, 1, 8, 3, 2], [2, 3, 1, 6, 0]]})
    for case in cases:
        theta, case["nu"] = strengths(case["chatbots"], case["pairs"])
        case["theta"] = theta.tolist()
        if case["nu"] == 0:
            check_with_sklearn(case["chatbots"], case["pairs"], theta)
    return cases


def bootstrap_case(rng, rounds=2000):
    pairs = draw_pairs(rng, [0.9, 0.4, 0.1, -0.5, -0.9], 0.6, 90)
    cells = np.array([pair[2:] for pair in pairs], dtype=float).ravel()
    total = int(cells.sum())
    points = []
    for _ in range(rounds):
        drawn = rng.multinomial(total, cells / cells.sum()).reshape(-1, 3)
        theta, _ = strengths(5, [[i, j, *row] for (i, j, *_), row in zip(pairs, drawn)])
        points.append(1000 + 400 / np.log(10) * theta)
    low, high = np.quantile(points, [0.025, 0.975], axis=0)
    theta, _ = strengths(5, pairs)
    return {"chatbots": 5, "rounds": rounds, "pairs": pairs, "points": (1000 + 400 / np.log(10) * theta).tolist(),
            "low": low.tolist(), "high": high.tolist()}


def main():
    rng = np.random.default_rng(11)
    wilson = []
    for k, n in [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (50, 100), (999, 1000), (17000, 55000)]:
        ci = binomtest(k, n).proportion_ci(method="wilson")
        wilson.append({"k": k, "n": n, "low": ci.low, "high": ci.high})
    lengths = np.floor(rng.lognormal(6, 1.2, size=400)).astype(int)
    at = [0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 1]
    quantiles = {"values": lengths.tolist(), "at": at, "quantiles": np.quantile(lengths, at).tolist(), "mean": lengths.mean(),
                 "lower": np.quantile(lengths, at, method="lower").tolist()}
    write_json(os.path.join(goldens_folder(""), "explore.json"),
               {"wilson": wilson, "quantiles": quantiles, "bradleyTerry": bradley_terry_cases(rng), "bootstrap": bootstrap_case(rng)})


if __name__ == "__main__":
    main()
