"""Base classes for speech recognizers: a subclass implements one method and gets the rest of `SpeechToText`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

from duologue.audio.format import RATE
from duologue.errors import DeadlineError, ProviderError
from duologue.stt import Final, RecognitionStream, SttCapabilities, Transcript
from duologue.stt.buffered import BufferedStream
from duologue.stt.language import language_code

__all__ = ["BatchSpeechToText", "StreamingSpeechToText"]

PIECE = RATE // 10
"""Samples pushed at a time when a whole utterance goes through a stream."""
UTTERANCE_TIMEOUT_S = 30.0
"""Seconds that a stream may take to transcribe one utterance."""


class _Recognizer(ABC):
    """What recognizers of segments and of streams have in common."""

    name: str
    capabilities: SttCapabilities

    async def warm(self) -> None:  # noqa: B027 - most have nothing to do
        """Prepare for the first call. Does nothing unless a subclass overrides it."""

    async def aclose(self) -> None:  # noqa: B027
        """Release all resources. Does nothing unless a subclass overrides it."""

    def check_language(self, language: str | None) -> str | None:
        """Return the code of `language`. Raises UnsupportedLanguageError if the provider does not declare it."""
        languages = self.capabilities.languages
        return language_code(self.name, languages, language) if languages else language

    @abstractmethod
    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        """Transcribe one utterance."""

    async def transcribe_batch(self, pcms: Sequence[bytes], *, language: str | None = None) -> list[Transcript]:
        """Transcribe several utterances, one after the other."""
        return [await self.transcribe(pcm, language=language) for pcm in pcms]


class BatchSpeechToText(_Recognizer):
    """A recognizer that transcribes whole utterances. A subclass has `name`, `capabilities` and `transcribe`."""

    def stream(self, *, language: str | None = None) -> RecognitionStream:
        """Open a stream that transcribes the audio so far again and again."""
        self.check_language(language)
        return BufferedStream(self, language=language)


class StreamingSpeechToText(_Recognizer):
    """A recognizer that streams. A subclass has `name`, `capabilities` and `stream`."""

    @abstractmethod
    def stream(self, *, language: str | None = None) -> RecognitionStream:
        """Open a stream."""

    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        """Transcribe one utterance through a new stream."""
        stream = self.stream(language=language)
        samples = len(pcm) // 2
        try:
            async with asyncio.timeout(UTTERANCE_TIMEOUT_S):
                for at in range(0, samples, PIECE):
                    stream.push(pcm[2 * at : 2 * (at + PIECE)], at)
                stream.finalize(samples)
                texts = await self._read(stream, samples)
        except TimeoutError:
            message = f"{self.name} gave no final within {UTTERANCE_TIMEOUT_S:g} s."
            raise DeadlineError(message, provider=self.name) from None
        finally:
            await stream.aclose()
        return Transcript(" ".join(texts), audio_s=samples / RATE, language=language or "en")

    async def _read(self, stream: RecognitionStream, samples: int) -> list[str]:
        texts: list[str] = []
        async for event in stream:
            if isinstance(event, Final):
                if event.text:
                    texts.append(event.text)
                if event.end >= samples:
                    return texts
        raise ProviderError(f"{self.name} ended its stream before the last final.", provider=self.name)
