"""What people say in the corpus's recordings, for callers to speak."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue_bench.corpus import Half, load

__all__ = ["recorded_turns"]

_AS_THEY_ARE = ("prompts", "readings")


def recorded_turns(half: Half) -> dict[str, NDArray[np.int16]]:
    """The sound of each turn that a person spoke as it is, by its text: (n,) int16 at 16 kHz.

    Builds the corpus, and raises, as `corpus.load` does.
    """
    found: dict[str, NDArray[np.int16]] = {}
    for item in load(half):
        if item.source in _AS_THEY_ARE:
            sound = item.samples()
            for turn in item.turns:
                found[turn.text] = sound[round(turn.start_s * RATE) : round(turn.end_s * RATE)]
    return found
