"""From the spectra that hibari's graph gives to sound: pulses at the pitch, shaped, and noise, shaped, and a rest.

As hibari-tts does it, with a frame a row throughout, pulses made only where there is a voice, noise from a table, and
turns of phase looked up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["HOP", "Frames", "waveform"]

HOP = 300
"""Samples from one frame to the next, at 24 kHz."""
_RATE = 24_000
_WINDOW = 4 * HOP
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)).astype(np.float32)
_INTO, _OUT_OF = _HANN / np.float32(HOP), _HANN / np.float32(1.5)
"""The windows before and after a spectrum: a cosine is 1 in it, and four windows that overlap, twice each, are 1.5."""
_LOWEST, _HIGHEST = 40.0, 11_000.0
"""Hz: no voice below, no harmonics above."""
_PARTS = 8192
"""Of a turn, by which phases are looked up: the error is 70 dB down."""
_CIRCLE = np.exp(2j * np.pi * np.arange(_PARTS) / _PARTS).astype(np.complex64)
_NOISE = np.random.default_rng(0).standard_normal(1 << 17, np.float32).view(np.complex64)
"""Drawn once: each frame reads it from a place of its own."""
_TOGETHER = 256
"""Frames worked on together: what they need besides is bounded, and most replies are no longer."""
_SHARES = np.maximum(0, 1 - np.abs((np.arange(HOP) + 0.5) / HOP - 0.5 - np.array([[-1], [0], [1]])))
"""What the frames before, at and after a hop have to say of each of its samples: a line from middle to middle."""
_BETWEEN, _BETWEEN_SUMS = _SHARES.astype(np.float32), np.cumsum(_SHARES, axis=1).astype(np.float32)


class Frames(NamedTuple):
    """What the graph says of n frames: those from `start` on, of the N of which `f0` tells.

    `levels` (n, 3 * bins): of the harmonics, the noise and the rest. `harmonic_turns`, `rest_turns` (n, bins): by how
    much harmonics and rest are turned; a whole turn is 1. `f0` (N,): Hz, near 0 if there is no voice.
    """

    levels: NDArray[np.float32]
    harmonic_turns: NDArray[np.float32]
    rest_turns: NDArray[np.float32]
    f0: NDArray[np.float32]
    start: int


def waveform(frames: Frames, noise: np.random.Generator) -> NDArray[np.float32]:
    """The sound of the frames, HOP samples each."""
    from hibari.dsp import irfft, rfft

    count, bins = frames.harmonic_turns.shape
    pulses, voiced = _pulses(frames.f0, frames.start, count)
    seen = np.lib.stride_tricks.sliding_window_view(pulses.reshape(-1), _WINDOW)[::HOP]
    places = np.lib.stride_tricks.sliding_window_view(_NOISE, bins)
    drawn = noise.integers(0, len(places), size=(count,))
    sound = np.zeros((count + 3, HOP), np.float32)
    for begin in range(0, count, _TOGETHER):
        part = slice(begin, min(begin + _TOGETHER, count))
        harmonic, noisy, rest = (frames.levels[part, i * bins : (i + 1) * bins] for i in range(3))
        spectrum = places[drawn[part]]
        spectrum *= noisy
        free = _turned(frames.rest_turns[part])
        free *= rest
        spectrum += free
        with_voice = np.flatnonzero(voiced[part])
        if len(with_voice):
            shaped = rfft(seen[part][with_voice] * _INTO, 1)
            shaped *= _turned(frames.harmonic_turns[part][with_voice])
            shaped *= harmonic[with_voice]
            spectrum[with_voice] += shaped
        waves = irfft(spectrum, _WINDOW, 1)
        waves *= _OUT_OF
        for i in range(4):
            sound[begin + i : part.stop + i] += waves[:, i * HOP : (i + 1) * HOP]
    return sound.reshape(-1)[2 * HOP : (2 + count) * HOP]


def _turned(turns: NDArray[np.float32]) -> NDArray[np.complex64]:
    """The numbers of size 1 at so many turns from 1."""
    places = np.rint(turns * np.float32(_PARTS)).astype(np.int64)
    places &= _PARTS - 1
    turned: NDArray[np.complex64] = _CIRCLE[places]
    return turned


def _pulses(f0: NDArray[np.float32], start: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A train of pulses at the pitch, each harmonic at 1, and for which of the frames there are any.

    (count + 3, HOP): from two hops before frame `start` on; frame i is seen through hops i to i + 3.
    """
    around = np.arange(len(f0))[:, None] + (-1, 0, 1)
    near: NDArray[np.float32] = f0[np.clip(around, 0, len(f0) - 1)]
    at = np.flatnonzero(near.max(axis=1) > _LOWEST)
    near = near[at]
    pitch = near @ _BETWEEN
    turned = near @ _BETWEEN_SUMS
    low = np.flatnonzero(near.min(axis=1) < _LOWEST)  # where a voice begins or ends
    silent = pitch[low] <= _LOWEST
    pitch[low] = np.maximum(pitch[low], _LOWEST)
    turned[low] = np.cumsum(pitch[low], axis=1)
    each = np.full(len(f0), _LOWEST * HOP)
    each[at] = turned[:, -1]
    turned += ((np.cumsum(each) - each)[at] % _RATE).astype(np.float32)[:, None]
    turned /= _RATE
    turned -= np.floor(turned)
    # The sum of the first h cosines is sin((h + 1/2) t) / (2 sin(t / 2)) - 1/2, and h where t is 0.
    highest = np.floor(np.divide(_HIGHEST, pitch, out=pitch), out=pitch)
    highest += 0.5
    turned *= np.pi
    below = np.sin(turned)
    below *= 2
    turned *= 2
    turned *= highest
    train = np.sin(turned, out=turned)
    at_peak = np.abs(below) <= 2e-3
    np.copyto(below, 1, where=at_peak)
    train /= below
    np.copyto(train, highest, where=at_peak)
    train -= 0.5
    train[low] *= ~silent
    hops = at - start + 2
    inside = (hops >= 0) & (hops < count + 3)
    pulses = np.zeros((count + 3, HOP), np.float32)
    pulses[hops[inside]] = train[inside]
    heard = np.zeros(count + 3, np.bool_)
    heard[hops[inside]] = True
    return pulses, heard[:-3] | heard[1:-2] | heard[2:-1] | heard[3:]
