"""Speech to text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from duologue.stt.capabilities import SttCapabilities
from duologue.stt.streaming import EndOfTurn, Final, Partial, RecognitionEvent, RecognitionStream, Word

__all__ = [
    "EndOfTurn",
    "Final",
    "MultilingualSttModel",
    "Partial",
    "RecognitionEvent",
    "RecognitionStream",
    "SpeechToText",
    "SttCapabilities",
    "SttModel",
    "Transcript",
    "Word",
]


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of one utterance."""

    text: str
    audio_s: float = 0.0
    """Seconds of audio that the words come from."""
    language: str = "en"
    ending_odds: float = 0.0
    """Log-odds that the user has finished, as far as the recognizer knows more of it than the words say."""
    sound_estimate: float | None = None
    """What a turn model would say of the audio, 0 to 1, as the recognizer estimates it; None if it does not. It counts
    until a turn model has judged."""


class SpeechToText(Protocol):
    """A service that turns speech into text. The engine adapts a model to this Protocol.

    `duologue.stt.base` has base classes that implement most of it.
    """

    @property
    def name(self) -> str:
        """A short name for errors and logs, such as "deepgram"."""
        ...

    @property
    def capabilities(self) -> SttCapabilities:
        """What the provider can do; does not change."""
        ...

    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        """Transcribe one utterance of 16 kHz mono PCM16.

        `deadline`: by when the words are wanted, in monotonic seconds, so that the most pressing work is done first;
        None means at once.
        """
        ...

    async def transcribe_batch(self, pcms: Sequence[bytes], *, language: str | None = None) -> list[Transcript]:
        """Transcribe several utterances, in their order."""
        ...

    def stream(self, *, language: str | None = None) -> RecognitionStream:
        """Open a stream. A plain call that does not wait: the stream connects when it is iterated over.

        Raises UnsupportedLanguageError for a language that the provider does not know.
        """
        ...

    async def warm(self) -> None:
        """Prepare for the first call: load weights, open connections. Called once, before calls are taken."""
        ...

    async def aclose(self) -> None:
        """Release connections and memory. Called once, after the last call."""
        ...


@runtime_checkable
class SttModel(Protocol):
    """A plain synchronous batch function from audio to words; it does not use sessions or the engine.

    An item is (n,) float32, 16 kHz mono in -1..1. Called from several threads at once.
    """

    name: str
    languages: frozenset[str]
    max_batch: int
    min_partial_s: float
    """Below this many seconds of audio a partial is often junk, so none is asked for."""

    def size(self, item: NDArray[np.float32]) -> float:
        """Seconds of audio in `item`."""
        ...

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[str]:
        """The words of each item; an empty string if there are none."""
        ...


@runtime_checkable
class MultilingualSttModel(SttModel, Protocol):
    """A model of several languages that needs the language as an argument."""

    def of(self, language: str) -> SttModel:
        """The model for a language, one of `languages`; the same object each time."""
        ...
