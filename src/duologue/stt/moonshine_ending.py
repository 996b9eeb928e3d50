"""Moonshine's opinion on the end of the turn, from its decoder's last layer.

A linear model on the layer's output at the last word and at the end of the text. The decoder has run anyway, so this
costs microseconds. `training/fit.py` derives the weights, and `docs/turn-taking.md` describes how.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

from duologue.stt.moonshine_graphs import WIDTH

__all__ = ["MAX_ODDS", "ending_features", "ending_odds"]

MAX_ODDS: Final = 3.5
"""The log-odds are limited to this; on the development half 98% of them lie within."""
_MARKS: Final = ".?!,…-"


def ending_features(words: str, states: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the states (2 * WIDTH,) at the last word and at the end of the text.

    `states` (2, WIDTH): the output of the last layer at the last two steps. If the text ends with a punctuation mark,
    the step before the last one read the last word; otherwise the last step did.
    """
    before, last = states
    return np.concatenate([before if words[-1:] in tuple(_MARKS) else last, last])


def ending_odds(words: str, states: NDArray[np.float32]) -> float:
    """Return the log-odds to add to those of the words; 0 for no words."""
    if not words:
        return 0.0
    bias, weights = _weights()
    odds = bias + float(weights @ ending_features(words, states))
    return min(max(odds, -MAX_ODDS), MAX_ODDS)


@cache
def _weights() -> tuple[float, NDArray[np.float64]]:
    found = json.loads(resources.files("duologue.stt").joinpath("moonshine_ending.json").read_text("utf-8"))
    weights = np.array(found["weights"])
    assert weights.shape == (2 * WIDTH,), "one weight for each feature"
    return float(found["bias"]), weights
