"""Faults of providers, made on purpose: seeded, so that each run is alike, and around any provider.

    plan = FaultPlan.random(seed=7, share=0.2)             # one call in five fails, each time in some way
    stt = FaultySpeechToText(stt, plan)
    tts = FaultyTextToSpeech(tts, FaultPlan.always(Fault("stall", at="middle")))

`FaultyModel`, for language models, is in `duologue.testing.faulty_model`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any, Final, Literal, Self, TypeVar, get_args

from duologue.errors import (
    AuthenticationError,
    ConfigError,
    DuologueError,
    ProviderUnavailableError,
    RateLimitedError,
    with_cause,
)
from duologue.stt import Final as FinalTranscript
from duologue.stt import RecognitionEvent, RecognitionStream, SpeechToText, SttCapabilities, SttModel, Transcript
from duologue.tts import AudioChunk, SpeechItem, TextToSpeech, TtsCapabilities, TtsModel

__all__ = [
    "AT_START",
    "KINDS",
    "LIVE_KINDS",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "FaultySpeechToText",
    "FaultyTextToSpeech",
]

FaultKind = Literal[
    "refuse",
    "reset",
    "half_open",
    "stall",
    "slow",
    "garble",
    "duplicate",
    "reorder",
    "error_burst",
    "rate_limited",
    "unauthorized",
    "clock_jump",
]
KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)
AT_START: Final[tuple[FaultKind, ...]] = ("refuse", "error_burst", "rate_limited", "unauthorized")
"""Faults that can only strike before the first answer."""

LIVE_KINDS: Final[tuple[FaultKind, ...]] = tuple(kind for kind in KINDS if kind not in ("unauthorized", "clock_jump"))
"""Faults that pass, and that need no virtual time: for servers that run."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one call.

    `refuse`: no connection. `reset`: the connection breaks. `half_open`: it lives, nothing comes any more, and closing
    it hangs. `stall`: nothing comes any more. `slow`: each item comes `seconds` later. `garble`: items are nonsense.
    `duplicate`: each item comes twice. `reorder`: pairs of items change places. `error_burst`: the service answers that
    it is broken. `rate_limited`: it asks to be left alone for `seconds`. `unauthorized`: the key is refused.
    `clock_jump`: `seconds` pass at once, as for a process that was stopped; for a VirtualTimeLoop.
    """

    kind: FaultKind
    at: Literal["start", "middle", "end"] = "start"
    """Before the first item; after some; before the one that was waited for, such as a final transcript."""
    seconds: float = 3.0

    def error(self, name: str) -> DuologueError | None:
        """Return the error that a call with this fault raises, if it raises one."""
        match self.kind:
            case "refuse":
                refused = ProviderUnavailableError(f"{name} refused the connection.", provider=name)
                return with_cause(refused, ConnectionRefusedError())
            case "reset":
                broken = ProviderUnavailableError(f"{name} broke off the connection.", provider=name)
                return with_cause(broken, ConnectionResetError())
            case "error_burst":
                return ProviderUnavailableError(f"{name} is unavailable (500).", provider=name)
            case "rate_limited":
                return RateLimitedError(f"{name} asks for fewer calls.", provider=name, retry_after=self.seconds)
            case "unauthorized":
                return AuthenticationError(f"{name} does not accept the key.", provider=name)
            case _:
                return None


class FaultPlan:
    """Which calls fail, and how. One plan may be shared by several providers."""

    def __init__(self, faults: Iterable[Fault | None]) -> None:
        self.calls: int = 0
        self.struck: Counter[str] = Counter()
        """Faults so far, by kind."""
        self._faults: Iterator[Fault | None] = chain(faults, repeat(None))

    @classmethod
    def always(cls, fault: Fault) -> Self:
        """Make a plan by which each call has the fault."""
        return cls(repeat(fault))

    @classmethod
    def burst(cls, fault: Fault, calls: int) -> Self:
        """Make a plan by which the first `calls` calls have the fault."""
        return cls([fault] * calls)

    @classmethod
    def random(cls, seed: int, *, share: float = 0.2, kinds: Sequence[FaultKind] = KINDS, seconds: float = 1.0) -> Self:
        """Make a plan by which a share of all calls has one of `kinds`; the same for the same seed."""
        if not 0 <= share <= 1 or not kinds:
            raise ConfigError(f"share is {share} of {len(kinds)} kinds, and must be 0 to 1 of at least one.")
        chance = random.Random(seed)

        def faults() -> Iterator[Fault | None]:
            while True:
                kind = chance.choice(kinds)
                at = "start" if kind in AT_START else chance.choice(("start", "middle", "end"))
                fault = Fault(kind, at, seconds)  # type: ignore[arg-type]  # one of the three
                yield fault if chance.random() < share else None

        return cls(faults())

    def next(self) -> Fault | None:
        """Return the fault of the next call."""
        self.calls += 1
        fault = next(self._faults)
        if fault is not None:
            self.struck[fault.kind] += 1
        return fault


async def forever() -> None:
    """Wait until cancelled."""
    await asyncio.get_running_loop().create_future()


async def strike(fault: Fault, name: str) -> None:
    """Do what a fault does before a single answer: raise, stall, take long, or let time jump."""
    if (error := fault.error(name)) is not None:
        raise error
    if fault.kind in ("stall", "half_open"):
        await forever()
    elif fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
    elif fault.kind == "clock_jump":
        jump = getattr(asyncio.get_running_loop(), "jump", None)
        if jump is None:
            raise ConfigError("clock_jump needs a loop whose time can jump.", hint="Use run_in_virtual_time.")
        jump(fault.seconds)


async def faulty_items(
    items: AsyncIterator[T], fault: Fault, name: str, due: Callable[[T, int], bool], garble: Callable[[T], Any]
) -> AsyncIterator[T]:
    """Yield items with a fault from the first on for which `due(item, items before it)` holds."""
    count, is_struck, held = 0, False, list[T]()
    async for item in items:
        if not is_struck and not due(item, count):
            count += 1
            yield item
            continue
        if not is_struck or fault.kind == "slow":
            is_struck = True
            await strike(fault, name)
        if fault.kind == "reorder":
            held.append(item)
            if len(held) == 2:
                yield held.pop()
                yield held.pop()
            continue
        yield garble(item) if fault.kind == "garble" else item
        if fault.kind == "duplicate":
            yield item
    for item in held:
        yield item


class FaultySpeechToText:
    """A SpeechToText whose calls and streams fail as a plan says."""

    def __init__(self, stt: SpeechToText | SttModel, plan: FaultPlan, *, name: str = "") -> None:
        self.name: str = name or stt.name
        self.capabilities: SttCapabilities
        if isinstance(stt, SttModel):
            self.capabilities = SttCapabilities(languages=stt.languages, cost=0.0)
        else:
            self.capabilities = stt.capabilities
        self.plan = plan
        self._stt: Any = stt

    def with_models(self, adapt: Callable[[Any], SpeechToText]) -> FaultySpeechToText:
        """Return the same around a service, if this is around a model. Called by the engine."""
        if not isinstance(self._stt, SttModel):
            return self
        return FaultySpeechToText(adapt(self._stt), self.plan, name=self.name)

    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        """Transcribe one utterance, or fail."""
        fault = self.plan.next()
        if fault is not None:
            await strike(fault, self.name)
        found: Transcript = await self._stt.transcribe(pcm, language=language, deadline=deadline)
        if fault is not None and fault.kind == "garble":
            return replace(found, text=None)  # type: ignore[arg-type]  # nonsense is what it is for
        return found

    async def transcribe_batch(self, pcms: Sequence[bytes], *, language: str | None = None) -> list[Transcript]:
        """Transcribe several utterances, one after the other."""
        return [await self.transcribe(pcm, language=language) for pcm in pcms]

    def stream(self, *, language: str | None = None) -> RecognitionStream:
        """Open a stream, which fails as the plan says."""
        stream, fault = self._stt.stream(language=language), self.plan.next()
        return stream if fault is None else FaultyRecognitionStream(stream, fault, self.name)

    async def warm(self) -> None:
        """Prepare the provider."""
        if not isinstance(self._stt, SttModel):
            await self._stt.warm()

    async def aclose(self) -> None:
        """Release the provider."""
        if not isinstance(self._stt, SttModel):
            await self._stt.aclose()


class FaultyRecognitionStream:
    """A stream with a fault."""

    def __init__(self, stream: RecognitionStream, fault: Fault, name: str) -> None:
        self.push: Callable[[bytes, int], None] = stream.push
        self.finalize: Callable[[int], None] = stream.finalize
        self._stream = stream
        self._fault = fault
        self._name = name

    async def __aiter__(self) -> AsyncIterator[RecognitionEvent]:
        fault = self._fault
        if fault.at == "start" and (error := fault.error(self._name)) is not None:
            raise error
        async for event in faulty_items(aiter(self._stream), fault, self._name, self._is_due, lambda _: object()):
            yield event

    def _is_due(self, event: RecognitionEvent, before: int) -> bool:
        return {"start": True, "middle": before >= 2, "end": isinstance(event, FinalTranscript)}[self._fault.at]

    async def aclose(self) -> None:
        """Close the stream; a half-open connection takes forever."""
        await self._stream.aclose()
        if self._fault.kind == "half_open":
            await forever()


class FaultyTextToSpeech(TextToSpeech):
    """A TextToSpeech whose streams fail as a plan says."""

    def __init__(self, tts: TextToSpeech | TtsModel, plan: FaultPlan, *, name: str = "") -> None:
        self.name: str = name or tts.name
        self.rate: int = tts.rate
        self.capabilities: TtsCapabilities
        if isinstance(tts, TtsModel):
            self.capabilities = TtsCapabilities(aligned=True, rates=(tts.rate,))
        else:
            self.capabilities = tts.capabilities
        self.plan = plan
        self._tts: Any = tts

    def with_models(self, adapt: Callable[[Any], TextToSpeech]) -> FaultyTextToSpeech:
        """Return the same around a service, if this is around a model. Called by the engine."""
        if not isinstance(self._tts, TtsModel):
            return self
        return FaultyTextToSpeech(adapt(self._tts), self.plan, name=self.name)

    async def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        """Speak `text`, or fail."""
        fault = self.plan.next()
        if fault is not None and fault.at == "start" and (error := fault.error(self.name)) is not None:
            raise error
        items = self._tts.stream(text, seed=seed, deadline=deadline)
        if fault is not None:
            chunks = _ChunkCount(fault)
            items = faulty_items(aiter(items), fault, self.name, chunks.is_due, _half_a_sample)
        async for item in items:
            yield item

    async def warm(self) -> None:
        """Prepare the voice."""
        if not isinstance(self._tts, TtsModel):
            await self._tts.warm()

    async def aclose(self) -> None:
        """Release the voice."""
        if not isinstance(self._tts, TtsModel):
            await self._tts.aclose()


class _ChunkCount:
    """Tells when a fault strikes, by the audio so far."""

    def __init__(self, fault: Fault) -> None:
        self._after = {"start": 0, "middle": 3, "end": 6}[fault.at]
        self._chunks = 0

    def is_due(self, item: SpeechItem, _: int) -> bool:
        if self._chunks >= self._after:
            return True
        self._chunks += isinstance(item, AudioChunk)
        return False


def _half_a_sample(item: SpeechItem) -> SpeechItem:
    return AudioChunk(item.pcm + b"\0") if isinstance(item, AudioChunk) else item
