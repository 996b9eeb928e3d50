"""End of turn: how likely is it that the user has finished? The evidence is silence, words, and the sound itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Judgement", "TurnModel", "WordsPolicy"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the words alone say about the end of a turn."""

    probability: float
    """0 to 1: how likely the user has finished."""
    reason: str
    """A short slug that an event can name: `sentence`, `trailing_conjunction`, `filler`, `spelling`, `digits`, …"""
    timeout_factor: float = 1.0
    """Factor on the silence allowed before the timeout: above 1 where people pause inside (spelling, numbers)."""


class WordsPolicy(Protocol):
    """Judges a transcript; pure and cheap (well under a millisecond)."""

    name: str

    def judge(self, text: str) -> Judgement:
        """Say how finished `text` sounds."""
        ...


class TurnModel(Protocol):
    """A model that judges from the sound, run by the engine's threads.

    An item is (n,) float32, 16 kHz mono in -1..1, ending in the silence that is being judged.
    """

    name: str
    max_batch: int

    def size(self, item: NDArray[np.float32]) -> float:
        """Seconds of audio in `item`, by which batches are sorted and fairness is counted."""
        ...

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[float]:
        """The probability, for each item, that the user has finished."""
        ...
