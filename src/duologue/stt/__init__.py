"""Speech to text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["SpeechToText", "SttModel", "Transcript", "TranscriptStream"]


@dataclass(frozen=True, slots=True)
class Transcript:
    """Words that were understood."""

    text: str
    is_final: bool = True
    """False for a partial, which may still change."""
    audio_s: float = 0.0
    """Seconds of audio that the words come from."""
    language: str = "en"


class TranscriptStream(Protocol):
    """One live utterance on its way to text: push audio, read partials and the final."""

    def push(self, pcm: bytes) -> None:
        """Add 16 kHz mono PCM16; a plain call that never waits."""
        ...

    def finish(self) -> None:
        """No more audio: the final comes, and the stream ends."""
        ...

    def __aiter__(self) -> AsyncIterator[Transcript]: ...

    async def aclose(self) -> None:
        """Drop the stream and all that it asked for."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class SpeechToText(Protocol):
    """A service that turns speech into text. A model gets this face from the engine."""

    name: str

    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        """The words in one utterance of 16 kHz mono PCM16.

        `deadline`: by when they are wanted, in monotonic seconds, so that the most pressing work is done first; None
        means at once.
        """
        ...

    async def transcribe_batch(self, pcms: Sequence[bytes], *, language: str | None = None) -> list[Transcript]:
        """The words in several utterances, in their order."""
        ...

    def stream(self, *, language: str | None = None) -> TranscriptStream:
        """Open a live utterance."""
        ...


@runtime_checkable
class SttModel(Protocol):
    """A plain synchronous batch function from audio to words; knows nothing of sessions or of the engine.

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
        """The words of each item; an empty string where there are none."""
        ...
