"""Seeded choices. Each is named, so that a new line of text changes none of the others."""

from __future__ import annotations

import math
import random
from typing import Final
from zlib import crc32

from duologue.audio.format import RATE
from duologue_bench.corpus.dataset import PauseKind

__all__ = ["LENGTHS_S", "pause_samples", "seed_of", "spread", "uniform"]

_SEED: Final = "duologue-corpus-1"

LENGTHS_S: Final[dict[PauseKind, tuple[float, float]]] = {
    "hesitation": (0.35, 2.0),
    "filler": (0.25, 1.2),
    "clause": (0.22, 0.9),
    "list": (0.22, 0.8),
    "spelling": (0.22, 0.7),
    "digits": (0.25, 1.1),
}
"""The shortest and the longest pause of each kind; lengths are drawn evenly on a logarithmic scale."""

_GOLDEN: Final = (math.sqrt(5) - 1) / 2


def seed_of(*name: object) -> int:
    """A seed of 31 bits that belongs to this name."""
    return crc32("/".join(map(str, (_SEED, *name))).encode()) & 0x7FFFFFFF


def uniform(low: float, high: float, *name: object) -> float:
    """A number between `low` and `high` that belongs to this name."""
    return low + (high - low) * random.Random("/".join(map(str, (_SEED, *name)))).random()


def spread(index: int, name: str) -> float:
    """The `index`-th of a sequence that fills 0..1 evenly, so that both halves cover it alike."""
    return (index * _GOLDEN + seed_of(name) / 2**31) % 1.0


def pause_samples(kind: PauseKind, *name: object) -> int:
    """How long a pause of this kind is to be, in samples."""
    low, high = LENGTHS_S[kind]
    return round(RATE * math.exp(uniform(math.log(low), math.log(high), "pause", *name)))
