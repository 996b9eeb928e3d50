"""Fit how the evidence on the end of a turn adds up: `python -m training.fit examples.npz`.

Two models. One is logistic, on the log-odds of the words, the log-odds of the turn model, and the states of Moonshine's
decoder, which enter through their principal components. It is fitted to the clean examples by Newton's method with a
ridge penalty and scaled so that the words count once. The other estimates the log-odds of the turn model from what
Moonshine's encoder heard last, by least squares with a ridge penalty, on all versions of the examples. Writes
`stt/moonshine_ending.json`, and prints the weight of the turn model, which `conversation/endpointing.py` holds. Takes
seconds; nothing is random.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

OUT = Path(__file__).parents[1] / "src/duologue/stt/moonshine_ending.json"
COMPONENTS = 32
RIDGE, RIDGE_STATES, RIDGE_MELODY = 2.0, 40.0, 1000.0
SHORTEST_S = 0.3
"""A shorter pause is no example: nothing could have been decided in it."""
CERTAIN = 0.02
Array = NDArray[np.float64]


def main() -> None:
    """Fit, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("examples", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    found = np.load(options.examples)
    lasts = ~found["goes_on"] | (found["pause_s"] > SHORTEST_S)
    heard = estimate(found["melody"][lasts].astype(float), odds(found["sound"])[lasts])
    usable = lasts & (found["version"] == "clean")
    named = np.stack([odds(found["words"]), odds(found["sound"])], axis=1)[usable]
    states, ended = found["states"][usable].astype(float), (~found["goes_on"][usable]).astype(float)
    words, sound, direction = fit(named, states, ended)
    weights = direction / words
    written = -float(states.mean(axis=0) @ weights), weights
    rounded = {
        name: {"bias": round(bias, 4), "weights": [float(f"{w:.4g}") for w in weights]}
        for name, (bias, weights) in (("written", written), ("heard", heard))
    }
    options.out.write_text(json.dumps(rounded, separators=(",", ":")) + "\n", "utf-8")
    print(f"{usable.sum()} examples; weight of the turn model {sound / words:.2f}, slope of all {words:.2f}")


def fit(named: Array, states: Array, ended: Array) -> tuple[float, float, Array]:
    """Return the weights of the words and of the turn model, and those of the states."""
    middle, spread = states.mean(axis=0), states.std(axis=0) + 1e-3
    standard = (states - middle) / spread
    basis = np.linalg.svd(standard, full_matrices=False)[2][:COMPONENTS].T
    basis = basis / (standard @ basis).std(axis=0)
    scale = named.std(axis=0)
    columns = np.concatenate([np.ones((len(ended), 1)), (named - named.mean(axis=0)) / scale, standard @ basis], axis=1)
    ridge = np.array([1e-3, RIDGE, RIDGE, *[RIDGE_STATES] * COMPONENTS])
    weights = logistic(columns, ended, ridge)
    words, sound = weights[1:3] / scale
    return float(words), float(sound), basis @ weights[3:] / spread


def estimate(features: Array, target: Array) -> tuple[float, Array]:
    """Return the bias and the weights of a linear model of `target`, whose estimates are spread as widely as it is.

    Least squares alone would draw them towards the mean, so that they would count less than what they stand for.
    """
    middle, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    standard = (features - middle) / spread
    penalty = RIDGE_MELODY * np.eye(standard.shape[1])
    weights = np.linalg.solve(standard.T @ standard + penalty, standard.T @ (target - target.mean()))
    weights *= target.std() / (standard @ weights).std() / spread
    return float(target.mean() - middle @ weights), weights


def logistic(columns: Array, ended: Array, ridge: Array) -> Array:
    """Return the weights of a logistic model with a ridge penalty for each."""
    weights = np.zeros(columns.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-columns @ weights))
        slope = columns.T @ (ended - p) - ridge * weights
        curvature = (columns * (p * (1 - p))[:, None]).T @ columns + np.diag(ridge)
        step = np.linalg.solve(curvature, slope)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def odds(probability: Array) -> Array:
    """Return log-odds; no judge is believed beyond CERTAIN."""
    p = np.clip(probability, CERTAIN, 1 - CERTAIN)
    return np.log(p / (1 - p))


if __name__ == "__main__":
    main()
