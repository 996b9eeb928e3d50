"""A streaming voice: it takes streamed text, and gives audio chunks of any size and spans that do not fit them.

Its audio carries its words, as all of `duologue.testing.spoken` does.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from itertools import cycle
from typing import Literal

from duologue.clock import VirtualClock
from duologue.errors import ProviderUnavailableError
from duologue.testing.fakes import FOREVER, PITCH, pause
from duologue.testing.spoken import SPACE, speak
from duologue.tts import AudioChunk, SpeechItem, TextSpan, TextToSpeech, TtsCapabilities, WordTiming

__all__ = ["StreamingVoice", "VoiceFault"]

VoiceFault = Literal["", "stall", "break", "odd_bytes", "far_spans", "back_spans", "no_spans"] | Exception
"""What a stream does wrong. After its first chunk: `stall` never goes on, `break` raises ProviderUnavailableError.
`odd_bytes` gives half samples, `far_spans` ties text to audio that never comes, `back_spans` to places before the last,
`no_spans` to none. An exception is raised before the first audio.
"""


class StreamingVoice(TextToSpeech):
    """A service that speaks each word as soon as it is complete.

    Args:
        rate: 8, 16, 22.05, 24 or 48 kHz.
        aligned: It gives spans.
        streams_text: It takes streamed text; otherwise a clause at a time.
        chunks: Seconds of each chunk, repeated.
        span_words: Words of each span, repeated.
        spans: When spans come: before their audio, or after it.
        tail: Seconds of silence after each sentence.
        latency: Seconds before each stream's first audio: by `clock` if it is set, otherwise of real time.
        faults: What the first streams do wrong, one each.
    """

    name = "streaming-voice"

    def __init__(
        self,
        *,
        rate: int = 24_000,
        aligned: bool = True,
        streams_text: bool = True,
        chunks: Sequence[float] = (0.25,),
        span_words: Sequence[int] = (2,),
        spans: Literal["early", "late"] = "early",
        tail: float = 0.0,
        latency: float = 0.0,
        clock: VirtualClock | None = None,
        faults: Iterable[VoiceFault] = (),
    ) -> None:
        self.rate = rate
        self.capabilities: TtsCapabilities = TtsCapabilities(
            streams_text=streams_text, aligned=aligned, rates=(rate,), typical_latency=latency
        )
        self.given: list[list[str]] = []
        """The pieces of text of each stream."""
        self.closed: int = 0
        """Streams that ended or were closed."""
        self._chunks = [max(1, round(seconds * rate)) for seconds in chunks]
        self._span_words = span_words
        self._spans = spans
        self.clock = clock
        self._tail = tail
        self._latency = latency
        self._faults = iter(faults)

    async def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        """Speak `text`."""
        given: list[str] = []
        self.given.append(given)
        fault: VoiceFault = next(self._faults, "")
        if isinstance(fault, Exception):
            raise fault
        spoken = _Spoken(self.rate, self._chunks, self._span_words, late=self._spans == "late", tail=self._tail)
        is_first = True
        try:
            async for word in _words(text, given):
                if is_first:
                    await (pause(self._latency) if self.clock is None else self.clock.sleep(self._latency))
                    is_first = False
                for item in self._wanted(spoken.add(word), fault):
                    yield item
                    if isinstance(item, AudioChunk) and fault == "stall":
                        await pause(FOREVER)
                    if isinstance(item, AudioChunk) and fault == "break":
                        raise ProviderUnavailableError("The voice is down.", provider=self.name)
            for item in self._wanted(spoken.end(), fault):
                yield item
        finally:
            self.closed += 1

    def _wanted(self, items: Iterable[SpeechItem], fault: VoiceFault) -> Iterable[SpeechItem]:
        for item in items:
            if isinstance(item, AudioChunk):
                yield AudioChunk(item.pcm + b"\0") if fault == "odd_bytes" else item
            elif self.capabilities.aligned and fault != "no_spans":
                yield _moved(item, fault)


def _moved(span: TextSpan, fault: VoiceFault) -> TextSpan:
    if fault == "far_spans":
        return TextSpan(span.text, 60.0 + span.start, 60.0 + span.end)
    if fault == "back_spans" and span.start > 1.0:
        return TextSpan(span.text, span.start - 1.0, span.end - 1.0)
    return span


class _Spoken:
    """The audio and spans of one stream."""

    def __init__(self, rate: int, chunks: Sequence[int], span_words: Sequence[int], *, late: bool, tail: float) -> None:
        self._rate = rate
        self._sizes = cycle(chunks)
        self._size = next(self._sizes)
        self._counts = cycle(span_words)
        self._count = next(self._counts)
        self._late = late
        self._tail = tail
        self._pcm = bytearray()
        self._samples = self._sent = 0
        self._open: list[WordTiming] = []
        """Words of the span that is not complete."""
        self._waiting: list[TextSpan] = []
        """Spans whose audio was not given yet."""

    def add(self, word: str) -> Iterable[SpeechItem]:
        """Speak a word; yields what is complete."""
        if self._samples:
            self._take(bytes(round(SPACE * self._rate) * 2))
        start = self._samples / self._rate
        self._take(speak(word, self._rate, pitch=PITCH))
        self._open.append(WordTiming(word, start, self._samples / self._rate))
        if word.endswith((".", "?", "!")):
            self._take(bytes(round(self._tail * self._rate) * 2))
        if len(self._open) >= self._count:
            self._count = next(self._counts)
            yield from self._close_span()
        yield from self._cut()

    def end(self) -> Iterable[SpeechItem]:
        """Yield the rest."""
        if self._open:
            yield from self._close_span()
        yield from self._cut(rest=True)
        yield from self._waiting

    def _take(self, pcm: bytes) -> None:
        self._pcm += pcm
        self._samples += len(pcm) // 2

    def _close_span(self) -> Iterable[SpeechItem]:
        words = tuple(self._open)
        self._open.clear()
        span = TextSpan(" ".join(word.text for word in words), words[0].start, words[-1].end, words)
        if self._late:
            self._waiting.append(span)
        else:
            yield span

    def _cut(self, *, rest: bool = False) -> Iterable[SpeechItem]:
        while self._pcm and (rest or len(self._pcm) // 2 >= self._size):
            size = min(self._size, len(self._pcm) // 2)
            chunk = bytes(self._pcm[: size * 2])
            del self._pcm[: size * 2]
            self._sent += size
            self._size = next(self._sizes)
            yield AudioChunk(chunk)
            while self._waiting and self._waiting[0].end * self._rate <= self._sent:
                yield self._waiting.pop(0)


async def _words(text: str | AsyncIterable[str], given: list[str]) -> AsyncIterator[str]:
    """Yield each word as soon as it is complete."""
    if isinstance(text, str):
        given.append(text)
        for word in text.split():
            yield word
        return
    held = ""
    async for piece in text:
        given.append(piece)
        held += piece
        *whole, held = held.split(" ")
        for word in whole:
            if word.strip():
                yield word.strip()
    for word in held.split():
        yield word
