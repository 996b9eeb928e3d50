"""Connections to ElevenLabs: several contexts share one WebSocket, and all sessions share the WebSockets.

A context that was closed takes its place on the connection until the service says `isFinal`: a connection with more
than five is closed by the service.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from duologue.errors import DeadlineError, DuologueError, ProviderError, ProviderUnavailableError
from duologue.services import error_code, error_for

__all__ = ["Connection", "ConnectionPool", "Context"]

MAX_BUFFER_BYTES: Final = 16 * 1024 * 1024
"""Encoded audio of one context that nobody has read."""
RELEASE_TIMEOUT: Final = 5.0
"""Seconds in which the service confirms that a context is closed; then its connection takes no new ones."""
TEMPORARY: Final = (None, 1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014)
"""Close codes after which another connection may work."""


class Context:
    """One stream of speech on a connection."""

    def __init__(self, connection: Connection, number: int) -> None:
        self.id = f"context-{number}"
        self.connection = connection
        self.is_closed = False
        """The service was told to close it."""
        self.is_final = False
        self.error: Exception | None = None
        self.sent_at = self.audio_at = 0.0
        """When text was last sent and audio last came, on the clock of the loop."""
        self._messages: deque[tuple[dict[str, Any], int]] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def send(self, **message: Any) -> None:
        """Put a message into the queue of the connection; `connection.drain` sends it."""
        if not (self.is_closed or self.is_final or self.error):
            if message.get("text", "").strip():
                self.sent_at = self._loop.time()
            self.connection.put({**message, "context_id": self.id})
            self._changed.set()

    def close(self) -> None:
        """Tell the service that no text follows; what was flushed is still spoken."""
        self.send(close_context=True)
        self.is_closed = True

    def receive(self, message: dict[str, Any], size: int) -> None:
        """Take a message of the service."""
        self._bytes += size
        if self._bytes > MAX_BUFFER_BYTES:
            name = self.connection.name
            self.fail(ProviderError(f"{name} sent more than {MAX_BUFFER_BYTES} bytes ahead.", provider=name))
            return
        if message.get("audio"):
            self.audio_at = self._loop.time()
        self._messages.append((message, size))
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

    async def next(self, first: float, stall: float) -> dict[str, Any] | None:
        """Return the next message, or None at the end.

        Raises DeadlineError if audio is owed and does not come: `first` seconds after the first text, later `stall`.
        """
        began = self._loop.time()
        while not self._messages:
            if self.error is not None:
                raise self.error
            if self.is_final:
                return None
            self._changed.clear()
            limit = stall if self.audio_at else first
            owes = self.is_closed or self.sent_at > self.audio_at
            try:
                async with asyncio.timeout_at(max(began, self.sent_at, self.audio_at) + limit if owes else None):
                    await self._changed.wait()
            except TimeoutError:
                self.connection.retire()
                name = self.connection.name
                raise DeadlineError(f"{name} gave no audio for {limit:g} s.", provider=name) from None
        message, size = self._messages.popleft()
        self._bytes -= size
        self._room.set()
        return message

    def finish(self) -> None:
        """Note that the service has closed it."""
        self.is_final = True
        self._changed.set()

    def discard(self) -> None:
        """Give its place back, before anything was sent."""
        self.connection.release(self)

    def leave(self) -> None:
        """Close it if it is open, and drop what still comes."""
        self._messages.clear()
        if not self.is_closed:
            self.close()
        self.connection.left(self)


class Connection:
    """One WebSocket. `on_change` is called when a place becomes free, or the connection ends."""

    def __init__(self, name: str, socket: ClientConnection, places: int, on_change: Callable[[], None]) -> None:
        self.name = name
        self.is_open = True
        self._takes_more = True
        self._socket = socket
        self._places = places
        self._on_change = on_change
        self._contexts: dict[str, Context] = {}
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        """Contexts that were closed and are not confirmed."""
        self._made = 0
        self._outgoing: deque[dict[str, Any]] = deque()
        self._sending = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._reader = asyncio.create_task(self._read(), name=f"{name} reader")

    @property
    def has_room(self) -> bool:
        """True if it takes another context."""
        return self.is_open and self._takes_more and len(self._contexts) < self._places

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

    def put(self, message: dict[str, Any]) -> None:
        """Queue a message. The texts of a reply bound the queue."""
        self._outgoing.append(message)

    async def drain(self) -> None:
        """Send what is queued, in its order."""
        async with self._sending:
            while self._outgoing and self.is_open:
                try:
                    await self._socket.send(json.dumps(self._outgoing.popleft()))
                except ConnectionClosed:
                    return  # the reader says why

    def left(self, context: Context) -> None:
        """Note that nobody listens to a context anymore."""
        if context.id not in self._contexts or not self.is_open:
            return
        self._leaving[context.id] = self._loop.call_later(RELEASE_TIMEOUT, self.retire)
        if not self._takes_more:
            self._close_if_unused()

    def retire(self) -> None:
        """Take no new contexts, and close once nobody listens."""
        self._takes_more = False
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self.is_open and not self.is_heard:
            self._socket.transport.abort()

    async def close(self) -> None:
        """Close the connection and all contexts."""
        if self.is_open:
            self.put({"close_socket": True})
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
        except ProviderError as garbage:
            error = garbage
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
        try:
            message = json.loads(data)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise ProviderError(f"{self.name} sent what is not a message.", provider=self.name)
        name = message.get("contextId") or message.get("context_id")
        context = self._contexts.get(name) if isinstance(name, str) else None
        if message.get("error") or message.get("code"):
            error = error_for(self.name, None, error_code(message))
            if context is None and name is None:
                raise error
            if context is not None:
                context.fail(error)
                self.release(context)
            return
        if context is None:
            return
        is_heard = context.id not in self._leaving
        if is_heard and message.get("audio"):
            context.receive(message, len(data))
        if message.get("isFinal") or message.get("is_final"):
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


class ConnectionPool:
    """At most `size` connections with `places` contexts each, for which streams wait in the order of their coming."""

    def __init__(
        self, name: str, dial: Callable[[], Awaitable[ClientConnection]], *, size: int, places: int, timeout: float
    ) -> None:
        self._name = name
        self._dial_socket = dial
        self._size = size
        self._places = places
        self._timeout = timeout
        self._connections: list[Connection] = []
        self._dials: set[asyncio.Task[None]] = set()
        self._waiters: deque[asyncio.Future[Context]] = deque()

    async def lease(self) -> Context:
        """Return a new context. Raises DeadlineError if there is no place for one in time."""
        waiter: asyncio.Future[Context] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._serve()
        try:
            async with asyncio.timeout(self._timeout):
                return await waiter
        except (TimeoutError, asyncio.CancelledError) as error:
            # The context may have come in the same turn of the loop.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                if isinstance(error, TimeoutError):
                    return waiter.result()
                waiter.result().discard()
            if isinstance(error, TimeoutError):
                raise self._late() from None
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            if not self._waiters:
                # The next stream must not wait for a dial that has hung since before.
                for dial in self._dials:
                    dial.cancel()

    def _late(self) -> DeadlineError:
        if self._dials:
            what, hint = f"could not be connected to within {self._timeout:g} s", None
        else:
            what = f"had all places on its {self._size} connections taken for {self._timeout:g} s"
            hint = "Raise max_connections, if your plan allows for more streams at once."
        return DeadlineError(f"{self._name} {what}.", provider=self._name, hint=hint)

    async def warm(self) -> None:
        """Make sure that there is a connection."""
        (await self.lease()).discard()

    async def close(self) -> None:
        """Close all connections, and fail those who wait."""
        for dial in self._dials:
            dial.cancel()
        self._fail(ProviderUnavailableError(f"{self._name} was closed.", provider=self._name), len(self._waiters))
        await asyncio.gather(*self._dials, return_exceptions=True)
        await asyncio.gather(*(connection.close() for connection in self._connections))
        self._connections.clear()

    def _serve(self) -> None:
        """Give places to those who wait, and dial for the rest."""
        self._connections = [connection for connection in self._connections if connection.is_open]
        while self._waiters:
            connection = next((c for c in self._connections if c.has_room), None)
            if connection is None:
                break
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection.open())
        while (
            len(self._waiters) > len(self._dials) * self._places
            and len(self._connections) + len(self._dials) < self._size
        ):
            dial = asyncio.create_task(self._dial(), name=f"{self._name} dial")
            self._dials.add(dial)
            dial.add_done_callback(self._dialed)
        if self._waiters and not self._dials:
            unheard = next((c for c in self._connections if not c.is_heard), None)
            if unheard is not None:
                unheard.retire()

    def _dialed(self, dial: asyncio.Task[None]) -> None:
        self._dials.discard(dial)
        self._serve()

    async def _dial(self) -> None:
        try:
            socket = await self._dial_socket()
        except ProviderError as error:
            self._fail(error, self._places)
        else:
            self._connections.append(Connection(self._name, socket, self._places, self._serve))

    def _fail(self, error: ProviderError, count: int) -> None:
        for _ in range(min(count, len(self._waiters))):
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)
