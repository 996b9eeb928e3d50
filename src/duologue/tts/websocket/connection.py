"""Connections to a service that speaks: contexts, each one stream of speech, share a WebSocket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from duologue.errors import DeadlineError, DuologueError, ProviderError, ProviderUnavailableError
from duologue.services import error_for
from duologue.tts.websocket.wire import Reply, Wire

__all__ = ["Connection", "Context"]

MAX_BUFFER_BYTES: Final = 16 * 1024 * 1024  # of encoded audio of one context that was not read
RELEASE_TIMEOUT: Final = 5.0
"""Seconds in which the service confirms that a context is closed; then its connection takes no new ones."""
TEMPORARY: Final = (None, 1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014)
"""Close codes after which another connection may work."""


class Context:
    """One stream of speech on a connection."""

    def __init__(self, connection: Connection, number: int) -> None:
        self.id: str = f"context-{number}"
        self.connection = connection
        self.is_closed: bool = False
        """The service has been sent the end of the text."""
        self.is_final: bool = False
        self.error: Exception | None = None
        self.sent_at: float = 0.0
        """When text was last sent, on the clock of the loop."""
        self.audio_at: float = 0.0
        """When audio last came, on the clock of the loop."""
        self._is_known = False  # to the service
        self._is_left = False
        self._owed_at_end = True
        self._replies: deque[tuple[Reply, int]] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def owes(self) -> bool:
        """True if audio or the end must come."""
        return self.is_closed or self.sent_at > self.audio_at

    def begin(self) -> None:
        """Open it; what is sent waits in the queue of the connection until `connection.drain`."""
        self._send(self.connection.wire.begin(self.id))

    def say(self, clause: str) -> None:
        """Have a clause spoken."""
        self.sent_at = self._loop.time()
        self._send(self.connection.wire.say(self.id, clause))

    def stay(self) -> None:
        """Keep it open."""
        self._send(self.connection.wire.stay(self.id))

    def end(self) -> None:
        """Say that no text follows; what was sent is still spoken."""
        self._owed_at_end = self.owes
        messages = self.connection.wire.end(self.id) if self._is_known else None
        if messages is None:
            self.discard()
            self.is_final = True
        else:
            self._send(messages)
        self.is_closed = True
        self._changed.set()

    def _send(self, messages: tuple[str, ...]) -> None:
        if messages and not (self.is_closed or self.is_final or self.error):
            self._is_known = True
            self.connection.put(messages)
            self._changed.set()

    def receive(self, reply: Reply, size: int) -> None:
        """Take a reply of the service."""
        self._bytes += size
        if self._bytes > MAX_BUFFER_BYTES:
            name = self.connection.name
            self.fail(ProviderError(f"{name} sent more than {MAX_BUFFER_BYTES} bytes ahead.", provider=name))
            return
        if reply.audio:
            self.audio_at = self._loop.time()
        self._replies.append((reply, size))
        self._changed.set()

    def fail(self, error: Exception) -> None:
        """Note that nothing more comes."""
        self.error = self.error or error
        self._changed.set()
        self._room.set()

    async def room(self, limit: int) -> None:
        """Wait until fewer than `limit` bytes are unread."""
        while self._bytes >= limit and not self.error:
            self._room.clear()
            await self._room.wait()

    async def next(self, first: float, stall: float) -> Reply | None:
        """Return the next reply, or None at the end.

        Raises DeadlineError if audio is owed and does not come: `first` seconds after the first text, later `stall`.
        """
        began = self._loop.time()
        while not self._replies:
            if self.error is not None:
                raise self.error
            if self.is_final:
                return None
            self._changed.clear()
            limit = stall if self.audio_at else first
            try:
                async with asyncio.timeout_at(max(began, self.sent_at, self.audio_at) + limit if self.owes else None):
                    await self._changed.wait()
            except TimeoutError:
                self.connection.retire()
                name = self.connection.name
                raise DeadlineError(f"{name} gave no audio for {limit:g} s.", provider=name) from None
        reply, size = self._replies.popleft()
        self._bytes -= size
        self._room.set()
        return reply

    def refuse(self, error: DuologueError) -> None:
        """Take an error of the service; none if it only says that it had dropped a context that owed nothing."""
        if self._owed_at_end:
            self.fail(error)
        else:
            self.finish()

    def finish(self) -> None:
        """Note its end."""
        self.is_final = True
        self._changed.set()

    def discard(self) -> None:
        """Give its place back, before anything was sent."""
        self.connection.release(self)

    def leave(self) -> None:
        """Stop it, and drop what still comes."""
        if self._is_left:
            return
        self._is_left = True
        self._replies.clear()
        if not self._is_known:
            self.discard()
            return
        if not self.is_final and not self.error:
            self.connection.put(self.connection.wire.cancel(self.id, ended=self.is_closed))
        self.is_closed = True
        self.connection.left(self)


class Connection:
    """One WebSocket. `on_change` is called when a place becomes free, or the connection ends."""

    def __init__(self, name: str, socket: ClientConnection, wire: Wire, on_change: Callable[[], None]) -> None:
        self.name = name
        self.wire = wire
        self.is_open: bool = True
        self._takes_more = True
        self._socket = socket
        self._on_change = on_change
        self._contexts: dict[str, Context] = {}
        self._leaving: dict[str, asyncio.TimerHandle] = {}  # closed and not confirmed
        self._made = 0
        self._outgoing: deque[str] = deque()
        self._sending = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._reader = asyncio.create_task(self._read(), name=f"{name} reader")

    @property
    def has_room(self) -> bool:
        """True if it takes another context."""
        return self.is_open and self._takes_more and len(self._contexts) < self.wire.streams and self.wire.has_room

    @property
    def is_heard(self) -> bool:
        """True if a stream listens."""
        return len(self._leaving) < len(self._contexts)

    def open(self) -> Context:
        """Open a context; its first message is up to the caller."""
        self._made += 1
        context = Context(self, self._made)
        self._contexts[context.id] = context
        return context

    def put(self, messages: tuple[str, ...]) -> None:
        """Queue messages. The texts of a reply bound the queue."""
        self._outgoing.extend(messages)

    async def drain(self) -> None:
        """Send what is queued, in its order."""
        async with self._sending:
            while self._outgoing and self.is_open:
                try:
                    await self._socket.send(self._outgoing.popleft())
                except ConnectionClosed:
                    return  # the reader says why

    def left(self, context: Context) -> None:
        """Note that a context has no reader anymore."""
        if context.id not in self._contexts or not self.is_open:
            return
        if not self.wire.confirms_cancel:
            self.release(context)
            return
        self._leaving[context.id] = self._loop.call_later(RELEASE_TIMEOUT, self.retire)
        if not self._takes_more:
            self._close_if_unused()

    def retire(self) -> None:
        """Take no new contexts, and close once no context has a reader."""
        self._takes_more = False
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self.is_open and not self.is_heard:
            self._socket.transport.abort()

    async def close(self) -> None:
        """Close the connection and all contexts."""
        if self.is_open:
            self.put(self.wire.goodbye())
            try:
                async with asyncio.timeout(1.0):
                    await self.drain()
                    await self._socket.close()
            except TimeoutError:
                pass
            self._socket.transport.abort()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        error: DuologueError | None = None
        try:
            async for data in self._socket:
                self._receive(data)
        except ConnectionClosed as closed:
            error = self._closed(closed)
        except DuologueError as fault:
            error = fault
        finally:
            self._end(error or ProviderUnavailableError(f"{self.name} closed the connection.", provider=self.name))
            self._socket.transport.abort()

    def _end(self, error: DuologueError) -> None:
        self.is_open = False
        for timer in self._leaving.values():
            timer.cancel()
        for context in self._contexts.values():
            context.fail(error)
        self._contexts.clear()
        self._leaving.clear()
        self._outgoing.clear()
        self._on_change()

    def _closed(self, closed: ConnectionClosed) -> DuologueError:
        code = closed.rcvd.code if closed.rcvd is not None else None
        if code in TEMPORARY:
            return ProviderUnavailableError(f"{self.name} broke off the connection ({code}).", provider=self.name)
        return error_for(self.name, None, f"close code {code}")

    def _receive(self, data: str | bytes) -> None:
        reply = self.wire.read(data)
        if reply is None:
            return
        if reply.error is not None and reply.context is None:
            raise reply.error
        context = self._contexts.get(reply.context) if reply.context is not None else None
        if context is None:
            return
        if reply.error is not None:
            context.refuse(reply.error)
            self.release(context)
            return
        if (reply.audio or reply.timed) and context.id not in self._leaving:
            context.receive(reply, len(data))
        if reply.is_final:
            context.finish()
            self.release(context)

    def release(self, context: Context) -> None:
        """Give the place of a context to another one."""
        self._contexts.pop(context.id, None)
        timer = self._leaving.pop(context.id, None)
        if timer is not None:
            timer.cancel()
        if not self._takes_more:
            self._close_if_unused()
        self._on_change()
