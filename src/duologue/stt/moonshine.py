"""Moonshine tiny, an English speech model, straight on onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duologue.errors import ConfigError, InvalidAudioError, NotInstalledError
from duologue.store import cache_dir, package_file
from duologue.stt.hallucination import Decoded, believable
from duologue.stt.moonshine_graphs import FRAMES, HEAD_WIDTH, HEADS, LAYERS, STEP, load_graphs
from duologue.stt.tokens import TokenTable

__all__ = ["Moonshine"]

_RATE = 16_000
_START = 1
_LONGEST_S = FRAMES * 0.024 - 1
_STEPS = 16
"""Tokens decoded in one run of the graph, at most: the rules that end a text early are asked between runs."""
_FIRST_FRAME = 127
"""Samples that one frame of the first layer hears."""
_NOTHING = np.finfo(np.float32).min
_TAIL = 1_600
"""Samples of silence put after each segment: without them one that ends in its last sound is written twice."""
_SILENCE = 3e-4
"""Peak below which nobody speaks: ten steps of 16 bits."""
_QUIET, _LOUD = 0.01, 0.3
"""A peak below the first is raised to the second; louder speech is left alone, as raising it costs final marks."""
_TOKENS_PER_S, _SPARE_TOKENS = 10, 3
"""No one speaks faster: digits read quickly take nine tokens a second, other speech four."""


class Moonshine:
    """English speech to text in one pass over a segment of at most `max_segment_s` seconds.

    Each segment is encoded alone, so that it is never padded to another's length, and decoded together with the others
    of its call. One instance serves many threads. Model: Moonshine tiny (Jeffries et al. 2024, arXiv 2410.15608), MIT
    licence, from the package moonshine-voice 0.1.0; its graphs are made for this (`moonshine_graphs.py`) when it is
    first constructed on a machine, and cached. Raises NotInstalledError where that, onnx or onnxruntime is missing,
    ConfigError for segments of more than 97 s.
    """

    name = "moonshine-tiny"
    languages = frozenset({"en"})
    max_batch = 8
    min_partial_s = 2.0

    def __init__(self, *, max_segment_s: float = 30.0) -> None:
        if not 0 < max_segment_s <= _LONGEST_S:
            raise ConfigError(f"max_segment_s={max_segment_s} was given; {self.name} takes up to {_LONGEST_S:g} s.")
        self.max_segment_s = max_segment_s
        find = partial(package_file, "moonshine_voice", "assets", "tiny-en")
        self._tokens = TokenTable(find("tokenizer.bin"))
        self._encoder, self._decoder = map(_session, load_graphs(find, cache_dir()))

    def size(self, item: NDArray[np.float32]) -> float:
        """Seconds of audio in `item`."""
        return len(item) / _RATE

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[str]:
        """The words of each item; an empty string where there are none.

        An item is (n,) float32, 16 kHz mono in -1..1. Raises InvalidAudioError for another shape or type, for values
        that are not finite, and for an item longer than `max_segment_s`.
        """
        for item in items:
            self._check(item)
        audible = [i for i, item in enumerate(items) if len(item) and np.abs(item).max() > _SILENCE]
        texts = [""] * len(items)
        for i, decoded in zip(audible, self._decode([items[i] for i in audible]), strict=True):
            texts[i] = believable(decoded, self._tokens)
        return texts

    def _check(self, item: NDArray[np.float32]) -> None:
        if item.ndim != 1 or item.dtype != np.float32:
            raise InvalidAudioError(
                f"Audio of shape {item.shape} and type {item.dtype} was given.",
                hint="Give one channel of float32 samples in -1..1 at 16 kHz.",
            )
        if self.size(item) > self.max_segment_s:
            raise InvalidAudioError(
                f"A segment of {self.size(item):.1f} s was given; {self.name} takes {self.max_segment_s:g} s at most.",
                hint="Cut it at its pauses and transcribe the segments.",
            )
        if not np.isfinite(item).all():
            raise InvalidAudioError("The audio holds values that are not finite.", hint="Check where it is made.")

    def _encode(self, item: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the decoder reads of the sound: (12, 8, T, 36), keys and values of each layer by head."""
        peak = np.abs(item).max()
        frames = (len(item) + _TAIL - _FIRST_FRAME) // STEP + 1
        samples = np.zeros((frames + 1) * STEP, np.float32)
        heard = item[: len(samples)]
        np.multiply(heard, np.float32(_LOUD / peak if peak < _QUIET else 1), out=samples[: len(heard)])
        memory: NDArray[np.float32] = self._encoder.run(None, {"blocks": samples.reshape(-1, STEP)})[0]
        return memory.reshape(2 * LAYERS, HEADS, -1, HEAD_WIDTH)

    def _decode(self, items: Sequence[NDArray[np.float32]]) -> list[Decoded]:
        """Decode all items greedily, a token each a step; an item that has finished leaves the batch."""
        decoded = [Decoded(limit=int(self.size(item) * _TOKENS_PER_S) + _SPARE_TOKENS) for item in items]
        if not items:
            return decoded
        # The longest first: who is last is likely to finish first, and then nothing needs to be moved.
        rows = sorted(range(len(items)), key=lambda i: -len(items[i]))
        encoded = [self._encode(items[i]) for i in rows]
        frames = encoded[0].shape[2]
        memory = np.zeros((2 * LAYERS, len(items), HEADS, frames, HEAD_WIDTH), np.float32)
        hidden = np.zeros((len(items), 1, 1, frames), np.float32)
        for row, one in enumerate(encoded):
            memory[:, row, :, : one.shape[2]] = one
            hidden[row, :, :, one.shape[2] :] = _NOTHING
        past = 2 * LAYERS * [np.zeros((len(items), HEADS, 0, HEAD_WIDTH), np.float32)]
        token = np.full((len(items), 1), _START, np.int64)
        live = [decoded[i] for i in rows]
        while live:
            *past, tokens, probabilities = self._decoder.run(
                None,
                {
                    "steps": np.array(min(_STEPS, *(one.limit - len(one.tokens) for one in live))),
                    "token": token,
                    "start": np.array([past[0].shape[2]]),
                    "hidden": hidden,
                    **{f"memory{i}": one[: len(live)] for i, one in enumerate(memory)},
                    **{f"past{i}": one for i, one in enumerate(past)},
                },
            )
            tokens, confidences = tokens[:, :, 0, 0], np.log(probabilities[:, :, 0, 0])
            going = [
                all(one.add(*each) for each in zip(tokens[:, row].tolist(), confidences[:, row].tolist(), strict=True))
                for row, one in enumerate(live)
            ]
            token = tokens[-1][:, None]
            if not all(going):
                stay = list(range(len(live)))
                for row in reversed(np.flatnonzero(np.logical_not(going)).tolist()):
                    last = stay.pop()
                    if row < len(stay):
                        stay[row] = last
                        memory[:, row] = memory[:, last]
                live = [live[row] for row in stay]
                token, hidden, past = token[stay], hidden[stay], [one[stay] for one in past]
        return decoded


def _session(graph: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise NotInstalledError(
            "The package 'onnxruntime' is not installed.", hint="pip install 'duologue[local]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
