"""Moonshine tiny, an English speech model, straight on onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duologue.errors import InvalidAudioError, NotInstalledError
from duologue.store import package_file
from duologue.stt.hallucination import Decoded, believable
from duologue.stt.tokens import TokenTable

__all__ = ["Moonshine"]

_RATE = 16_000
_START = 1
_HEADS, _HEAD_WIDTH = 8, 36
_HOP = 384
"""Samples that the decoder counts for one frame of the encoder's output."""
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
    licence, from the package moonshine-voice 0.1.0. Raises NotInstalledError where that or onnxruntime is missing.
    """

    name = "moonshine-tiny"
    languages = frozenset({"en"})
    max_batch = 8
    min_partial_s = 2.0

    def __init__(self, *, max_segment_s: float = 30.0) -> None:
        self.max_segment_s = max_segment_s
        self._encoder = _session("encoder_model.ort")
        self._decoder = _session("decoder_model_merged.ort")
        self._tokens = TokenTable(package_file("moonshine_voice", "assets", "tiny-en", "tokenizer.bin"))
        self._caches = [node.name for node in self._decoder.get_inputs() if node.name.startswith("past_key_values")]
        self._growing = [name for name in self._caches if ".decoder." in name]

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
        peak = np.abs(item).max()
        gain = np.float32(_LOUD / peak if peak < _QUIET else 1)
        samples = np.pad(item * gain, (0, _TAIL))[None]
        feed = {"input_values": samples, "attention_mask": np.ones(samples.shape, np.int64)}
        hidden: NDArray[np.float32] = self._encoder.run(None, feed)[0][0]
        return hidden

    def _decode(self, items: Sequence[NDArray[np.float32]]) -> list[Decoded]:
        """Decode all items greedily, a token each a step; an item that has finished leaves the batch."""
        decoded = [Decoded(limit=int(self.size(item) * _TOKENS_PER_S) + _SPARE_TOKENS) for item in items]
        if not items:
            return decoded
        encoded = [self._encode(item) for item in items]
        frames = max(len(one) for one in encoded)
        hidden = np.zeros((len(items), frames, encoded[0].shape[1]), np.float32)
        mask = np.zeros((len(items), frames * _HOP), np.int64)
        for row, one in enumerate(encoded):
            hidden[row, : len(one)] = one
            mask[row, : len(one) * _HOP] = 1
        caches = dict.fromkeys(self._caches, np.zeros((len(items), _HEADS, 0, _HEAD_WIDTH), np.float32))
        ids = np.full((len(items), 1), _START, np.int64)
        live = decoded
        fresh = self._caches
        while live:
            logits, *changed = self._decoder.run(
                ["logits", *(name.replace("past_key_values", "present") for name in fresh)],
                {
                    "input_ids": ids,
                    "encoder_hidden_states": hidden,
                    "encoder_attention_mask": mask,
                    "use_cache_branch": np.array([fresh is self._growing]),
                    **caches,
                },
            )
            caches.update(zip(fresh, changed, strict=True))
            fresh = self._growing  # what comes from the encoder does not change after the first step
            scores = logits[:, -1]
            best = scores.argmax(-1)
            peak = scores[np.arange(len(live)), best]
            confidence = -np.log(np.exp(scores - peak[:, None]).sum(-1))
            going = [one.add(int(token), float(logp)) for one, token, logp in zip(live, best, confidence, strict=True)]
            ids = best[:, None].astype(np.int64)
            if not all(going):
                stay = np.flatnonzero(going)
                live = [live[row] for row in stay]
                ids, hidden, mask = ids[stay], hidden[stay], mask[stay]
                caches = {name: cache[stay] for name, cache in caches.items()}
        return decoded


def _session(file: str) -> Any:
    path = package_file("moonshine_voice", "assets", "tiny-en", file)
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
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
