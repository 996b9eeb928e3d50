"""What comes down the line of a caller who speaks four times a minute, and does not pause inside a turn."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue_bench.corpus import Half, load
from duologue_bench.load import Line

__all__ = ["TURN_EVERY_S", "turns_line"]

TURN_EVERY_S: Final = 15.0
"""From one turn to the next, as at the normal load: a detector that goes by silence alone would cut others in two."""
SHORTEST_S: Final = 1.0
LONGEST_S: Final = 8.0
AROUND_S: Final = 0.1
"""Seconds of the recording before and after a turn."""
TURNS: Final = 16


def turns_line(half: Half = "test") -> Line:
    """Turns of the corpus without a labelled pause, one each 15 s."""
    parts: list[NDArray[np.int16]] = []
    onsets: list[int] = []
    whole = round(TURN_EVERY_S * RATE)
    for item in load(half):
        samples = item.samples()
        for turn in item.turns:
            if turn.pauses or not SHORTEST_S <= turn.end_s - turn.start_s <= LONGEST_S:
                continue
            begin = max(0, round((turn.start_s - AROUND_S) * RATE))
            spoken = samples[begin : round((turn.end_s + AROUND_S) * RATE)]
            onsets.append(len(parts) * whole + round(turn.start_s * RATE) - begin)
            parts.append(np.concatenate([spoken, np.zeros(whole - len(spoken), np.int16)]))
            if len(parts) == TURNS:
                return Line(np.concatenate(parts).astype("<i2").tobytes(), tuple(onsets))
    return Line(np.concatenate(parts).astype("<i2").tobytes(), tuple(onsets))
