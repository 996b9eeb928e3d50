"""Silero VAD v6.2 as a numpy program over a batch of streams: a third of the cost a stream that its ONNX file has."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from duologue.vad.bank import Bank
from duologue.vad.weights import Weights, shared_weights

__all__ = ["Silero"]

Array = NDArray[np.float32]

WINDOW = 512
CONTEXT = 64
HIDDEN = 128
FRAME = 256
BLOCK = 64
"""Most rows in one pass: beyond it the scratch no longer fits the second-level cache, and a row costs more."""

# A stream's row: hidden state, cell state, windows since the last that may have been speech, and context.
CELL = slice(HIDDEN, 2 * HIDDEN)
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
    differ in the last bits with the size of the batch. The weights are read once a process and shared.

    After 4 s that are surely not speech a stream's memory starts again from zero. Left alone, the network's cells grow
    for as long as loud noise lasts and it turns deaf: after two minutes of white noise at -12 dBFS it missed all of a
    clip spoken in noise 20 dB quieter, and with the restart it found all of it. On speech nothing changes.

    Give BLAS one thread: more of them spin on cores that other work needs and make these small products slower. Nothing
    here sets it, because it is a setting of the process: `OPENBLAS_NUM_THREADS=1` before numpy is first imported.

    Raises NotInstalledError where the weights are missing, and OverloadedError from `open` beyond `max_rows`.
    Source: Silero Team, https://github.com/snakers4/silero-vad (MIT).
    """

    name = "silero"
    window = WINDOW

    def __init__(self, *, max_rows: int = 4096) -> None:
        self._network = _shared_network()
        self._scratch = _Scratch(BLOCK)
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
        scratch, state = self._scratch, self._bank.state
        size = len(rows)
        before = state[rows]
        samples = scratch.samples[:size]
        samples[:, :CONTEXT] = before[:, RECENT]
        np.multiply(windows, np.float32(1 / 32768), out=samples[:, CONTEXT : CONTEXT + WINDOW])
        hidden = scratch.step[:size, HIDDEN:]
        hidden[:] = before[:, :HIDDEN]
        scores = self._network.run(scratch, size, before[:, CELL])
        before[:, :HIDDEN] = hidden
        before[:, RESTING] = np.where(scores < REST_PROBABILITY, before[:, RESTING] + 1, 0)
        before[before[:, RESTING] >= REST_WINDOWS, MEMORY] = 0
        before[:, RECENT] = samples[:, WINDOW : WINDOW + CONTEXT]
        state[rows] = before
        return scores


class _Scratch:
    """Buffers for one pass, made once; a smaller batch uses their first rows. Borders that must be zero stay zero."""

    def __init__(self, size: int) -> None:
        def zeros(*shape: int) -> Array:
            return np.zeros((size, *shape), np.float32)

        self.samples = zeros(CONTEXT + WINDOW + 64)
        """Context, window, and the mirror image of the end that the spectrum is padded with."""
        self.frames = zeros(4, FRAME)
        self.waves = np.zeros((size, 4, FRAME // 2 + 1), np.complex64)
        self.spectrum = zeros(6, 129)
        """Four frames between two that are zero, as padding for the first convolution."""
        self.taps1 = zeros(4, 387)
        self.sums1 = zeros(4, 128)
        self.layer1 = zeros(6, 128)
        self.taps2 = zeros(2, 384)
        self.layer2 = zeros(2, 64)
        self.layer3 = zeros(64)
        self.layer4 = zeros(128)
        self.step = zeros(2 * HIDDEN)
        """What the LSTM reads: the encoder's output, then its own hidden state."""
        self.gates = zeros(4 * HIDDEN)
        # Overlapping frames along each row, as views: made once, because making one costs more than a small product.
        self.sliding_samples = _sliding(self.samples, 4, FRAME, FRAME // 2)
        self.sliding_spectrum = _sliding(self.spectrum.reshape(size, -1), 4, 387, 129)
        self.sliding_layer1 = _sliding(self.layer1.reshape(size, -1), 2, 384, 256)


class _Network:
    """The weights laid out for products with rows on the left."""

    def __init__(self, weights: Weights) -> None:
        def taps(name: str) -> Array:
            weight = weights[f"{name}.weight"]  # (out, in, 3) -> (3 * in, out)
            return np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, weight.shape[0]))

        # The first layer is a Fourier transform: its weights are sines and cosines under this window.
        self.taper = weights["stft_conv.weight"][0, 0].copy()
        self.conv1, self.bias1 = taps("conv1"), weights["conv1.bias"]
        self.conv2, self.bias2 = taps("conv2"), weights["conv2.bias"]
        # Two frames reach the third layer and one the fourth: the taps that would see only padding are left out.
        self.conv3, self.bias3 = np.ascontiguousarray(taps("conv3")[64:]), weights["conv3.bias"]
        self.conv4, self.bias4 = np.ascontiguousarray(taps("conv4")[64:128]), weights["conv4.bias"]
        # PyTorch orders the gates input, forget, cell, output; side by side, the three sigmoids take one exp.
        order = np.r_[0:256, 384:512, 256:384]
        both = np.concatenate([weights["lstm_cell.weight_ih"], weights["lstm_cell.weight_hh"]], axis=1)
        self.lstm = np.ascontiguousarray(both[order].T)
        self.lstm_bias = (weights["lstm_cell.bias_ih"] + weights["lstm_cell.bias_hh"])[order]
        self.lstm[:, : 3 * HIDDEN] *= -1  # the sigmoids need exp(-x)
        self.lstm_bias[: 3 * HIDDEN] *= -1
        self.out = weights["final_conv.weight"][0, :, 0].copy()
        self.out_bias = weights["final_conv.bias"][0]

    @np.errstate(over="ignore")  # at full scale exp overflows to inf, whose reciprocal is the sigmoid's true 0
    def run(self, scratch: _Scratch, size: int, cell: Array) -> Array:
        """Score `size` rows of `scratch.samples`; moves `cell` (size, 128) and the hidden part of `scratch.step` on."""
        samples = scratch.samples[:size]
        samples[:, 576:] = samples[:, 574:510:-1]
        frames = np.multiply(scratch.sliding_samples[:size], self.taper, out=scratch.frames[:size])
        waves = np.fft.rfft(frames, out=scratch.waves[:size])  # type: ignore[arg-type]  # typed for double precision only
        spectrum = scratch.spectrum[:size]
        np.abs(waves, out=spectrum[:, 1:5])

        np.copyto(scratch.taps1[:size], scratch.sliding_spectrum[:size])
        layer1 = scratch.layer1[:size]
        layer1[:, 1:5] = _relu(_product(scratch.taps1[:size], self.conv1, scratch.sums1[:size]), self.bias1)

        np.copyto(scratch.taps2[:size], scratch.sliding_layer1[:size])
        layer2 = _relu(_product(scratch.taps2[:size], self.conv2, scratch.layer2[:size]), self.bias2)
        layer3 = _relu(np.matmul(layer2.reshape(size, 128), self.conv3, out=scratch.layer3[:size]), self.bias3)
        layer4 = _relu(np.matmul(layer3, self.conv4, out=scratch.layer4[:size]), self.bias4)

        step = scratch.step[:size]
        step[:, :HIDDEN] = layer4
        gates = np.matmul(step, self.lstm, out=scratch.gates[:size])
        gates += self.lstm_bias
        sigmoids = gates[:, : 3 * HIDDEN]
        np.exp(sigmoids, out=sigmoids)
        sigmoids += 1
        np.reciprocal(sigmoids, out=sigmoids)
        candidate = gates[:, 3 * HIDDEN :]
        np.tanh(candidate, out=candidate)
        candidate *= gates[:, :HIDDEN]
        cell *= gates[:, HIDDEN : 2 * HIDDEN]
        cell += candidate
        hidden = step[:, HIDDEN:]
        np.tanh(cell, out=hidden)
        hidden *= gates[:, 2 * HIDDEN : 3 * HIDDEN]
        logits = np.maximum(hidden, 0) @ self.out + self.out_bias
        scores: Array = (1 / (1 + np.exp(-logits))).astype(np.float32, copy=False)
        return scores


@cache
def _shared_network() -> _Network:
    return _Network(shared_weights())


def _sliding(array: Array, frames: int, width: int, hop: int) -> Array:
    """Overlapping frames along each row of a contiguous array, as a view (rows, frames, width)."""
    step = array.itemsize
    view: Any = as_strided(array, (len(array), frames, width), (array.strides[0], hop * step, step), writeable=False)
    return view  # type: ignore[no-any-return]  # as_strided is typed for any array


def _product(frames: Array, weight: Array, out: Array) -> Array:
    """`frames @ weight` as one flat product: a stack of small ones would go to BLAS one by one."""
    np.matmul(frames.reshape(-1, frames.shape[-1]), weight, out=out.reshape(-1, weight.shape[1]))
    return out


def _relu(layer: Array, bias: Array) -> Array:
    layer += bias
    return np.maximum(layer, 0, out=layer)
