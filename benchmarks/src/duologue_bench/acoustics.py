"""What a room and a line do to speech: levels, reverberation, echo, noise. All of it is fixed by seeds.

Signals are (n,) float64 at 16 kHz in -1..1. Random numbers come from numpy's RandomState, whose streams never change.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import FRAME_SAMPLES, RATE
from duologue.errors import ConfigError

__all__ = [
    "EchoPath",
    "Signal",
    "active_dbfs",
    "coloured",
    "echo",
    "from_int16",
    "gain_of",
    "reverberate",
    "to_int16",
]

Signal = NDArray[np.float64]

_ACTIVE_RANGE_DB = 25.0
_DIRECT_DB = 9.0
"""By how much the direct sound is louder than all that the room adds."""


def from_int16(samples: NDArray[np.int16]) -> Signal:
    """The same sound in -1..1."""
    return samples / 32768.0


def to_int16(signal: Signal) -> NDArray[np.int16]:
    """The same sound in 16 bits, held at full scale where it goes beyond."""
    rounded: NDArray[np.int16] = np.clip(np.rint(signal * 32768.0), -32768, 32767).astype(np.int16)
    return rounded


def gain_of(decibels: float) -> float:
    """The factor on samples that a gain in decibels is."""
    return float(10 ** (decibels / 20))


def active_dbfs(signal: Signal) -> float:
    """The level of speech without its pauses, in decibels below full scale; minus infinity for silence.

    The RMS over the 20 ms frames that are within 25 dB of the loudest 5%, in the spirit of ITU-T P.56.
    """
    whole = len(signal) // FRAME_SAMPLES * FRAME_SAMPLES
    power = np.square(signal[:whole].reshape(-1, FRAME_SAMPLES)).mean(axis=1)
    if not len(power) or not power.any():
        return -math.inf
    heard = power[power > 0]
    active = heard[heard > np.percentile(heard, 95) * gain_of(-2 * _ACTIVE_RANGE_DB)]
    return 10 * math.log10(float(active.mean()))


def coloured(n: int, seed: int, *, slope_db: float = -3.0) -> Signal:
    """Noise of RMS 1 whose spectrum falls by `slope_db` an octave from 60 Hz on: -3 is pink, -6 brown, 0 white."""
    spectrum = np.fft.rfft(np.random.RandomState(seed).standard_normal(n))
    frequencies = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 60.0)
    noise: Signal = np.fft.irfft(spectrum * (frequencies / 60.0) ** (slope_db / 6.0206), n)
    return noise / math.sqrt(float(np.square(noise).mean()))


def reverberate(signal: Signal, rt60_s: float, seed: int) -> Signal:
    """The sound as a small room gives it: first itself, unchanged, then noise that decays by 60 dB in `rt60_s`.

    Nothing is delayed, so labels stay true; what the room adds is 9 dB below the sound itself. As long as the input:
    the last of the tail is cut. 0 seconds: no room. Raises ConfigError for a time that is not in 0..1.
    """
    if not 0 <= rt60_s <= 1:
        raise ConfigError(f"A room of {rt60_s} s was asked for; its reverberation time is 0 to 1 s.")
    if rt60_s == 0:
        return signal
    tail = _reverberation(rt60_s, seed)
    size = len(signal) + len(tail)
    wet: Signal = np.fft.irfft(np.fft.rfft(signal, size) * np.fft.rfft(tail, size), size)[: len(signal)]
    return signal + wet


def _reverberation(rt60_s: float, seed: int) -> Signal:
    first, n = int(0.003 * RATE), int(rt60_s * RATE)
    tail = np.random.RandomState(seed).standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail[:first] = 0
    tail *= gain_of(-_DIRECT_DB) / math.sqrt(float(np.square(tail).sum()))
    return tail


def echo(
    playout: NDArray[np.int16], level_db: float, delay_s: float, room_s: float = 0.0, *, seed: int = 0
) -> NDArray[np.int16]:
    """What the microphone gets of the agent's own voice: playout (n,) int16 at 16 kHz, delayed, softer, with a room.

    `level_db` is relative to the playout: at -10 the echo's level is 10 dB below what is played, whatever that is. In
    the corpus the level of both the agent's playout and the user's speech is -26 dBFS, so that it is also the level
    relative to the user. Returns as many samples as were given, of which the first `delay_s` are silence; put silence
    after the playout where the end of its echo matters. Raises ConfigError for a negative delay.
    """
    if delay_s < 0:
        raise ConfigError(f"An echo cannot come {-delay_s} s before its sound.")
    before = active_dbfs(from_int16(playout))
    if before == -math.inf:
        return np.zeros_like(playout)
    delayed = np.zeros(len(playout))
    delay = min(round(delay_s * RATE), len(playout))
    delayed[delay:] = from_int16(playout[: len(playout) - delay])
    heard = reverberate(delayed, room_s, seed)
    gain = level_db + active_dbfs(delayed) - active_dbfs(heard) if delayed.any() else 0.0
    return to_int16(heard * gain_of(gain))


class EchoPath:
    """The same echo live: of audio that is still being played, whatever will be played next.

    `usual` (n,) int16 is what its level is set by: the sound as it would be played if nobody broke in. Raises
    ConfigError for a delay shorter than 20 ms.
    """

    def __init__(
        self,
        usual: NDArray[np.int16],
        level_db: float,
        delay_s: float,
        room_s: float = 0.0,
        *,
        seed: int = 0,
    ) -> None:
        self._delay = round(delay_s * RATE)
        if self._delay < FRAME_SAMPLES:
            raise ConfigError(f"The echo comes after {delay_s:g} s, and sound is played 20 ms at a time.")
        dry = from_int16(usual)
        heard = reverberate(dry, room_s, seed)
        gain = gain_of(level_db + active_dbfs(dry) - active_dbfs(heard)) if dry.any() else 0.0
        response = np.ones(1)
        if room_s:
            response = _reverberation(room_s, seed)
            response[0] += 1.0
        self._reach = len(response) - 1
        self._block = self._delay // FRAME_SAMPLES * FRAME_SAMPLES
        """Of the echo so much is known ahead, and made at once."""
        self._made = np.zeros(0)
        self._made_from = 0
        self._size = 1 << (self._reach + self._block - 1).bit_length()
        self._response = np.fft.rfft(response * gain, self._size)

    def next(self, line: Signal, at: int) -> Signal:
        """The echo (320,) from sample `at` on, of the `line` (n,) that has sounded until `at`; to be asked in turn."""
        if at >= self._made_from + len(self._made):
            self._made, self._made_from = self._make(line, at), at
        start = at - self._made_from
        return self._made[start : start + FRAME_SAMPLES]

    def _make(self, line: Signal, at: int) -> Signal:
        end = at + self._block - self._delay
        if end <= 0:
            return np.zeros(self._block)
        stretch = line[max(0, end - self._block - self._reach) : end]
        whole: Signal = np.fft.irfft(np.fft.rfft(stretch, self._size) * self._response, self._size)[: len(stretch)]
        return np.pad(whole, (max(0, self._block - len(whole)), 0))[-self._block :]
