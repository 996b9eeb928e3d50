"""The face of a service for a model, so that sessions see one Protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from duologue.engine.phrases import PhraseCache
from duologue.engine.workers import Workers
from duologue.errors import InvalidAudioError, InvalidStateError
from duologue.stt import SttModel, Transcript
from duologue.stt.language import check_language
from duologue.stt.steps import Step, Stepwise
from duologue.tts import Speech, SpeechItem, SpeechRequest, TextToSpeech, TtsCapabilities, TtsModel
from duologue.tts.clauses import ClauseSplitter

__all__ = ["ModelSpeechToText", "ModelTextToSpeech", "as_float"]

RATE = 16_000
MAX_STREAM_S = 30.0
TYPICAL_LATENCY_S = 0.05
"""Seconds in which a local model speaks a short clause."""
PARTIAL_PATIENCE = 1.0
"""Seconds that words which are only for show may take: they never run before those that are waited for."""


class _Runner(Protocol):
    phrases: PhraseCache

    @property
    def workers(self) -> Workers: ...


def as_float(pcm: bytes) -> NDArray[np.float32]:
    """PCM16 as (n,) float32 in -1..1; InvalidAudioError where it is not whole samples."""
    if len(pcm) % 2:
        raise InvalidAudioError(f"{len(pcm)} bytes are not whole 16-bit samples.")
    return np.frombuffer(pcm, np.int16).astype(np.float32) * np.float32(1 / 32768)


class ModelSpeechToText:
    """A SpeechToText over a model that the engine's workers run."""

    def __init__(self, engine: _Runner, model: SttModel) -> None:
        self.name = model.name
        self.model = model
        self._work: Step = model.first if isinstance(model, Stepwise) else model
        self._engine = engine

    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        """The words in one utterance of 16 kHz mono PCM16; none in no audio, without asking the model."""
        check_language(self.model, language)
        audio = as_float(pcm)
        if not len(audio):
            return Transcript("")
        text = await self._engine.workers.submit(self._work, audio, deadline)
        return Transcript(text, audio_s=len(audio) / RATE)

    async def transcribe_batch(self, pcms: Sequence[bytes], *, language: str | None = None) -> list[Transcript]:
        """The words in several utterances, in their order; what fits is run together."""
        now = time.monotonic()
        return await asyncio.gather(*(self.transcribe(p, language=language, deadline=now) for p in pcms))

    def stream(self, *, language: str | None = None, partial_every: float = 1.0) -> BufferedStream:
        """Open a live utterance; partials come about each `partial_every` seconds of audio."""
        check_language(self.model, language)
        return BufferedStream(self, partial_every)


class BufferedStream:
    """A live utterance over a model that understands whole stretches: each partial is a pass over what there is.

    A pass begins only when the one before it is done, so a slow machine shows fewer partials and never a backlog.
    """

    def __init__(self, stt: ModelSpeechToText, partial_every: float) -> None:
        self._stt = stt
        self._step = int(max(partial_every, stt.model.min_partial_s) * RATE) * 2
        self._pcm = bytearray()
        self._seen = 0
        self._finished = self._closed = False
        self._changed = asyncio.Event()

    def push(self, pcm: bytes) -> None:
        """Add 16 kHz mono PCM16; a plain call that never waits. At most 30 s make one utterance.

        Raises InvalidAudioError for bytes that are not whole samples and for more than 30 s, InvalidStateError after
        `finish`.
        """
        if self._finished:
            raise InvalidStateError("The utterance is finished.", hint="Open the next with `stream()`.")
        if len(pcm) % 2:
            raise InvalidAudioError(f"{len(pcm)} bytes are not whole 16-bit samples.")
        if len(self._pcm) + len(pcm) > MAX_STREAM_S * RATE * 2:
            raise InvalidAudioError(
                f"An utterance holds at most {MAX_STREAM_S:.0f} s.", hint="Finish it and open the next."
            )
        self._pcm += pcm
        self._changed.set()

    def finish(self) -> None:
        """No more audio: the final comes, and the stream ends."""
        self._finished = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        while not self._finished:
            await self._changed.wait()
            self._changed.clear()
            if not self._finished and len(self._pcm) - self._seen >= self._step:
                self._seen = len(self._pcm)
                partial = await self._stt.transcribe(bytes(self._pcm), deadline=time.monotonic() + PARTIAL_PATIENCE)
                yield Transcript(partial.text, is_final=False, audio_s=partial.audio_s)
        if not self._closed:
            yield await self._stt.transcribe(bytes(self._pcm), deadline=time.monotonic())

    async def aclose(self) -> None:
        """Drop the stream: no final comes."""
        self._closed = True
        self.finish()
        self._pcm.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class ModelTextToSpeech(TextToSpeech):
    """A TextToSpeech over a model that the engine's workers run."""

    def __init__(self, engine: _Runner, model: TtsModel) -> None:
        self.name = model.name
        self.rate = model.rate
        self.capabilities = TtsCapabilities(aligned=True, rates=(model.rate,), typical_latency=TYPICAL_LATENCY_S)
        self.model = model
        self._engine = engine

    async def synthesize(self, text: str, *, seed: int | None = None, deadline: float | None = None) -> Speech:
        """All of `text` as one piece; one that was spoken before comes from the cache."""
        request = SpeechRequest(text, seed)
        if (kept := self._engine.phrases.get(self.model, request)) is not None:
            return kept
        speech: Speech = await self._engine.workers.submit(self.model, request, deadline, aloud=True)
        self._engine.phrases.put(self.model, request, speech)
        return speech

    async def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        """Speak one clause, or a text that is being written, a clause at a time as soon as it is there."""
        at = 0.0
        async for clause in _clauses(text):
            speech = await self.synthesize(clause, seed=seed, deadline=deadline)
            deadline = (deadline or time.monotonic()) + speech.duration
            for item in speech.items(at):
                yield item
            at += speech.duration


async def _clauses(text: str | AsyncIterable[str]) -> AsyncIterator[str]:
    """Yield a whole clause as it is, and the clauses of a text that is being written."""
    if isinstance(text, str):
        if text.strip():
            yield text
        return
    splitter = ClauseSplitter()
    async for piece in text:
        for clause in splitter.push(piece):
            yield clause
    for clause in splitter.flush():
        yield clause
