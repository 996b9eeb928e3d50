"""Log-mel features as Whisper defines them, for the last eight seconds of a turn."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from duologue.audio.format import RATE

__all__ = ["FRAMES", "MELS", "SAMPLES", "log_mel"]

SAMPLES = 8 * RATE
FFT = 400
HOP = 160
MELS = 80
FRAMES = SAMPLES // HOP

Array = NDArray[np.float64]


def log_mel(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features (80, 800) float32, roughly in -1..1, of the last 8 s of `audio`, padded in front with zeros.

    `audio` is (n,) at 16 kHz in -1..1. It is brought to zero mean and unit variance together with its padding, as the
    model was trained. Agrees with the features that Smart Turn was released with to 1e-5.
    Source: Radford et al. 2022, arXiv 2212.04356; Hugging Face transformers, WhisperFeatureExtractor (Apache-2.0).
    """
    heard = audio[-SAMPLES:]
    padded = np.zeros(SAMPLES, np.float32)
    padded[SAMPLES - len(heard) :] = heard
    padded = (padded - padded.mean()) / np.sqrt(padded.var() + np.float32(1e-7))
    frames = sliding_window_view(np.pad(padded.astype(np.float64), FFT // 2, mode="reflect"), FFT)[::HOP][:FRAMES]

    # All frames that lie in the padding are alike: one of them stands for the rest.
    alike = max(1, (SAMPLES - len(heard) - FFT // 2) // HOP)
    spectrum = np.fft.rfft(frames[alike - 1 :] * _window(), axis=-1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    mel = np.log10(np.maximum(power @ _mel_filters(), 1e-10))
    features = np.maximum(mel, mel.max() - 8.0) / 4 + 1
    return np.concatenate([np.repeat(features[:1], alike - 1, axis=0), features]).T.astype(np.float32)


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
