"""Speech recognizers in a list: the next one takes over when one fails, also in the middle of a stream.

Who does what when a stream breaks off: `GuardedStream` here notices that the provider has failed or does not answer,
and reports it to the breaker. The session (`session/reopening.py`) then opens another stream and pushes again the
audio that no final covers, which it keeps anyway; `FallbackSpeechToText.stream` gives it the next provider. So audio is
kept once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any
from typing import Final as Constant

from duologue.agent.faults import is_fault
from duologue.audio.format import RATE
from duologue.errors import ConfigError, DeadlineError, DuologueError, ProviderError, ProviderUnavailableError
from duologue.resilience.breaker import BreakerRegistry, Permit
from duologue.resilience.chain import (
    Attempt,
    Member,
    attempts,
    check_members,
    for_all,
    members_of,
    none_left,
    with_models,
)
from duologue.resilience.failures import as_provider_error, is_providers_fault
from duologue.resilience.hedge import Hedge
from duologue.resilience.settings import ResilienceSettings
from duologue.stt import (
    EndOfTurn,
    Final,
    Partial,
    RecognitionEvent,
    RecognitionStream,
    SpeechToText,
    SttCapabilities,
    SttModel,
    Transcript,
)
from duologue.telemetry.usage import served_by

__all__ = ["FallbackSpeechToText", "GuardedStream"]

STABLE_S: Constant = 10.0
"""A stream that has lived for so many seconds without a fault has succeeded, even without speech."""

CLOSING_S: Constant = 1.0
MAX_CLOSING: Constant = 256
"""Streams that have failed and are being closed, at most."""


class FallbackSpeechToText:
    """A SpeechToText over several: the first that is healthy serves a call or a stream.

    Args:
        providers: Services, or models, which the engine adapts. The first is preferred, and is returned to when it is
            healthy again.
        settings: Limits of all of them.
        breakers: The registry; that of the process by default.

    Its capabilities are those of the first provider, as far as they decide how sessions use it: a list that begins with
    a provider which streams is used as a stream. What only a later provider sends is left out. A language is known if
    one of the providers knows it, and those that do not are passed over.
    """

    def __init__(
        self,
        providers: Sequence[SpeechToText | SttModel],
        settings: ResilienceSettings | None = None,
        *,
        breakers: BreakerRegistry | None = None,
    ) -> None:
        check_members("speech recognizers", providers)
        settings = settings or ResilienceSettings()
        self._members = members_of("stt", providers, settings, breakers)
        self._closing: set[asyncio.Task[None]] = set()
        self._hedges = [Hedge(settings.hedge, name=member.guard.name) for member in self._members]
        self.name: str = "+".join(member.guard.name for member in self._members)
        self.capabilities: SttCapabilities = _combined([_capabilities(provider) for provider in providers])

    def with_models(self, adapt: Callable[[Any], SpeechToText]) -> FallbackSpeechToText:
        """Return the same list with each model adapted to a service, also inside of wrappers. Called by the engine."""
        members = with_models(self._members, SttModel, adapt)
        if members is self._members:
            return self
        copy = object.__new__(FallbackSpeechToText)
        copy.__dict__.update(self.__dict__)
        copy._members = members
        return copy

    def stream(self, *, language: str | None = None) -> RecognitionStream:
        """Open a stream of the first provider that is healthy. Raises ProviderUnavailableError if none is left."""
        return self.open(language, ())

    def open(self, language: str | None, failed: Sequence[Member[Any]]) -> GuardedStream:
        """The same, for a call in which the providers `failed` have just failed: others are asked before them."""
        error: DuologueError | None = None
        able = [m for m in self._members if _speaks(m, language)]
        fresh = [m for m in able if not any(m is other for other in failed) and m.guard.breaker.admits]
        for attempt in [*attempts(fresh), *(Attempt(m, True) for m in able if m not in fresh)]:
            guard = attempt.member.guard
            try:
                permit = guard.breaker.enter(is_last=attempt.is_last)
            except DuologueError as refusal:
                error = refusal
                continue
            try:
                stream = attempt.member.provider.stream(language=language)
            except BaseException as cause:  # SystemExit, too: the next provider answers
                if not is_fault(cause):
                    raise
                error = as_provider_error(guard.name, cause)
                permit.failed(error)
                if not is_providers_fault(error):
                    raise
                continue
            return GuardedStream(self, attempt, stream, permit, language, failed)
        raise none_left(self.name, error)

    def prefers_another(self, member: Member[Any]) -> bool:
        """Return True if a provider before `member` is healthy again."""
        for other in self._members:
            if other is member:
                return False
            if other.guard.breaker.admits:
                return True
        return False

    def has_another(self, member: Member[Any]) -> bool:
        """Return True if another provider than `member` can be asked."""
        return any(other is not member and other.guard.breaker.admits for other in self._members)

    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        """Transcribe one utterance with the first provider that answers; one that is late is asked twice.

        Raises what the last provider failed with if none answers.
        """
        error: DuologueError | None = None
        for attempt in attempts(self._members, lambda m: _speaks(m, language)):
            member, guard = attempt.member, attempt.member.guard
            try:
                permit = await guard.enter(is_last=attempt.is_last)
            except DuologueError as refusal:
                error = refusal
                continue
            try:
                limits = guard.deadline_for(is_last=attempt.is_last)
                seconds = limits.first + _capabilities(member.provider).latency_per_s * len(pcm) / 2 / RATE
                limits = replace(limits, whole=min(limits.whole, seconds))
                hedge = self._hedges[next(i for i, m in enumerate(self._members) if m.guard is guard)]
                answer: Transcript = await limits.call(
                    guard.name,
                    hedge.call(lambda: member.provider.transcribe(pcm, language=language, deadline=deadline)),  # noqa: B023
                )
                if not isinstance(answer, Transcript) or not isinstance(answer.text, str):
                    raise ProviderError(f"{guard.name} gave no transcript.", provider=guard.name)
                permit.succeeded()
                served_by(member.provider)
                return answer
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

    async def transcribe_batch(self, pcms: Sequence[bytes], *, language: str | None = None) -> list[Transcript]:
        """Transcribe several utterances, one after the other."""
        return [await self.transcribe(pcm, language=language) for pcm in pcms]

    def close_later(self, stream: RecognitionStream) -> None:
        """Close a stream that has failed, within `CLOSING_S` seconds, without waiting for it."""
        if len(self._closing) < MAX_CLOSING:
            task = asyncio.create_task(_close(stream), name=f"{self.name} closing")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def warm(self) -> None:
        """Prepare all providers. Raises only if none can be prepared."""
        await for_all(self._members, "warm")

    async def aclose(self) -> None:
        """Release all providers."""
        if self._closing:
            await asyncio.wait([*self._closing])
        await for_all(self._members, "aclose")


class GuardedStream:
    """A stream of one provider of a list. Audio goes straight to the provider: `push` is its own method."""

    def __init__(
        self,
        owner: FallbackSpeechToText,
        attempt: Attempt[Any],
        stream: RecognitionStream,
        permit: Permit,
        language: str | None,
        failed: Sequence[Member[Any]],
    ) -> None:
        self.push: Callable[[bytes, int], None] = stream.push
        self.provider: SpeechToText = attempt.member.provider
        """Whose stream it is."""
        self._owner = owner
        self._member = attempt.member
        self._stream = stream
        self._permit = permit
        self._language = language
        self._failed = tuple(failed)
        """Providers that have failed in this call since the last final."""
        self._allowed = attempt.member.guard.deadline_for(is_last=attempt.is_last).first
        self._loop = asyncio.get_running_loop()
        self._opened = self._loop.time()
        self._awaited = -1
        """The position up to which a final was asked for; -1 if none is owed."""
        self._timer: asyncio.TimerHandle | None = None
        self._limit: asyncio.Timeout | None = None
        self._is_late = False
        self._closed = False

    @property
    def sent_s(self) -> float | None:
        """Seconds of audio that went to the service, if the stream says so."""
        return getattr(self._stream, "sent_s", None)

    def finalize(self, position: int) -> None:
        """Ask for finals up to `position`, which have to come within `first_chunk` seconds."""
        self._awaited = max(self._awaited, position)
        self._stream.finalize(position)
        if self._timer is None:
            self._timer = self._loop.call_later(self._allowed, self._late)

    def _late(self) -> None:
        self._timer = None
        self._is_late = True
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(self._loop.time())

    def give_up(self, error: DuologueError) -> None:
        """Note why the session gives the stream up: its own deadline has passed, or the stream took no audio."""
        if not self._closed:
            self._note_failure(error)

    def reopen(self) -> RecognitionStream:
        """Open the stream that follows this one in the call: of another provider, if this one has failed."""
        return self._owner.open(self._language, self._failed)

    def _note_failure(self, error: DuologueError) -> None:
        self._permit.failed(error)
        self._failed = (*self._failed, self._member)

    async def __aiter__(self) -> AsyncIterator[RecognitionEvent]:
        guard = self._member.guard
        events = aiter(self._stream)
        try:
            while not self._closed:
                try:
                    event = await self._next(events)
                except StopAsyncIteration:
                    return
                if isinstance(event, Final):
                    self._answered(event)
                    yield event
                    if self._awaited < 0 and self._owner.prefers_another(self._member):
                        raise _BetterProviderError(guard.name)
                elif self._is_declared(event):
                    yield event
        except BaseException as cause:
            if not is_fault(cause):
                raise
            if self._closed:
                return
            error = as_provider_error(guard.name, cause)
            if not isinstance(error, _BetterProviderError):
                self._note_failure(error)
            raise self._as_retryable(error) from error.__cause__
        finally:
            if isinstance(events, AsyncGenerator):
                await events.aclose()

    async def _next(self, events: AsyncIterator[RecognitionEvent]) -> RecognitionEvent:
        try:
            async with asyncio.timeout(None) as self._limit:
                if self._is_late:
                    self._limit.reschedule(self._loop.time())
                return await anext(events)
        except TimeoutError:
            if not self._is_late:
                raise
            name = self._member.guard.name
            raise DeadlineError(f"{name} gave no transcript for {self._allowed:g} s.", provider=name) from None
        finally:
            self._limit = None

    def _answered(self, final: Final) -> None:
        self._permit.succeeded()
        self._failed = ()
        if final.end >= self._awaited:
            self._awaited, self._is_late = -1, False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _is_declared(self, event: object) -> bool:
        can = self._owner.capabilities
        if isinstance(event, Partial):
            return can.partials
        return can.end_of_turn if isinstance(event, EndOfTurn) else True

    def _as_retryable(self, error: DuologueError) -> DuologueError:
        """Have the session open another stream at once, also after a failure that does not pass: others are left."""
        may_wait = error.retryable and error.retry_after is None
        if may_wait or not self._owner.has_another(self._member):
            return error
        return ProviderUnavailableError(
            f"{error.message} The next provider takes over.", hint="", provider=error.provider
        )

    async def aclose(self) -> None:
        """Close the stream."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._loop.time() - self._opened >= STABLE_S:
            self._permit.succeeded()
        self._permit.released()
        if self._member in self._failed:
            self._owner.close_later(self._stream)  # a connection that is half-open must not hold up the next stream
        else:
            await self._stream.aclose()


async def _close(stream: RecognitionStream) -> None:
    try:
        async with asyncio.timeout(CLOSING_S):
            await stream.aclose()
    except BaseException as error:
        if not is_fault(error):
            raise
        # otherwise ignored: it has failed before


class _BetterProviderError(ProviderUnavailableError):
    """Ends a stream at a quiet moment because a provider that comes first in the list is healthy again."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The stream of {name} is left for a provider that is healthy again.", provider=name)


def _capabilities(provider: Any) -> SttCapabilities:
    """What a service declares; of a model, what the engine will declare of it."""
    if isinstance(provider, SttModel):
        estimates = getattr(provider, "estimates_sound", False)
        return SttCapabilities(languages=provider.languages, cost=0.0, estimates_sound=estimates)
    found = getattr(provider, "capabilities", None) or SttCapabilities()
    if not isinstance(found, SttCapabilities):
        name = getattr(provider, "name", type(provider).__name__)
        raise ConfigError(f"{name}.capabilities is {type(found).__name__}, and must be SttCapabilities.")
    return found


def _combined(all_can: Sequence[SttCapabilities]) -> SttCapabilities:
    languages = [can.languages for can in all_can]
    known = frozenset[str]() if not all(languages) else frozenset[str]().union(*languages)
    return replace(
        all_can[0],
        finalizes=all(can.finalizes for can in all_can),
        cancel=all(can.cancel for can in all_can),
        estimates_sound=all(can.estimates_sound for can in all_can),
        languages=known,
    )


def _speaks(member: Member[Any], language: str | None) -> bool:
    languages = _capabilities(member.provider).languages
    return language is None or not languages or language.partition("-")[0].lower() in languages
