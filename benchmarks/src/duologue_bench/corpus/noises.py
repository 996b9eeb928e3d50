"""Sounds that people make near a microphone without speaking. (n,) float64 at 16 kHz, of any level."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from duologue.audio.format import RATE
from duologue_bench.acoustics import Signal, coloured

__all__ = ["NOISES"]


def _cough(seed: int) -> Signal:
    """Two or three bursts of air through a throat."""
    random = np.random.RandomState(seed)
    bursts = [_burst(random, random.uniform(0.1, 0.25), 900.0) for _ in range(random.randint(2, 4))]
    gap = np.zeros(int(random.uniform(0.05, 0.15) * RATE))
    return np.concatenate([piece for burst in bursts for piece in (burst, gap)][:-1])


def _breath(seed: int) -> Signal:
    """Air drawn in close to the microphone."""
    random = np.random.RandomState(seed)
    n = int(random.uniform(0.35, 0.8) * RATE)
    return coloured(n, random.randint(1 << 30), slope_db=-4.0) * np.hanning(n)


def _thump(seed: int) -> Signal:
    """Something heavy set down on the table."""
    random = np.random.RandomState(seed)
    times = np.arange(int(0.3 * RATE)) / RATE
    body = np.sin(2 * np.pi * random.uniform(70, 160) * times) * np.exp(-times * random.uniform(18, 35))
    return body + 0.1 * coloured(len(times), random.randint(1 << 30)) * np.exp(-times * 60)


def _keys(seed: int) -> Signal:
    """A few keys of a keyboard."""
    random = np.random.RandomState(seed)
    sound = np.zeros(int(random.uniform(0.6, 1.6) * RATE))
    for start in np.cumsum(random.uniform(0.08, 0.3, 12) * RATE).astype(int):
        click = _burst(random, 0.02, 2500.0)
        sound[start : start + len(click)] += click[: max(0, len(sound) - start)] * random.uniform(0.4, 1)
    return np.trim_zeros(sound)


def _clink(seed: int) -> Signal:
    """A spoon against a cup."""
    random = np.random.RandomState(seed)
    times = np.arange(int(0.5 * RATE)) / RATE
    tones = (np.sin(2 * np.pi * random.uniform(1500, 6000) * times) for _ in range(3))
    return np.asarray(sum(tones) * np.exp(-times * random.uniform(12, 30)))


def _rustle(seed: int) -> Signal:
    """A hand or a sleeve that touches the microphone."""
    random = np.random.RandomState(seed)
    n = int(random.uniform(0.3, 1.0) * RATE)
    rub = np.interp(np.arange(n), np.linspace(0, n, 12), random.uniform(0, 1, 12)) * np.hanning(n)
    return coloured(n, random.randint(1 << 30), slope_db=-6.0) * rub


def _burst(random: np.random.RandomState, length_s: float, centre_hz: float) -> Signal:
    """Noise around one frequency with a steep start and a slow end."""
    n = int(length_s * RATE)
    times = np.arange(n) / RATE
    spectrum = np.fft.rfft(random.standard_normal(n))
    frequencies = np.fft.rfftfreq(n, 1 / RATE)
    shaped = np.fft.irfft(spectrum / (1 + ((frequencies - centre_hz) / (0.6 * centre_hz)) ** 2), n)
    return np.asarray(shaped * np.minimum(1, times / 0.008) * np.exp(-times * 3 / length_s))


NOISES: dict[str, Callable[[int], Signal]] = {
    "cough": _cough,
    "breath": _breath,
    "thump": _thump,
    "keys": _keys,
    "clink": _clink,
    "rustle": _rustle,
}
