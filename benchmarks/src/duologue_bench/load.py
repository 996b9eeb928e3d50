"""The offered load: how much callers talk. Frozen, so that figures of different days are of the same work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.callers.load import BRISK, NORMAL, Load
from duologue_bench.corpus import Half, load

__all__ = ["BRISK", "NORMAL", "Line", "Load", "heard_line", "line", "talk"]

FRAME: Final = 160
"""10 ms, in samples."""
QUIET: Final = 30
"""Frames of silence before an onset."""
LOUD: Final = 0.02
LEAST: Final = 150.0
"""Of full scale 32,768: softer than this is never speech."""


@dataclass(frozen=True, slots=True)
class Line:
    """What comes down a caller's line."""

    sound: bytes
    """16 kHz mono PCM16."""
    onsets: tuple[int, ...]
    """Samples at which the caller begins to speak, or goes on after a pause; in order."""


def talk(half: Half = "test", *, seconds: float = 240.0, load_: Load = NORMAL) -> bytes:
    """The sound of one caller's `line`."""
    return line(half, seconds=seconds, load_=load_).sound


def line(half: Half = "test", *, seconds: float = 240.0, load_: Load = NORMAL) -> Line:
    """One caller's line: turns of the corpus, and silence so that `load_.talk` of it is speech."""
    parts: list[NDArray[np.int16]] = []
    onsets: list[int] = []
    length = spoken = 0.0
    for item in load(half):
        samples = item.samples()
        begin = sum(map(len, parts))
        for turn in item.turns:
            onsets += [begin + round(at * RATE) for at in (turn.start_s, *(pause.end_s for pause in turn.pauses))]
        spoken += sum(turn.end_s - turn.start_s for turn in item.turns)
        length += len(samples) / RATE
        rest = max(0.0, spoken / load_.talk - length)
        parts += [samples, np.zeros(round(rest * RATE), np.int16)]
        length += rest
        if length >= seconds:
            break
    return Line(np.concatenate(parts).astype("<i2").tobytes(), tuple(onsets))


def heard_line(samples: NDArray[np.int16]) -> Line:
    """A line whose onsets are found by level: 10 ms of at least 2% of the loudest, after 0.3 s of less."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    level = np.sqrt(np.square(frames).mean(axis=1))
    loud = level > max(LEAST, LOUD * level.max(initial=0.0))
    onsets = [n for n in np.flatnonzero(loud).tolist() if not loud[max(0, n - QUIET) : n].any()]
    return Line(samples.astype("<i2").tobytes(), tuple(n * FRAME for n in onsets))
