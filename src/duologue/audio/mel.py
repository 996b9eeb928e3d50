"""Log-mel spectra as Whisper defines them, which several models hear.

Source: Radford et al. 2022, arXiv 2212.04356; Hugging Face transformers, WhisperFeatureExtractor (Apache-2.0).
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from duologue.audio.format import RATE

__all__ = ["FFT", "FLOOR", "HOP", "MELS", "compressed", "log_mel_of", "overlapping"]

FFT: Final = 400
"""Samples in a frame."""
HOP: Final = 160
"""Samples from one frame to the next."""
MELS: Final = 80
FLOOR: Final = -10.0
"""The log-mel value of digital silence."""

Array = NDArray[np.float64]


def overlapping(audio: NDArray[np.float32]) -> Array:
    """The frames (n // 160, 400) float64 of audio (n,), with their centers on its samples 0, 160, ..."""
    padded = np.pad(audio.astype(np.float64), FFT // 2, mode="reflect")
    frames: Array = sliding_window_view(padded, FFT)[::HOP][: len(audio) // HOP]
    return frames


def log_mel_of(frames: Array) -> Array:
    """The decimal logarithm (T, 80) of the energy of each mel band in frames (T, 400)."""
    spectrum = np.fft.rfft(frames * _window(), axis=-1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    energies: Array = np.log10(np.maximum(power @ _mel_filters(), 10**FLOOR))
    return energies


def compressed(energies: Array) -> Array:
    """Those of one recording, brought to -1..1 or so: 80 dB below the loudest and more are alike."""
    scaled: Array = np.maximum(energies, energies.max() - 8.0) / 4 + 1
    return scaled


@cache
def _window() -> Array:
    return np.hanning(FFT + 1)[:-1]


@cache
def _mel_filters() -> Array:
    """Triangles (201, 80) between points evenly spaced on Slaney's mel scale, each of the same area."""
    points = _hertz(np.linspace(0, _mels(RATE / 2), MELS + 2))
    bins = np.linspace(0, RATE / 2, FFT // 2 + 1)[:, None]
    rising = (bins - points[:-2]) / (points[1:-1] - points[:-2])
    falling = (points[2:] - bins) / (points[2:] - points[1:-1])
    filters: Array = np.maximum(0, np.minimum(rising, falling)) * (2 / (points[2:] - points[:-2]))
    return filters


# Slaney's scale: linear, 3 mels to 200 Hz, up to 1 kHz; beyond, 27 mels to each factor of 6.4.
_KNEE_HERTZ, _KNEE_MELS, _STEP = 1000.0, 15.0, np.log(6.4) / 27


def _mels(hertz: float) -> float:
    return float(_KNEE_MELS + np.log(hertz / _KNEE_HERTZ) / _STEP) if hertz > _KNEE_HERTZ else 3 * hertz / 200


def _hertz(mels: Array) -> Array:
    above = _KNEE_HERTZ * np.exp(_STEP * (np.maximum(mels, _KNEE_MELS) - _KNEE_MELS))
    return np.where(mels < _KNEE_MELS, 200 * mels / 3, above)
