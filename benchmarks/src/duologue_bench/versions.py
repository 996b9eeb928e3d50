"""The versions of an item: as a telephone line or a noisy place would deliver it. Nothing is delayed."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio import g711
from duologue.audio.format import RATE
from duologue.audio.resample import resample
from duologue.errors import ConfigError
from duologue_bench.acoustics import Signal, active_dbfs, coloured, from_int16, gain_of, to_int16

__all__ = ["NOISES", "VERSIONS", "g711_line", "noise_of", "noisy"]

VERSIONS: Final = ("clean", "g711", "noise20", "noise10", "noise5")
"""As recorded; through an 8 kHz mu-law line of 300 to 3400 Hz; in noise so many decibels below the speech."""

NOISES: Final = ("pink", "babble", "cafe")
"""What the noise of an item is: pink noise, many voices, or voices, pink noise and the clink of cups."""

_LINE_HZ = 8_000
_BAND_HZ = (300.0, 3400.0)
_TAPS = 255
_HEADROOM = 0.98


def g711_line(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Sound (n,) int16 at 16 kHz after a telephone line: 300 to 3400 Hz, 8 kHz, mu-law (ITU-T G.711), and back."""
    narrow = np.convolve(from_int16(resample(samples, RATE, _LINE_HZ)), _band_pass(), "same")
    pcm = to_int16(narrow).astype("<i2").tobytes()
    decoded = np.frombuffer(g711.decode(g711.encode(pcm, "mulaw"), "mulaw"), "<i2")
    wide = resample(decoded, _LINE_HZ, RATE)
    return np.pad(wide, (0, max(0, len(samples) - len(wide))))[: len(samples)]


def noisy(
    samples: NDArray[np.int16], snr_db: float, seed: int, babble: NDArray[np.int16], speech_dbfs: float | None = None
) -> NDArray[np.int16]:
    """Sound (n,) int16 at 16 kHz with noise `snr_db` below the level of its speech, measured where it is not given.

    The seed chooses pink noise, babble, or a café (babble, pink noise and the clink of cups). Where the sum would go
    beyond full scale all of it is made softer. `babble` (m,) is a bed of many voices, of which a part is taken.
    Raises ConfigError where there is no sound whose level could be measured.
    """
    clean = from_int16(samples)
    level = active_dbfs(clean) if speech_dbfs is None else speech_dbfs
    if not np.isfinite(level):
        raise ConfigError("Noise is set by the level of speech, and there is no sound at all.")
    n = len(clean)
    noise = (_pink, _babble, _cafe)[seed % 3](n, seed, from_int16(babble))
    noise *= gain_of(level - snr_db) / np.sqrt(np.square(noise).mean())
    mixed = clean + noise
    return to_int16(mixed * min(1.0, _HEADROOM / float(np.abs(mixed).max())))


def noise_of(seed: int) -> str:
    """Which of NOISES an item with this seed gets."""
    return NOISES[seed % len(NOISES)]


def _pink(n: int, seed: int, _: Signal) -> Signal:
    return coloured(n, seed)


def _babble(n: int, seed: int, bed: Signal) -> Signal:
    part: Signal = np.resize(np.roll(bed, -(seed * 7919) % len(bed)), n)
    return part


def _cafe(n: int, seed: int, bed: Signal) -> Signal:
    voices = _babble(n, seed, bed)
    mixed: Signal = voices / np.sqrt(np.square(voices).mean()) + 0.7 * coloured(n, seed + 1)
    random = np.random.RandomState(seed + 2)
    length = RATE // 8
    times = np.arange(length) / RATE
    for start in random.randint(0, max(1, n - length), size=max(1, n // (2 * RATE))):
        clink = np.sin(2 * np.pi * random.uniform(1800, 5200) * times) * np.exp(-times * random.uniform(30, 90))
        stretch = mixed[start : start + length]
        stretch += random.uniform(1, 4) * clink[: len(stretch)]
    return mixed


def _band_pass() -> Signal:
    """A windowed-sinc filter of linear phase at 8 kHz, centred, so that it delays nothing."""
    times = np.arange(_TAPS) - _TAPS // 2
    low, high = (2 * hz / _LINE_HZ for hz in _BAND_HZ)
    taps: Signal = (high * np.sinc(high * times) - low * np.sinc(low * times)) * np.blackman(_TAPS)
    return taps
