"""Change the sample rate of audio: in a stream with a lag under 3 ms, or of a whole recording with a sharper filter.

Both are polyphase FIR filters of windowed sincs. The outputs of one period (the least common multiple of the two
sample times) are computed as one product of a span of input with a matrix, so a 20 ms frame costs one small GEMM.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from duologue.audio.format import RATES, check_whole_samples
from duologue.errors import ConfigError, InvalidAudioError

__all__ = ["FILE_RATES", "Resampler", "resample"]

FILE_RATES: Final = (*RATES, 12000, 64000, 88200, 96000, 176400, 192000)
"""Sample rates that `resample` accepts."""

_LIVE_ZEROS = 20
_LIVE_STOP_DB = 60.0
_OFFLINE_ZEROS = 64
_OFFLINE_STOP_DB = 90.0
_GRID = 2.0**24
_BLOCK = 1 << 18
"""Input samples, including their overlap, that are copied for one product; bounds the memory for a long recording."""


@dataclass(frozen=True, slots=True, eq=False)
class _Kernel:
    """The filter between two rates."""

    step_in: int
    """Input samples of one period."""
    step_out: int
    """Output samples of one period."""
    taps: int
    """Input samples that one output depends on."""
    matrix: NDArray[np.float64]
    """(input samples, step_out): computes one period of output from the span of input that begins with the period."""

    def outputs(self, n_in: int) -> int:
        """Return how many outputs begin within the first `n_in` input samples."""
        return -(-n_in * self.step_out // self.step_in)

    def apply(self, samples: NDArray[np.float64], n_out: int) -> NDArray[np.float64]:
        """Return the first `n_out` outputs. The filter of output n begins at input n * step_in // step_out."""
        width, step_out = self.matrix.shape
        periods = -(-n_out // step_out)
        missing = (periods - 1) * self.step_in + width - len(samples)
        if missing > 0:
            samples = np.concatenate((samples, np.zeros(missing)))
        out = np.empty((periods, step_out))
        block = max(1, _BLOCK // width)
        stride = samples.strides[0]
        for first in range(0, periods, block):
            rows = min(block, periods - first)
            stretches = as_strided(
                samples[first * self.step_in :], (rows, width), (self.step_in * stride, stride), writeable=False
            )
            np.dot(np.ascontiguousarray(stretches), self.matrix, out=out[first : first + rows])
        return out.reshape(-1)[:n_out]


@lru_cache(maxsize=64)
def _design(rate_in: int, rate_out: int, zeros: int, stop_db: float) -> _Kernel:
    """A Kaiser-windowed sinc with `zeros` zero crossings on each side, counted at the lower of the two rates.

    Kaiser's formulas give the window's shape and the width of the transition, which ends near the lower Nyquist.
    """
    divisor = math.gcd(rate_in, rate_out)
    step_in, step_out = rate_in // divisor, rate_out // divisor
    low = min(rate_in, rate_out)
    half = math.ceil(zeros * rate_in / low)
    beta = 0.1102 * (stop_db - 8.7)
    cutoff = 0.5 - 0.4 * (stop_db - 7.95) / (14.36 * 2 * zeros)

    phases = (np.arange(step_out) * step_in % step_out)[:, None] / step_out
    times = np.arange(2 * half) - (half - 1) - phases
    window = np.i0(beta * np.sqrt(np.clip(1 - (times / half) ** 2, 0, None)))
    taps = np.sinc(2 * cutoff * low / rate_in * times) * window
    # The taps are multiples of 1 / _GRID: then every product and sum with 16-bit samples is exact in float64, in any
    # order, so the output does not depend on how the input was cut into chunks. Each phase has a gain of exactly 1 at
    # 0 Hz.
    taps = np.rint(taps / taps.sum(axis=1, keepdims=True) * _GRID)
    taps[:, half - 1] += _GRID - taps.sum(axis=1)
    taps /= _GRID

    repeat = max(1, half // (2 * step_in))  # join short periods: one wide product is faster than many narrow ones
    starts = np.arange(repeat * step_out) * step_in // step_out
    matrix = np.zeros((starts[-1] + 2 * half, repeat * step_out))
    for column, start in enumerate(starts):
        matrix[start : start + 2 * half, column] = taps[column % step_out]
    matrix.flags.writeable = False
    return _Kernel(repeat * step_in, repeat * step_out, 2 * half, matrix)


class Resampler:
    """Changes the sample rate of one live stream of 16-bit mono audio, chunk by chunk.

    20 ms of input give 20 ms of output, `lag` seconds later; with equal rates the audio passes through unchanged. Not
    thread-safe.
    Raises ConfigError for a rate that is not in RATES.
    """

    __slots__ = ("_done", "_kernel", "_pending", "lag", "rate_in", "rate_out")

    def __init__(self, rate_in: int, rate_out: int) -> None:
        _check_rates(rate_in, rate_out, RATES)
        self.rate_in: int = rate_in
        self.rate_out: int = rate_out
        self._kernel = None if rate_in == rate_out else _design(rate_in, rate_out, _LIVE_ZEROS, _LIVE_STOP_DB)
        self.lag: float = self._kernel.taps / 2 / rate_in if self._kernel else 0.0
        """Seconds by which the output is behind the input; under 0.003."""
        self._reset()

    def _reset(self) -> None:
        # Input from the beginning of the current period, and the number of its outputs that were returned already.
        self._pending = np.zeros(self._kernel.taps - 1 if self._kernel else 0)
        self._done = 0

    def process(self, pcm: bytes | bytearray | memoryview | NDArray[np.int16]) -> bytes:
        """Return the output that this chunk, of any size, completes.

        Raises InvalidAudioError unless the chunk consists of whole 16-bit samples.
        """
        samples = _int16(pcm)
        if self._kernel is None:
            return samples.tobytes()
        return self._push(self._kernel, samples)

    def flush(self) -> bytes:
        """Return the last `lag` seconds of output. The next chunk then begins a new stream."""
        if self._kernel is None:
            return b""
        rest = self._push(self._kernel, np.zeros(self._kernel.taps // 2, np.int16))
        self._reset()
        return rest

    def _push(self, kernel: _Kernel, samples: NDArray[np.int16]) -> bytes:
        pending: NDArray[np.float64] = np.concatenate((self._pending, samples))
        ready = kernel.outputs(len(pending) - (kernel.taps - 1))
        if ready <= self._done:
            self._pending = pending
            return b""
        out = kernel.apply(pending, ready)[self._done :]
        periods, self._done = divmod(ready, kernel.step_out)
        self._pending = pending[periods * kernel.step_in :].copy()
        return _to_int16(out).tobytes()


def resample(samples: NDArray[np.int16], rate_in: int, rate_out: int) -> NDArray[np.int16]:
    """Return a whole recording (n,) of 16-bit audio at another rate, without delay: (round(n * rate_out / rate_in),).

    Raises ConfigError for a rate that is not in FILE_RATES, InvalidAudioError for other than one-dimensional int16.
    """
    _check_rates(rate_in, rate_out, FILE_RATES)
    samples = _int16(samples)
    if rate_in == rate_out:
        return samples.copy()
    kernel = _design(rate_in, rate_out, _OFFLINE_ZEROS, _OFFLINE_STOP_DB)
    padded: NDArray[np.float64] = np.concatenate((np.zeros(kernel.taps // 2 - 1), samples))
    return _to_int16(kernel.apply(padded, round(len(samples) * rate_out / rate_in)))


def _check_rates(rate_in: int, rate_out: int, allowed: tuple[int, ...]) -> None:
    for rate in (rate_in, rate_out):
        if rate not in allowed:
            raise ConfigError(f"The rate {rate!r} is not one of {', '.join(map(str, sorted(allowed)))}.")


def _int16(pcm: bytes | bytearray | memoryview | NDArray[np.int16]) -> NDArray[np.int16]:
    if not isinstance(pcm, np.ndarray):
        check_whole_samples(pcm)
        return np.frombuffer(pcm, "<i2")
    if pcm.dtype != np.int16 or pcm.ndim != 1:
        raise InvalidAudioError(f"Samples are one-dimensional int16, not {pcm.ndim}-dimensional {pcm.dtype}.")
    return pcm


def _to_int16(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    rounded: NDArray[np.int16] = np.clip(np.rint(samples), -32768, 32767).astype("<i2")
    return rounded
