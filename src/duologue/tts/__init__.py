"""Text to speech: the Protocols of a voice, and the two kinds of item that a voice streams."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from duologue.tts.capabilities import TtsCapabilities

__all__ = [
    "AudioChunk",
    "Speech",
    "SpeechItem",
    "SpeechRequest",
    "TextSpan",
    "TextToSpeech",
    "TtsCapabilities",
    "TtsModel",
    "WordTiming",
]


@dataclass(frozen=True, slots=True)
class WordTiming:
    """When one word sounds, in seconds from the start of the audio that it belongs to."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Audio of a voice, of any length."""

    pcm: bytes
    """16-bit little-endian mono at the voice's `rate`: whole samples."""


@dataclass(frozen=True, slots=True)
class TextSpan:
    """Text, and the stretch of a stream's audio in which it sounds.

    Spans come in the order of the text, before or after their audio; chunks need not end where spans do.
    """

    text: str
    """Whole words, as they were written."""
    start: float
    """Seconds from the start of the stream's audio."""
    end: float
    words: tuple[WordTiming, ...] = ()
    """When each word sounds, in seconds from the start of the stream's audio; empty if the voice does not know."""


SpeechItem = AudioChunk | TextSpan


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """One clause to be spoken by a model."""

    text: str
    seed: int | None = None
    """Fixes the random part of the voice, so that the same text gives the same samples."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A text that was spoken as a whole."""

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

    def items(self, at: float = 0.0) -> Iterator[SpeechItem]:
        """Yield it as items of a stream in which its audio begins at `at` seconds; nothing if it has no audio."""
        if self.pcm:
            exact = self.words if self.timings == "exact" else ()
            words = tuple(WordTiming(word.text, at + word.start, at + word.end) for word in exact)
            yield TextSpan(self.text, at, at + self.duration, words)
            yield AudioChunk(self.pcm)


class TextToSpeech(Protocol):
    """A voice: a service that speaks. The engine adapts a model to it.

    A class of your own that derives from it needs `name`, `rate`, `capabilities` and `stream`.
    """

    name: str
    rate: int
    """Samples a second of all audio that it gives."""
    capabilities: TtsCapabilities

    def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        """Speak `text`: audio and spans, each as soon as it is there. Closing the iterator stops the work.

        Args:
            text: One clause, which is spoken as a whole; or, if `capabilities.streams_text`, pieces of a text that is
                still being written. Pieces are of any size and may end inside a word.
            seed: Fixes the random part of the voice, if it has one.
            deadline: When the audio must be there, in monotonic seconds, so that the most urgent work is done first;
                None means at once.
        """
        ...

    async def synthesize(self, text: str, *, seed: int | None = None, deadline: float | None = None) -> Speech:
        """Speak all of `text`, and return it as one piece."""
        pcm, words, exact = bytearray(), list[WordTiming](), self.capabilities.aligned
        async for item in self.stream(text, seed=seed, deadline=deadline):
            if isinstance(item, AudioChunk):
                pcm += item.pcm
            else:
                words += item.words
                exact = exact and bool(item.words)
        return Speech(text, bytes(pcm), self.rate, tuple(words), "exact" if exact and words else "estimated")

    async def warm(self) -> None:
        """Make ready for the first call: open connections, load what loads late."""
        return

    async def aclose(self) -> None:
        """Release connections. The owner of the voice calls it after the last session that uses it."""
        return


@runtime_checkable
class TtsModel(Protocol):
    """A plain synchronous batch function from text to audio; it does not use sessions or the engine.

    Called from several threads at once.
    """

    name: str
    rate: int
    max_batch: int

    def size(self, item: SpeechRequest) -> float:
        """Estimated seconds of speech in `item`."""
        ...

    def run(self, items: Sequence[SpeechRequest]) -> list[Speech]:
        """The audio of each item; empty if nothing in the text can be spoken."""
        ...
