"""Where speech is in a clean recording: the one definition that all labels come from.

A sample is speech where the RMS over the 5 ms around it is less than 30 dB below the level of the speech, and at least
15 dB above the recording's own noise. Silence of 200 ms or more between speech is a pause; what is shorter belongs to
the words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue_bench.acoustics import Signal, active_dbfs, gain_of

__all__ = ["SHORTEST_PAUSE", "audible", "stretches"]

SHORTEST_PAUSE = RATE // 5
"""Samples."""

_WINDOW = RATE // 200
_BELOW_SPEECH_DB = 30.0
_ABOVE_NOISE_DB = 15.0
_CLICK = RATE // 12
"""Sound shorter than this between two pauses is no word."""


def audible(signal: Signal, *, shift_db: float = 0.0) -> NDArray[np.bool_]:
    """Which samples are speech, (n,); `shift_db` moves the gate, to see how much depends on where it is."""
    power = _power(_without_rumble(signal))
    frames = power[: len(power) // _WINDOW * _WINDOW : _WINDOW]
    noise = np.percentile(frames[frames > 0], 2) if frames.any() else 0.0
    gate = max(gain_of(2 * (active_dbfs(signal) - _BELOW_SPEECH_DB)), float(noise) * gain_of(2 * _ABOVE_NOISE_DB))
    loud: NDArray[np.bool_] = power > gate * gain_of(2 * shift_db)
    return loud


def stretches(signal: Signal, *, shift_db: float = 0.0) -> list[tuple[int, int]]:
    """The stretches of speech between pauses, as [start, end) in samples; none for silence."""
    loud = np.flatnonzero(audible(signal, shift_db=shift_db))
    if not len(loud):
        return []
    breaks = np.flatnonzero(np.diff(loud) > SHORTEST_PAUSE)
    starts = loud[np.concatenate(([0], breaks + 1))]
    ends = loud[np.concatenate((breaks, [len(loud) - 1]))] + 1
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True) if end - start >= _CLICK]


def _without_rumble(signal: Signal) -> Signal:
    """The sound above 60 to 180 Hz, without delay: what is below is traffic and hands on the table, not words."""
    spectrum = np.fft.rfft(signal)
    rise = np.clip((np.fft.rfftfreq(len(signal), 1 / RATE) - 60.0) / 120.0, 0, 1)
    passed: Signal = np.fft.irfft(spectrum * np.sin(rise * np.pi / 2) ** 2, len(signal))
    return passed


def _power(signal: Signal) -> Signal:
    total = np.concatenate(([0.0], np.cumsum(np.square(signal))))
    before = np.maximum(np.arange(len(signal)) - _WINDOW // 2, 0)
    after = np.minimum(before + _WINDOW, len(signal))
    power: Signal = (total[after] - total[before]) / _WINDOW
    return power
