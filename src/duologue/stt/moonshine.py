"""Moonshine tiny, an English speech model, straight on onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.errors import ConfigError, InvalidAudioError
from duologue.graph import open_session
from duologue.store import cache_dir, package_file
from duologue.stt.hallucination import Decoded, believable
from duologue.stt.moonshine_ending import ending_odds, sound_estimate
from duologue.stt.moonshine_graphs import FRAMES, HEAD_WIDTH, HEADS, LAYERS, STEP, load_graphs
from duologue.stt.moonshine_texts import Text, write
from duologue.stt.recognition import Recognition
from duologue.stt.steps import Pending
from duologue.stt.tokens import TokenTable

__all__ = ["Moonshine"]

_LONGEST_S = FRAMES * 0.024 - 1
_FIRST_FRAME = 127
"""Samples that one frame of the first layer hears."""
_TAIL = 1_600
"""Samples of silence put after each segment: without them one that ends in its last sound is written twice."""
_SILENCE = 3e-4
"""Peak below which there is no speech: ten steps of 16 bits."""
_QUIET, _LOUD = 0.01, 0.3
"""A peak below the first is raised to the second; louder speech is left alone, as raising it costs final marks."""
_TOKENS_PER_S, _SPARE_TOKENS = 10, 3
"""No one speaks faster: digits read quickly take nine tokens a second, other speech four."""


class Moonshine:
    """English speech to text in one pass over a segment of at most `max_segment_s` seconds.

    Each segment is encoded alone and decoded together with others: those of its call, or, where it is run in steps
    (`first`), those that are under way. One instance serves many threads. Model: Moonshine tiny (Jeffries et al. 2024,
    arXiv 2410.15608), MIT licence, from the package moonshine-voice 0.1.0; its graphs are made for this
    (`moonshine_graphs.py`) when it is first constructed on a machine, and cached. Raises NotInstalledError where that,
    onnx or onnxruntime is missing, ConfigError for segments of more than 97 s.
    """

    name = "moonshine-tiny"
    languages: frozenset[str] = frozenset({"en"})
    max_batch = 8
    min_partial_s: float = 2.0
    estimates_sound = True

    def __init__(self, *, max_segment_s: float = 30.0) -> None:
        if not 0 < max_segment_s <= _LONGEST_S:
            raise ConfigError(f"max_segment_s={max_segment_s} was given; {self.name} takes up to {_LONGEST_S:g} s.")
        self.max_segment_s = max_segment_s
        find = partial(package_file, "moonshine_voice", "assets", "tiny-en")
        encoder, decoder = map(open_session, load_graphs(find, cache_dir()))
        self._writing = _Writing(decoder, TokenTable(find("tokenizer.bin")))
        self.first: _Listening = _Listening(self, encoder, self._writing)

    def size(self, item: NDArray[np.float32]) -> float:
        """Seconds of audio in `item`."""
        return len(item) / RATE

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[str]:
        """The words of each item; an empty string if there are none.

        An item is (n,) float32, 16 kHz mono in -1..1. Raises InvalidAudioError for another shape or type, for values
        that are not finite, and for an item longer than `max_segment_s`.
        """
        for item in items:
            self.check(item)
        found: list[str | Pending] = self.first.run(items)
        while waiting := [i for i, one in enumerate(found) if isinstance(one, Pending)]:
            texts = [one.item for one in found if isinstance(one, Pending)]
            for i, one in zip(waiting, self._writing.run(texts), strict=True):
                found[i] = one
        return [one for one in found if isinstance(one, str)]

    def check(self, item: NDArray[np.float32]) -> None:
        """Raise InvalidAudioError where `run` would."""
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


class _Listening:
    """The first step: a segment is encoded, alone, so that it is never padded to another's length."""

    name: str = Moonshine.name
    max_batch = 1

    def __init__(self, model: Moonshine, encoder: Any, writing: _Writing) -> None:
        self._check = model.check
        self.size: Callable[[NDArray[np.float32]], float] = model.size
        self._encoder = encoder
        self._writing = writing

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[str | Pending]:
        """An empty string for a segment without speech; for any other, text that is to be decoded."""
        return [self._begin(item) for item in items]

    def _begin(self, item: NDArray[np.float32]) -> str | Pending:
        self._check(item)
        peak = np.abs(item).max(initial=0)
        if peak <= _SILENCE:
            return ""
        limit = int(self.size(item) * _TOKENS_PER_S) + _SPARE_TOKENS
        return Pending(self._writing, Text(self._encode(item, peak), Decoded(limit)))

    def _encode(self, item: NDArray[np.float32], peak: np.floating[Any]) -> NDArray[np.float32]:
        """What the decoder reads of the sound: (12, 8, T, 36), keys and values of each layer by head."""
        frames = (len(item) + _TAIL - _FIRST_FRAME) // STEP + 1
        samples = np.zeros((frames + 1) * STEP, np.float32)
        heard = item[: len(samples)]
        np.multiply(heard, np.float32(_LOUD / peak if peak < _QUIET else 1), out=samples[: len(heard)])
        memory: NDArray[np.float32] = self._encoder.run(None, {"blocks": samples.reshape(-1, STEP)})[0]
        return memory.reshape(2 * LAYERS, HEADS, -1, HEAD_WIDTH)


class _Writing:
    """The step after it, as often as it takes: a few words more of each text, greedily, all in one run."""

    name: str = Moonshine.name
    max_batch: int = Moonshine.max_batch

    def __init__(self, decoder: Any, tokens: TokenTable) -> None:
        self._decoder = decoder
        self._tokens = tokens

    def size(self, item: Text) -> float:
        """Nothing: the audio was counted when it was encoded."""
        return 0.0

    def run(self, items: Sequence[Text]) -> list[str | Pending]:
        """The words of what is finished."""
        return [
            self._recognition(text) if finished else Pending(self, text)
            for text, finished in zip(items, write(self._decoder, items), strict=True)
        ]

    def _recognition(self, text: Text) -> Recognition:
        words = believable(text.decoded, self._tokens)
        sound = sound_estimate(text.memory) if words else None
        return Recognition(words, ending_odds(words, text.states), sound)
