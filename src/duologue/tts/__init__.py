"""Text to speech."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

__all__ = ["Speech", "SpeechRequest", "TextToSpeech", "TtsModel", "WordTiming"]


@dataclass(frozen=True, slots=True)
class WordTiming:
    """When one word sounds, from the start of its audio."""

    text: str
    start: float
    """Seconds."""
    end: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """One clause to be spoken."""

    text: str
    seed: int | None = None
    """Fixes the random part of the voice, so that the same text gives the same samples."""


@dataclass(frozen=True, slots=True)
class Speech:
    """Synthesised sound."""

    text: str
    """The text as it was asked for, before it was made speakable."""
    pcm: bytes
    """16-bit little-endian mono."""
    rate: int
    """Samples a second."""
    words: tuple[WordTiming, ...] = ()
    timings: Literal["exact", "estimated"] = "estimated"

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.pcm) / 2 / self.rate


class TextToSpeech(Protocol):
    """A service that speaks. A model gets this face from the engine."""

    name: str
    rate: int

    async def synthesize(self, text: str, *, seed: int | None = None, deadline: float | None = None) -> Speech:
        """All of `text` as one piece.

        `deadline`: by when it is to sound, in monotonic seconds, so that the most pressing work is done first; None
        means at once.
        """
        ...

    def stream(self, text: str, *, seed: int | None = None, deadline: float | None = None) -> AsyncIterator[Speech]:
        """The same in pieces, the first as soon as it can sound."""
        ...


@runtime_checkable
class TtsModel(Protocol):
    """A plain synchronous batch function from text to sound; knows nothing of sessions or of the engine.

    Called from several threads at once.
    """

    name: str
    rate: int
    max_batch: int

    def size(self, item: SpeechRequest) -> float:
        """Estimated seconds of speech in `item`."""
        ...

    def run(self, items: Sequence[SpeechRequest]) -> list[Speech]:
        """The sound of each item; empty audio where nothing in the text can be spoken."""
        ...
