"""One stream of speech: text is handed to the service clause by clause."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Final

from duologue.tts.clauses import ClauseSplitter
from duologue.tts.service import VoiceUsage
from duologue.tts.websocket.connection import Context

__all__ = ["CLAUSE_PAUSE", "SENTENCE_PAUSE", "TextWriter"]

MAX_UNREAD_BYTES: Final = 2 * 1024 * 1024
"""Encoded audio that is unread when no more text is sent: 30 s at 24 kHz."""
SENTENCE_PAUSE: Final = 0.03
"""Seconds without text after which what ends like a sentence is spoken..."""
CLAUSE_PAUSE: Final = 0.15
"""...and what ends like a clause."""


class TextWriter:
    """Hands a text to a context, one clause at a time, and to another one if the first has ended meanwhile.

    Args:
        context: An open context.
        lease: Opens another.
    """

    def __init__(self, context: Context, lease: Callable[[], Awaitable[Context]], usage: VoiceUsage) -> None:
        self.words: deque[str] = deque()
        """Words that were sent and have no time yet."""
        self.chars: int = 0
        """Characters that were sent."""
        self._context = context
        self._lease = lease
        self._usage = usage
        wire = context.connection.wire
        self._idle_end = wire.idle_end
        self._interval = wire.keep_alive if wire.idle_end is None else wire.idle_end / 2
        self._splitter = ClauseSplitter()
        self._clauses: deque[str] = deque()
        self._unread = deque([context])
        self._error: Exception | None = None
        self._is_done = False
        self._changed = asyncio.Event()
        self._passing = asyncio.Lock()
        self._tail = ""
        self._pause: asyncio.TimerHandle | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def run(self, text: str | AsyncIterable[str]) -> None:
        """Send all of `text`, and end the context."""
        try:
            self._context.begin()
            if self._interval is not None:
                self._waiting = self._loop.call_later(self._interval, self._wait_on, self._interval)
            if isinstance(text, str):
                await self._send([text.strip()])
            else:
                async for piece in text:
                    self._cancel_pause()
                    self._tail = (self._tail + piece)[-8:]
                    self._pause = self._loop.call_later(SENTENCE_PAUSE, self._after_sentence)
                    await self._send(self._splitter.push(piece))
                    await self._context.room(MAX_UNREAD_BYTES)
                self._cancel_pause()
                await self._send(self._splitter.flush())
            async with self._passing:  # a clause that was complete with a pause may wait for another context
                if not self._context.is_closed:
                    self._context.end()
            await self._context.connection.drain()
        except Exception as error:
            self._fail(error)
        finally:
            self._is_done = True
            self._changed.set()
            self.stop()

    async def next_context(self) -> Context | None:
        """Return the next context to read, as soon as there is one; None after the last."""
        while not self._unread:
            if self._error is not None:
                raise self._error
            if self._is_done:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._unread.popleft()

    def stop(self) -> None:
        """Send nothing more by itself."""
        self._cancel_pause()
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def leave(self) -> None:
        """Stop all contexts that have not ended."""
        self.stop()
        for task in self._tasks:
            task.cancel()
        for context in {*self._unread, self._context}:
            context.leave()

    async def drain(self) -> None:
        """Send what is queued."""
        await self._context.connection.drain()

    async def _send(self, clauses: list[str]) -> None:
        self._clauses.extend(clauses)
        if not self._clauses:
            return
        async with self._passing:
            while self._clauses:
                if self._context.is_closed or self._context.is_final:
                    self._context = await self._lease()
                    self._context.begin()
                    self._unread.append(self._context)
                    self._changed.set()
                clause = self._clauses.popleft()
                self.words.extend(clause.split())
                self.chars += len(clause) + 1
                self._usage.characters += len(clause) + 1
                self._context.say(clause)
        await self._context.connection.drain()

    def _after_sentence(self) -> None:
        self._send_soon(self._splitter.settle())
        self._pause = self._loop.call_later(CLAUSE_PAUSE - SENTENCE_PAUSE, self._after_clause)

    def _after_clause(self) -> None:
        self._pause = None
        tail = self._tail.rstrip()
        # A comma after a figure may be part of a number.
        if tail.endswith((",", ";", ":", "—")) and tail[-2:-1].isalpha():
            self._send_soon(self._splitter.flush())

    def _cancel_pause(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _wait_on(self, interval: float) -> None:
        """Keep a context open that waits for text, or end it if the service would drop it."""
        context = self._context
        if self._idle_end is None:
            context.stay()
            self._send_soon([])
        elif self._loop.time() - context.audio_at >= self._idle_end and context.sent_at and not context.owes:
            context.end()
            self._send_soon([])
        self._waiting = self._loop.call_later(interval, self._wait_on, interval)

    def _send_soon(self, clauses: list[str]) -> None:
        self._clauses.extend(clauses)  # now: if the text ends before the task begins, they are sent before the end
        task = asyncio.create_task(self._send_now())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_now(self) -> None:
        try:
            await self._send([])
            await self._context.connection.drain()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._error = error
        self._context.fail(error)
        self._changed.set()
