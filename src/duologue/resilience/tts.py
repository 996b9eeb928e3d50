"""Voices in a list: the next one takes over when one fails, also in the middle of a sentence.

It goes on at the beginning of the clause in which the audio broke off, so at most that clause is said twice. The
session (`session/speaking.py`) repeats a stream only if all voices have failed before any audio.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from duologue.agent.faults import is_fault
from duologue.audio.format import RATES
from duologue.audio.resample import Resampler
from duologue.errors import ConfigError, DuologueError, ProviderError
from duologue.resilience.breaker import BreakerRegistry
from duologue.resilience.chain import (
    Attempt,
    attempts,
    check_members,
    for_all,
    members_of,
    none_left,
    with_models,
)
from duologue.resilience.deadline import ProgressWatch
from duologue.resilience.failures import as_provider_error, is_providers_fault
from duologue.resilience.settings import ResilienceSettings
from duologue.resilience.spoken import SECONDS_PER_CHAR, TextTap, clauses, resume_at
from duologue.telemetry.usage import served_by
from duologue.tts import AudioChunk, SpeechItem, TextSpan, TextToSpeech, TtsCapabilities, TtsModel, WordTiming

__all__ = ["FallbackTextToSpeech"]

PAUSE_S: Final = 0.1
"""Silence between a voice that broke off and the one that continues."""


class FallbackTextToSpeech(TextToSpeech):
    """A TextToSpeech over several: the first that is healthy speaks, and the next continues where it breaks off.

    Args:
        providers: Services, or models, which the engine adapts. The first is preferred, and is returned to when it is
            healthy again.
        settings: Limits of all of them.
        breakers: The registry; that of the process by default.

    Its rate and capabilities are those of the first voice. Others are converted to its rate; those that take only
    clauses are given clauses; of those that give no spans a clause is a span.

    Raises:
        ConfigError: A voice speaks at a rate that cannot be converted.
    """

    def __init__(
        self,
        providers: Sequence[TextToSpeech | TtsModel],
        settings: ResilienceSettings | None = None,
        *,
        breakers: BreakerRegistry | None = None,
    ) -> None:
        check_members("voices", providers)
        self._members = members_of("tts", providers, settings, breakers)
        self.name: str = "+".join(member.guard.name for member in self._members)
        self.rate: int = providers[0].rate
        self.capabilities: TtsCapabilities = _combined(providers)
        for provider in providers:
            if provider.rate != self.rate and not {provider.rate, self.rate} <= {*RATES}:
                raise ConfigError(
                    f"The voice {provider.name} speaks at {provider.rate} Hz, which cannot be converted to the "
                    f"{self.rate} Hz of {providers[0].name}.",
                    hint=f"Choose rates of {', '.join(map(str, RATES))} Hz.",
                )

    def with_models(self, adapt: Callable[[Any], TextToSpeech]) -> FallbackTextToSpeech:
        """Return the same list with each model adapted to a service, also inside of wrappers. Called by the engine."""
        members = with_models(self._members, TtsModel, adapt)
        if members is self._members:
            return self
        copy = object.__new__(FallbackTextToSpeech)
        copy.__dict__.update(self.__dict__)
        copy._members = members
        return copy

    async def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        """Speak `text`. Raises what the last voice failed with if none can."""
        source = text if isinstance(text, str) else TextTap(text)
        position = _Position(self.rate)
        error: DuologueError | None = None
        for attempt in attempts(self._members):
            guard = attempt.member.guard
            try:
                permit = await guard.enter(is_last=attempt.is_last)
            except DuologueError as refusal:
                error = error or refusal
                continue
            try:
                position.begin()
                items = self._speak(attempt, source, position, seed, deadline)
                async with aclosing(items):
                    async for item in items:
                        permit.progressed()
                        yield item
                permit.succeeded()
                return
            except BaseException as cause:  # SystemExit, too: the next provider answers
                if not is_fault(cause):
                    raise
                error = as_provider_error(guard.name, cause)
                permit.failed(error)
                if not is_providers_fault(error):
                    raise
            finally:
                guard.leave(permit)
        raise none_left(self.name, error)

    async def _speak(
        self,
        attempt: Attempt[Any],
        source: str | TextTap,
        position: _Position,
        seed: int | None,
        deadline: float | None,
    ) -> AsyncGenerator[SpeechItem, None]:
        """Yield what one voice says of the text that was not said, at our rate and in our time."""
        voice, guard = attempt.member.provider, attempt.member.guard
        watch = ProgressWatch(guard.name, guard.deadline_for(is_last=attempt.is_last))
        at = position.resume(source if isinstance(source, str) else source.text)
        # A voice without spans is given clauses where spans are promised: each clause is a span.
        aligns = voice.capabilities.aligned or not self.capabilities.aligned
        takes_stream = voice.capabilities.streams_text and aligns
        said = False
        served_by(voice)
        if position.seconds:
            yield position.pause()
        began = position.seconds
        try:
            if isinstance(source, str):
                texts: AsyncIterator[str | AsyncIterable[str]] = _once(source[at:], whole=at == 0 or takes_stream)
            else:
                source.follow(watch)
                texts = _once(source.read(at)) if takes_stream else clauses(source.read(at))
            converter = None if voice.rate == self.rate else Resampler(voice.rate, self.rate)
            spoke = source.spoke if isinstance(source, TextTap) else None
            async for text in texts:
                if isinstance(text, str) and not text.strip():
                    continue
                said = said or (isinstance(text, str) and any(map(str.isalnum, text)))
                start = position.seconds
                items = aiter(voice.stream(text, seed=seed, deadline=deadline))
                try:
                    while (item := await watch.next(items)) is not None:
                        if isinstance(item, AudioChunk):
                            if len(item.pcm) % 2:
                                raise ProviderError(f"{guard.name} gave half a sample.", provider=guard.name)
                            if item.pcm:
                                watch.progressed()
                                if spoke is not None:
                                    spoke()
                            chunk = item if converter is None else AudioChunk(converter.process(item.pcm))
                            for span in position.take_audio(chunk):
                                yield span
                            yield chunk
                        elif not isinstance(item, TextSpan):
                            raise ProviderError(
                                f"{guard.name} gave {type(item).__name__}, and must give AudioChunk or TextSpan.",
                                provider=guard.name,
                            )
                        elif self.capabilities.aligned and aligns:
                            for span in position.take_span(_moved(item, start)):
                                yield span
                finally:
                    if isinstance(items, AsyncGenerator):
                        await items.aclose()
                if converter is not None and (rest := converter.flush()):
                    chunk = AudioChunk(rest)
                    for span in position.take_audio(chunk):
                        yield span
                    yield chunk
                if not aligns and isinstance(text, str) and position.seconds > start:
                    for span in position.take_span(TextSpan(text.strip(), start, position.seconds)):
                        yield span
            if said and position.seconds == began:
                raise ProviderError(f"{guard.name} gave no audio for a text with words.", provider=guard.name)
            for span in position.end():
                yield span
        finally:
            watch.close()

    async def warm(self) -> None:
        """Prepare all voices. Raises only if none can be prepared."""
        await for_all(self._members, "warm")

    async def aclose(self) -> None:
        """Release all voices."""
        await for_all(self._members, "aclose")


class _Position:
    """How much of one text was said, over all voices that had a part in it.

    A span that comes early is held until its audio begins, so that none is passed on for audio that never comes.
    """

    def __init__(self, rate: int) -> None:
        self.seconds = 0.0
        """Audio so far."""
        self._rate = rate
        self._held: deque[TextSpan] = deque()
        self._said: list[TextSpan] = []
        """Spans of the voice that speaks, as far as their audio has begun."""
        self._from = 0.0
        """Where in the audio this voice began..."""
        self._start = 0
        """...and the letter of the text that it began with."""

    def begin(self) -> None:
        """A voice begins, the first or another."""
        self._held.clear()

    def pause(self) -> AudioChunk:
        """Return a short silence between two voices."""
        chunk = AudioChunk(bytes(2 * round(PAUSE_S * self._rate)))
        self.take_audio(chunk)
        self._from = self.seconds
        return chunk

    def take_audio(self, chunk: AudioChunk) -> Sequence[TextSpan]:
        """Note audio, and return the spans that begin in it."""
        self.seconds += len(chunk.pcm) / 2 / self._rate
        return self._due() if self._held else ()

    def take_span(self, span: TextSpan) -> Sequence[TextSpan]:
        """Note a span, and return those that are due."""
        self._held.append(span)
        return self._due() if self.seconds else ()

    def end(self) -> Sequence[TextSpan]:
        """The voice has finished: return the rest."""
        rest = [*self._held]
        self._held.clear()
        return rest

    def resume(self, text: str) -> int:
        """Return the index in `text` at which the next voice begins."""
        if self.seconds == self._from:
            spoken = self._start
        elif self._said:
            whole = sum(_letters(span.text) for span in self._said if span.end <= self.seconds + 0.02)
            spoken = self._start + whole
        else:
            spoken = self._start + int((self.seconds - self._from) / SECONDS_PER_CHAR)
        self._said.clear()
        at = resume_at(text, spoken)
        self._from, self._start = self.seconds, _letters(text[:at])
        return at

    def _due(self) -> list[TextSpan]:
        due: list[TextSpan] = []
        while self._held and self._held[0].start < self.seconds:
            due.append(self._held.popleft())
        self._said += due
        return due


def _letters(text: str) -> int:
    return sum(not character.isspace() for character in text)


def _moved(span: TextSpan, seconds: float) -> TextSpan:
    """The same span in the time of the whole answer."""
    if not seconds:
        return span
    words = tuple(WordTiming(word.text, seconds + word.start, seconds + word.end) for word in span.words)
    return TextSpan(span.text, seconds + span.start, seconds + span.end, words)


async def _once(text: str | AsyncIterable[str], *, whole: bool = True) -> AsyncIterator[str | AsyncIterable[str]]:
    """Yield a text as it is, or the clauses of what is left of one that was broken off."""
    if whole or not isinstance(text, str):
        yield text
        return
    async for clause in clauses(_pieces(text)):
        yield clause


async def _pieces(text: str) -> AsyncIterator[str]:
    yield text


def _combined(providers: Sequence[Any]) -> TtsCapabilities:
    first = _capabilities(providers[0])
    rates = (providers[0].rate,)
    return replace(first, rates=rates, cancel=all(_capabilities(p).cancel for p in providers))


def _capabilities(voice: Any) -> TtsCapabilities:
    """What a voice declares; of a model, what the engine declares of it."""
    if isinstance(voice, TtsModel):
        languages: frozenset[str] = getattr(voice, "languages", frozenset())
        return TtsCapabilities(aligned=True, rates=(voice.rate,), languages=languages, cost=0.0)
    found = getattr(voice, "capabilities", None)
    if not isinstance(found, TtsCapabilities):
        raise ConfigError(f"{voice.name} declares no TtsCapabilities.", hint="Derive it from TextToSpeech.")
    return found
