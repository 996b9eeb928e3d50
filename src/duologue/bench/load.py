"""The offered load: how much callers talk. Frozen, so that figures of different days are of the same work."""

from __future__ import annotations

import numpy as np

from duologue.bench.corpus import Half, load
from duologue.callers.load import BRISK, NORMAL, Load

__all__ = ["BRISK", "NORMAL", "Load", "talk"]

RATE = 16_000


def talk(half: Half = "test", *, seconds: float = 240.0, load_: Load = NORMAL) -> bytes:
    """One caller's line, 16 kHz mono PCM16: turns of the corpus, and silence so that `load_.talk` of it is speech."""
    line: list[np.ndarray[tuple[int], np.dtype[np.int16]]] = []
    length = spoken = 0.0
    for item in load(half):
        samples = item.samples()
        spoken += sum(turn.end_s - turn.start_s for turn in item.turns)
        length += len(samples) / RATE
        rest = max(0.0, spoken / load_.talk - length)
        line += [samples, np.zeros(round(rest * RATE), np.int16)]
        length += rest
        if length >= seconds:
            break
    return np.concatenate(line).astype("<i2").tobytes()
