"""One reply in the making: the agent's text is cut into clauses, and each clause into sound, side by side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

from duologue.agent import Agent, EndCall, Reply, Turn
from duologue.errors import AgentError, DeadlineError, DuologueError, ProviderError
from duologue.tts import Speech, TextToSpeech
from duologue.tts.clauses import ClauseSplitter

if TYPE_CHECKING:
    from duologue.session.config import SessionConfig
    from duologue.session.playout import Playout

__all__ = ["ReplyRun"]

MAX_CLAUSES = 4
"""Clauses that may wait for the synthesiser; then the agent waits."""
CLOSING = 0.1
"""Seconds that the reply before this one has to let go of the agent."""


class Host(Protocol):
    """What a reply needs of its session."""

    config: SessionConfig
    playout: Playout
    tts: TextToSpeech

    def reply_text(self, run: ReplyRun) -> None:
        """The first text came."""
        ...

    def reply_speech(self, run: ReplyRun, speech: Speech) -> None:
        """A stretch of sound is ready."""
        ...

    def reply_done(self, run: ReplyRun, error: DuologueError | None) -> None:
        """Nothing more will come."""
        ...


class ReplyRun:
    """Two tasks, one that asks the agent and one that speaks, with a short queue of clauses between them."""

    def __init__(self, host: Host, generation: int, *, speculative: bool) -> None:
        self.generation = generation
        self.end_call = ""
        """The reason, once the agent has asked for the call to end."""
        self.asked = False
        """The agent was asked; else this is a `say`."""
        self.spoke = False
        """Some of it can be heard."""
        self._host = host
        self._committed = asyncio.Event()
        if not speculative:
            self._committed.set()
        self._clauses: asyncio.Queue[str | None] = asyncio.Queue(MAX_CLAUSES)
        self._tasks: list[asyncio.Task[None]] = []
        self._error: DuologueError | None = None
        self._has_text = False

    def answer(self, agent: Agent, turn: Turn, after: ReplyRun | None) -> None:
        """Have the agent answer, once the run before this one has let go of it."""
        self.asked = True
        self._start(self._think(agent, turn, after))

    def say(self, text: str) -> None:
        """Speak a text that no agent is asked for."""
        self._start(self._recite(text))

    def _start(self, source: Any) -> None:
        self._tasks = [
            asyncio.create_task(source, name=f"think-{self.generation}"),
            asyncio.create_task(self._voice(), name=f"voice-{self.generation}"),
        ]

    @property
    def is_committed(self) -> bool:
        """True once the turn is decided."""
        return self._committed.is_set()

    async def committed(self) -> None:
        """Return when the turn is decided."""
        await self._committed.wait()

    def commit(self) -> None:
        """The turn is decided: side effects are allowed, and more than the first clause is spoken."""
        self._committed.set()

    def cancel(self) -> None:
        """Stop both tasks; a plain call. The agent's iterator is closed as they end."""
        for task in self._tasks:
            task.cancel()

    async def closed(self, timeout: float) -> None:
        """Return when both tasks have ended, or after `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    async def _think(self, agent: Agent, turn: Turn, after: ReplyRun | None) -> None:
        splitter = ClauseSplitter()
        try:
            if after is not None and after._tasks:
                await asyncio.wait(after._tasks, timeout=CLOSING)
            async with aclosing(_closable(agent.reply(turn))) as pieces:
                while not isinstance(piece := await self._next(pieces), EndCall | None):
                    for clause in splitter.push(piece):
                        await self._clauses.put(clause)
                if piece is not None:
                    self.end_call = piece.reason
            for clause in splitter.flush():
                await self._clauses.put(clause)
        except DuologueError as error:
            self._error = error
        except Exception as error:
            self._error = AgentError(f"The agent failed: {error!r}.")
            self._error.__cause__ = error
        await self._clauses.put(None)

    async def _next(self, pieces: AsyncIterator[Reply]) -> Reply | None:
        c = self._host.config
        limit = c.stall_timeout if self._has_text else c.first_text_timeout
        try:
            async with asyncio.timeout(limit):
                piece = await anext(pieces, None)
        except TimeoutError:
            what = "go on with its answer" if self._has_text else "begin to answer"
            raise DeadlineError(f"The agent did not {what} within {limit:g} s.") from None
        if not isinstance(piece, str | EndCall | None):
            raise AgentError(f"The agent yielded {type(piece).__name__}, and must yield str or EndCall.")
        if piece and not self._has_text and isinstance(piece, str):
            self._has_text = True
            self._host.reply_text(self)
        return piece

    async def _recite(self, text: str) -> None:
        splitter = ClauseSplitter()
        for clause in (*splitter.push(text), *splitter.flush()):
            await self._clauses.put(clause)
        await self._clauses.put(None)

    async def _voice(self) -> None:
        host, first = self._host, True
        while (clause := await self._clauses.get()) is not None:
            if not first:
                await self._committed.wait()
                await host.playout.room()
            try:
                await self._speak(clause, None if first else time.monotonic() + host.playout.ready)
            except DuologueError as error:
                self._error = error
                break
            first = False
        self._tasks[0].cancel()  # where the synthesiser failed, the agent need not go on
        host.reply_done(self, self._error)

    async def _speak(self, clause: str, deadline: float | None) -> None:
        host = self._host
        c = host.config
        for attempt in range(c.max_retries + 1):
            heard_any = False
            try:
                async with aclosing(_closable(host.tts.stream(clause, seed=c.seed, deadline=deadline))) as pieces:
                    while (speech := await self._next_speech(pieces)) is not None:
                        heard_any = True
                        host.reply_speech(self, speech)
                return
            except DuologueError as error:
                if heard_any or not error.retryable or attempt == c.max_retries:
                    raise

    async def _next_speech(self, pieces: AsyncIterator[Speech]) -> Speech | None:
        limit = self._host.config.speech_timeout
        name = self._host.tts.name
        try:
            async with asyncio.timeout(limit):
                return await anext(pieces, None)
        except TimeoutError:
            raise DeadlineError(f"{name} gave no speech for {limit:g} s.", provider=name) from None
        except DuologueError:
            raise
        except Exception as error:
            raise ProviderError(f"{name} failed: {error!r}.", provider=name) from error


def _closable(iterator: AsyncIterator[Any]) -> Any:
    """An iterator with `aclose`: async generators have one; for others, closing is nothing."""
    return iterator if hasattr(iterator, "aclose") else _Closable(iterator)


class _Closable:
    def __init__(self, iterator: AsyncIterator[Any]) -> None:
        self._iterator = iterator

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._iterator

    def __anext__(self) -> Any:
        return self._iterator.__anext__()

    async def aclose(self) -> None:
        """Nothing to close."""
