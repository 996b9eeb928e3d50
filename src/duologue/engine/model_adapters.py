"""Adapts a voice that is a model to the Protocol of a service; `recognizers` does so for speech recognition."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, AsyncIterator
from typing import Protocol

from duologue.engine.model_threads import ModelThreads
from duologue.engine.phrases import PhraseCache
from duologue.tts import Speech, SpeechItem, SpeechRequest, TextToSpeech, TtsCapabilities, TtsModel
from duologue.tts.clauses import ClauseSplitter

__all__ = ["ModelTextToSpeech"]

TYPICAL_LATENCY_S = 0.05
"""Seconds in which a local model speaks a short clause."""


class _Runner(Protocol):
    """What an adapter uses of the engine."""

    phrases: PhraseCache

    @property
    def model_threads(self) -> ModelThreads: ...


class ModelTextToSpeech(TextToSpeech):
    """A TextToSpeech over a model that the engine's threads run."""

    def __init__(self, engine: _Runner, model: TtsModel) -> None:
        self.name: str = model.name
        self.rate: int = model.rate
        self.capabilities: TtsCapabilities = TtsCapabilities(
            aligned=True,
            rates=(model.rate,),
            languages=getattr(model, "languages", frozenset()),
            typical_latency=TYPICAL_LATENCY_S,
            cost=0.0,
        )
        self.model = model
        self._engine = engine

    async def synthesize(self, text: str, *, seed: int | None = None, deadline: float | None = None) -> Speech:
        """All of `text` as one piece; one that was spoken before comes from the cache."""
        request = SpeechRequest(text, seed)
        if (kept := self._engine.phrases.get(self.model, request)) is not None:
            return kept
        speech: Speech = await self._engine.model_threads.submit(self.model, request, deadline, is_speech=True)
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
