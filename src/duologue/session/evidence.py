"""Evidence for the rules: asks go to the words' provider and to the turn model, and come back as inputs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from duologue.conversation import effects as do
from duologue.conversation import inputs as got
from duologue.conversation.config import RATE
from duologue.engine import Engine
from duologue.engine.faces import as_float
from duologue.errors import DeadlineError, DuologueError, ProviderError
from duologue.session.config import SessionConfig
from duologue.stt import SpeechToText
from duologue.turn import WordsPolicy

__all__ = ["Listener"]

SOUND_WINDOW = 8 * RATE
"""The turn model judges the last 8 s."""
PARTIAL_PATIENCE = 1.0
"""Seconds that words which are only for show may take."""


class Host(Protocol):
    """What the listener needs of its session."""

    def tell_rules(self, input_: got.Input) -> None:
        """Tell the rules."""
        ...

    def failed(self, error: DuologueError) -> None:
        """Tell everyone."""
        ...


class Listener:
    """A task for each ask; the rules have at most one for words and one for the sound of a turn at a time."""

    def __init__(
        self,
        host: Host,
        engine: Engine,
        stt: SpeechToText,
        words: WordsPolicy,
        config: SessionConfig,
        read: Callable[[int, int], NDArray[np.int16]],
    ) -> None:
        self._host = host
        self._engine = engine
        self._stt = stt
        self._words = words
        self._config = config
        self._read = read
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._partial: asyncio.Task[None] | None = None

    def ask_words(self, ask: do.AskWords, due_in: float) -> None:
        """Understand a stretch; `due_in` seconds from now its words are wanted."""
        self._start(ask.ask, self._hear(ask, self._read(ask.start, ask.end).tobytes(), due_in))

    def ask_sound(self, ask: do.AskSound, due_in: float) -> None:
        """Judge a stretch by its sound."""
        pcm = self._read(max(ask.start, ask.end - SOUND_WINDOW), ask.end)
        self._start(ask.ask, self._judge(ask, pcm.tobytes(), due_in))

    def ask_partial(self, ask: do.AskPartial) -> None:
        """Show words so far: one pass at a time, and none while other work waits."""
        busy = self._partial is not None and not self._partial.done()
        if not busy and not self._engine.workers.waiting:
            pcm = self._read(ask.start, ask.end).tobytes()
            self._partial = asyncio.create_task(self._show(ask, pcm), name=f"partial-{ask.ask}")

    def drop(self, ask: int) -> None:
        """Nobody waits for this answer any more."""
        task = self._tasks.pop(ask, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Drop everything."""
        tasks = [*self._tasks.values(), *([self._partial] if self._partial else [])]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, ask: int, work: Coroutine[Any, Any, None]) -> None:
        self._tasks[ask] = asyncio.create_task(work, name=f"ask-{ask}")

    async def _hear(self, ask: do.AskWords, pcm: bytes, due_in: float) -> None:
        limit = self._config.words_timeout
        deadline = asyncio.get_running_loop().time() + due_in
        try:
            async with asyncio.timeout(limit):
                text = await self._transcribe(pcm, deadline)
        except TimeoutError:
            error = DeadlineError(f"{self._stt.name} gave no words within {limit:g} s.", provider=self._stt.name)
            self._fail(ask.ask, error)
        except DuologueError as error:
            self._fail(ask.ask, error)
        else:
            j = self._words.judge(text)
            self._answer(got.WordsArrived(ask.ask, text, j.probability, j.reason, j.patience))

    async def _transcribe(self, pcm: bytes, deadline: float) -> str:
        tries = self._config.max_retries
        while True:
            try:
                transcript = await self._stt.transcribe(pcm, language=self._config.language, deadline=deadline)
                return transcript.text.strip()
            except DuologueError as error:
                if not error.retryable or tries == 0:
                    raise
                await asyncio.sleep(0.05 * 2 ** (self._config.max_retries - tries))
                tries -= 1
            except Exception as error:
                raise ProviderError(f"{self._stt.name} failed: {error!r}.", provider=self._stt.name) from error

    async def _judge(self, ask: do.AskSound, pcm: bytes, due_in: float) -> None:
        model = self._engine.turn_model
        assert model is not None, "the rules ask for the sound only where a model is at hand"
        deadline = asyncio.get_running_loop().time() + due_in
        try:
            probability = await self._engine.workers.submit(model, as_float(pcm), deadline)
        except DuologueError as error:
            self._fail(ask.ask, error)
        else:
            self._answer(got.SoundScored(ask.ask, probability))

    async def _show(self, ask: do.AskPartial, pcm: bytes) -> None:
        deadline = asyncio.get_running_loop().time() + PARTIAL_PATIENCE
        try:
            async with asyncio.timeout(self._config.words_timeout):
                transcript = await self._stt.transcribe(pcm, language=self._config.language, deadline=deadline)
        except (DuologueError, TimeoutError):
            return  # words for show: the final pass over the same sound tells of what is wrong
        self._host.tell_rules(got.PartialArrived(ask.ask, transcript.text))

    def _answer(self, answer: got.WordsArrived | got.SoundScored | got.EvidenceFailed) -> None:
        self._tasks.pop(answer.ask, None)
        self._host.tell_rules(answer)

    def _fail(self, ask: int, error: DuologueError) -> None:
        self._host.failed(error)
        self._answer(got.EvidenceFailed(ask, error.code))
