"""Moonshine's opinion on the end of the turn, from what its encoder heard last and its decoder wrote last.

Two linear models. One, on the decoder's last layer at the last word and at the end of the text, adds to what the words
say. The other, on the encoder's last frames, estimates what Smart Turn would say of the melody. Both networks have run
anyway, so this costs microseconds. `training/fit.py` derives the weights, and `docs/turn-taking.md` describes how.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

from duologue.stt.moonshine_graphs import WIDTH

__all__ = ["MAX_ODDS", "ending_features", "ending_odds", "melody_features", "sound_estimate"]

MAX_ODDS: Final = 3.5
"""All log-odds are limited to this; on the development half 98% of those of the words lie within."""
_LAST, _TAIL = 8, 14
"""Frames of 24 ms: those after the speech, and those before them."""
_MARKS: Final = ".?!,…-"


def ending_features(words: str, states: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the states (2 * WIDTH,) at the last word and at the end of the text.

    `states` (2, WIDTH): the output of the last layer at the last two steps. If the text ends with a punctuation mark,
    the step before the last one read the last word; otherwise the last step did.
    """
    before, last = states
    return np.concatenate([before if words[-1:] in tuple(_MARKS) else last, last])


def melody_features(memory: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means (2 * WIDTH,) of the last 0.2 s that the encoder heard, and of the third of a second before.

    `memory` (12, 8, T, 36) is what the decoder reads of the sound. The keys of its first layer stand for all of it.
    """
    frames = memory[0, :, -_LAST - _TAIL :].transpose(1, 0, 2).reshape(-1, WIDTH)
    last = frames[-_LAST:].mean(axis=0)
    return np.concatenate([last, frames[:-_LAST].mean(axis=0) if len(frames) > _LAST else last])


def ending_odds(words: str, states: NDArray[np.float32]) -> float:
    """Return the log-odds to add to those of the words; 0 for no words."""
    if not words:
        return 0.0
    written, _ = _weights()
    return _limited(written(ending_features(words, states)))


def sound_estimate(memory: NDArray[np.float32]) -> float:
    """Return what Smart Turn would say of the sound, 0 to 1."""
    _, heard = _weights()
    return 1 / (1 + math.exp(-_limited(heard(melody_features(memory)))))


def _limited(odds: float) -> float:
    return min(max(odds, -MAX_ODDS), MAX_ODDS)


class _Linear:
    """A bias, and a weight for each feature."""

    def __init__(self, bias: float, weights: Sequence[float]) -> None:
        assert len(weights) == 2 * WIDTH, "one weight for each feature"
        self._bias, self._weights = bias, np.array(weights)

    def __call__(self, features: NDArray[np.float32]) -> float:
        return self._bias + float(self._weights @ features)


@cache
def _weights() -> tuple[_Linear, _Linear]:
    """Return the models of what was written and of what was heard."""
    found = json.loads(resources.files("duologue.stt").joinpath("moonshine_ending.json").read_text("utf-8"))
    return _Linear(**found["written"]), _Linear(**found["heard"])
