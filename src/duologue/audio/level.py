"""How loud sound is, and making it louder or softer. All sound here is 16-bit mono PCM."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio._audioop import audioop
from duologue.audio.format import RATE, check_whole_samples
from duologue.errors import ConfigError

__all__ = ["AUDIBLE_DBFS", "dbfs", "first_audible", "gain", "rms", "speech_level"]

AUDIBLE_DBFS: Final = -50.0
"""A sample above this level can be heard; 0 dBFS is full scale."""

_FULL_SCALE = 32768
_FRAME = RATE // 50
_LOUD: Final = 0.25
"""The share of frames, the loudest, that are taken for speech."""
_LEVEL_S: Final = 4
"""Seconds at the end of the sound that are looked at..."""
_EVERY: Final = 4
"""...and of them every such sample: the mean power of fewer samples is nearly the same, and costs a quarter."""
_AUDIBLE_SAMPLE = int(_FULL_SCALE * 10 ** (AUDIBLE_DBFS / 20))


def rms(pcm: bytes) -> int:
    """The root mean square of the samples, 0 to 32768, rounded down; 0 for no samples.

    Raises InvalidAudioError unless `pcm` is whole samples.
    """
    check_whole_samples(pcm)
    return audioop.rms(pcm, 2)


def dbfs(pcm: bytes) -> float:
    """The root mean square in decibels below full scale: 0 at most, minus infinity for silence and for no samples.

    Raises InvalidAudioError unless `pcm` is whole samples.
    """
    level = rms(pcm)
    return 20 * math.log10(level / _FULL_SCALE) if level else -math.inf


def speech_level(samples: NDArray[np.int16]) -> float | None:
    """The level of the speech in a stretch of sound at 16 kHz, whatever pauses are in it, in dBFS.

    It is that of the loudest quarter of the frames of 20 ms in its last 4 s. None for less than 0.1 s, and for digital
    silence.
    """
    frames = min(len(samples) // _FRAME, _LEVEL_S * RATE // _FRAME)
    if frames < 5:
        return None
    values = samples[len(samples) - frames * _FRAME :: _EVERY].reshape(frames, _FRAME // _EVERY).astype(np.float32)
    loudest = np.sort(np.einsum("ij,ij->i", values, values))[-max(1, round(frames * _LOUD)) :]
    power = float(loudest.sum()) / len(loudest) * _EVERY / _FRAME
    return 10 * math.log10(power / _FULL_SCALE**2) if power else None


def first_audible(pcm: bytes) -> int | None:
    """The index of the first sample above AUDIBLE_DBFS; None if there is none.

    Raises InvalidAudioError unless `pcm` is whole samples.
    """
    check_whole_samples(pcm)
    if audioop.max(pcm, 2) <= _AUDIBLE_SAMPLE:
        return None
    low, high = 0, len(pcm) // 2
    while high - low > 1:  # the first audible sample is in low..high
        middle = (low + high) // 2
        if audioop.max(pcm[2 * low : 2 * middle], 2) > _AUDIBLE_SAMPLE:
            high = middle
        else:
            low = middle
    return low


def gain(pcm: bytes, factor: float) -> bytes:
    """Every sample times `factor`, held at full scale where it would go beyond.

    Raises ConfigError where `factor` is negative or not a number, InvalidAudioError unless `pcm` is whole samples.
    """
    if not 0 <= factor < math.inf:
        raise ConfigError(f"A gain is a factor of 0 or more, not {factor!r}.")
    check_whole_samples(pcm)
    return audioop.mul(pcm, 2, factor)
