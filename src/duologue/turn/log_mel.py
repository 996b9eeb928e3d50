"""Log-mel features as Whisper defines them, for the last eight seconds of a turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.audio.mel import FFT, HOP, MELS, compressed, log_mel_of, overlapping

__all__ = ["FRAMES", "MELS", "SAMPLES", "log_mel"]

SAMPLES = 8 * RATE
FRAMES = SAMPLES // HOP


def log_mel(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features (80, 800) float32, roughly in -1..1, of the last 8 s of `audio`, padded in front with zeros.

    `audio` is (n,) at 16 kHz in -1..1. It is brought to zero mean and unit variance together with its padding, as the
    model was trained. Agrees with the features that Smart Turn was released with to 1e-5.
    Source: Hugging Face transformers, WhisperFeatureExtractor (Apache-2.0).
    """
    heard = audio[-SAMPLES:]
    padded = np.zeros(SAMPLES, np.float32)
    padded[SAMPLES - len(heard) :] = heard
    padded = (padded - padded.mean()) / np.sqrt(padded.var() + np.float32(1e-7))

    # All frames that lie in the padding are alike: one of them stands for the rest.
    alike = max(1, (SAMPLES - len(heard) - FFT // 2) // HOP)
    features = compressed(log_mel_of(overlapping(padded)[alike - 1 :]))
    return np.concatenate([np.repeat(features[:1], alike - 1, axis=0), features]).T.astype(np.float32)
