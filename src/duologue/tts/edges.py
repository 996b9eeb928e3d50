"""The silence around a clause of a local voice: cut at its beginning, and set by the final mark at its end."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio.level import AUDIBLE_DBFS

__all__ = ["pause_after", "trim"]

LEAD_S: Final = 0.015
"""Seconds kept before the first audible sample."""
FADE_S: Final = 0.005
"""Seconds of fade at each end."""
AUDIBLE: Final = 10 ** (AUDIBLE_DBFS / 20)
PAUSES_S: Final = dict.fromkeys(".!?。！？", 0.25) | dict.fromkeys(",;:—、，；：", 0.15)
NO_PAUSE_S: Final = 0.06


def pause_after(text: str) -> float:
    """Seconds of silence after a clause, by its final mark."""
    return PAUSES_S.get(text.rstrip("\"')”」")[-1:], NO_PAUSE_S)


def trim(audio: NDArray[np.float32], rate: int, pause_s: float) -> tuple[NDArray[np.float32], float]:
    """Return (n,) float32 audio with short silences around it, faded at both ends, and the seconds cut from its start.

    Nothing is left of audio that is not audible.
    """
    audible = np.abs(audio) > AUDIBLE
    if not audible.any():
        return np.zeros(0, np.float32), 0.0
    start = max(0, int(audible.argmax()) - round(LEAD_S * rate))
    length = len(audio) - int(audible[::-1].argmax()) + int(pause_s * rate) - start
    trimmed = np.zeros(length, np.float32)
    kept = audio[start : start + length]
    trimmed[: len(kept)] = kept
    fade = round(FADE_S * rate)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    trimmed[:fade] *= ramp
    trimmed[len(kept) - fade : len(kept)] *= ramp[::-1]
    return trimmed, start / rate
