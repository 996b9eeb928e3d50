"""Speech recognizers as sessions use them: a model that the engine's threads run, or a service, behind one Protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.engine.latency import LatencyEstimate
from duologue.engine.model_threads import ModelThreads
from duologue.errors import ConfigError, InvalidAudioError
from duologue.stt import (
    MultilingualSttModel,
    RecognitionStream,
    SpeechToText,
    SttCapabilities,
    SttModel,
    Transcript,
)
from duologue.stt.buffered import BufferedStream
from duologue.stt.language import check_language, language_code
from duologue.stt.recognition import Recognition
from duologue.stt.steps import ResumableModel, Step

__all__ = ["ModelSpeechToText", "Recognizer", "ServiceSpeechToText", "as_float"]

HOLD: Final = 0.1
"""Seconds that a request which may be cancelled waits while the model threads are busy."""


class Recognizer(SpeechToText, Protocol):
    """A SpeechToText, with the latency that the engine has measured."""

    @property
    def latency(self) -> LatencyEstimate | None:
        """How long a request takes, measured over all calls. None if the rules' own budgets apply: a model's latency is
        part of their configuration, so that a call which is replayed decides alike."""
        ...

    async def hold(self) -> None:
        """Wait a moment if work that may turn out to be in vain should not begin now."""
        ...

    def may_show(self, samples: int) -> bool:
        """Whether to transcribe `samples` of unfinished speech only to show it."""
        ...


class _Runner(Protocol):
    """What an adapter uses of the engine."""

    @property
    def model_threads(self) -> ModelThreads: ...


def as_float(pcm: bytes) -> NDArray[np.float32]:
    """PCM16 as (n,) float32 in -1..1; InvalidAudioError where it is not whole samples."""
    if len(pcm) % 2:
        raise InvalidAudioError(f"{len(pcm)} bytes are not whole 16-bit samples.")
    return np.frombuffer(pcm, np.int16).astype(np.float32) * np.float32(1 / 32768)


class ModelSpeechToText:
    """A Recognizer over a model that the engine's threads run."""

    latency = None

    def __init__(self, engine: _Runner, model: SttModel) -> None:
        self.name: str = model.name
        self.model = model
        self.capabilities: SttCapabilities = SttCapabilities(
            languages=model.languages,
            typical_latency=getattr(model, "typical_latency", None),
            latency_per_s=getattr(model, "latency_per_s", 0.0),
            estimates_sound=getattr(model, "estimates_sound", False),
            cost=0.0,
        )
        self._least = model.min_partial_s * RATE
        self._engine = engine

    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        """The words in one utterance of 16 kHz mono PCM16; none in no audio, without asking the model."""
        code = check_language(self.model, language)
        audio = as_float(pcm)
        if not len(audio):
            return Transcript("", language=code)
        text = await self._engine.model_threads.submit(self._step(code), audio, deadline)
        found = Recognition.of(text)
        return Transcript(str(found), len(audio) / RATE, code, found.ending_odds, found.sound_estimate)

    def _step(self, code: str) -> Step:
        """What a segment in a language begins with."""
        model = self.model.of(code) if isinstance(self.model, MultilingualSttModel) else self.model
        return model.first if isinstance(model, ResumableModel) else model

    async def transcribe_batch(self, pcms: Sequence[bytes], *, language: str | None = None) -> list[Transcript]:
        """The words in several utterances, in their order; what fits is run together."""
        now = time.monotonic()
        return await asyncio.gather(*(self.transcribe(p, language=language, deadline=now) for p in pcms))

    def stream(self, *, language: str | None = None, partial_every: float = 1.0) -> RecognitionStream:
        """Open a stream that transcribes what it has; partials come about each `partial_every` seconds of audio."""
        check_language(self.model, language)
        return BufferedStream(self, language=language, partial_every=max(partial_every, self.model.min_partial_s))

    async def warm(self) -> None:
        """Do nothing: a model is loaded when it is constructed."""

    async def aclose(self) -> None:
        """Do nothing: the code that constructed the model closes it."""

    async def hold(self) -> None:
        """Wait while the threads are busy: after so short a pause most users continue."""
        if self._engine.model_threads.busy:
            await asyncio.sleep(HOLD)

    def may_show(self, samples: int) -> bool:
        """Only as much audio as the model needs, and only if a thread would be idle otherwise."""
        threads = self._engine.model_threads
        return samples >= self._least and threads.idle and not threads.busy


class ServiceSpeechToText:
    """A Recognizer over a service: passes everything on, and checks what the service declares."""

    def __init__(self, service: SpeechToText, latency: LatencyEstimate) -> None:
        self.name: str = service.name
        self.capabilities: SttCapabilities = declared(service)
        self.latency = latency
        self.service = service

    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        """Transcribe one utterance."""
        self._check(language)
        return await self.service.transcribe(pcm, language=language, deadline=deadline)

    async def transcribe_batch(self, pcms: Sequence[bytes], *, language: str | None = None) -> list[Transcript]:
        """Transcribe several utterances."""
        self._check(language)
        return await self.service.transcribe_batch(pcms, language=language)

    def stream(self, *, language: str | None = None) -> RecognitionStream:
        """Open a stream."""
        self._check(language)
        return self.service.stream(language=language)

    def _check(self, language: str | None) -> None:
        if self.capabilities.languages:
            language_code(self.name, self.capabilities.languages, language)

    async def warm(self) -> None:
        """Prepare the service."""
        await self.service.warm()

    async def aclose(self) -> None:
        """Release the service."""
        await self.service.aclose()

    async def hold(self) -> None:
        """Do nothing: a service has capacity of its own."""

    def may_show(self, samples: int) -> bool:
        """Whether the service declares partials."""
        return self.capabilities.partials


def declared(service: SpeechToText) -> SttCapabilities:
    """The capabilities of a service, which is a batch service if it declares none. Raises ConfigError for nonsense."""
    capabilities = getattr(service, "capabilities", None) or SttCapabilities()
    if not isinstance(capabilities, SttCapabilities):
        raise ConfigError(
            f"{service.name}.capabilities is {type(capabilities).__name__}, and must be SttCapabilities.",
            hint="from duologue.stt import SttCapabilities",
        )
    needed = "stream" if capabilities.streaming else "transcribe"
    if not callable(getattr(service, needed, None)):
        raise ConfigError(f"{service.name} declares streaming={capabilities.streaming}, and has no {needed}().")
    return capabilities
