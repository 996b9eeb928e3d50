"""Connections to a service that speaks, shared by all sessions of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context as TaskContext
from contextvars import copy_context
from itertools import islice

from websockets.asyncio.client import ClientConnection

from duologue.errors import DeadlineError, ProviderError, ProviderUnavailableError
from duologue.tts.websocket.connection import Connection, Context
from duologue.tts.websocket.wire import Wire

__all__ = ["ConnectionPool"]


class ConnectionPool:
    """At most `size` connections, for whose contexts streams wait in the order of their coming."""

    def __init__(
        self,
        name: str,
        dial: Callable[[], Awaitable[ClientConnection]],
        wire: Callable[[], Wire],
        *,
        size: int,
        timeout: float,
    ) -> None:
        self._name = name
        self._dial_socket = dial
        self._wire = wire
        self._size = size
        self._places = wire().streams
        self._timeout = timeout
        self._connections: list[Connection] = []
        self._dials: set[asyncio.Task[None]] = set()
        self._waiters: dict[asyncio.Future[Context], TaskContext] = {}
        """Who waits, in the order of their coming, each with the context in whose trace a connection is dialed."""

    async def lease(self) -> Context:
        """Return a new context. Raises DeadlineError if there is no place for one in time."""
        waiter: asyncio.Future[Context] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = copy_context()
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
            self._waiters.pop(waiter, None)
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
            waiter = self._first()
            if not waiter.done():
                waiter.set_result(connection.open())
        while (
            len(self._waiters) > len(self._dials) * self._places
            and len(self._connections) + len(self._dials) < self._size
        ):
            context = next(islice(self._waiters.values(), len(self._dials) * self._places, None))
            dial = asyncio.create_task(self._dial(), name=f"{self._name} dial", context=context)
            self._dials.add(dial)
            dial.add_done_callback(self._dialed)
        if self._waiters and not self._dials:
            unheard = next((c for c in self._connections if not c.is_heard), None)
            if unheard is not None:
                unheard.retire()

    def _first(self) -> asyncio.Future[Context]:
        waiter = next(iter(self._waiters))
        del self._waiters[waiter]
        return waiter

    def _dialed(self, dial: asyncio.Task[None]) -> None:
        self._dials.discard(dial)
        self._serve()

    async def _dial(self) -> None:
        try:
            socket = await self._dial_socket()
        except ProviderError as error:
            self._fail(error, self._places)
        else:
            self._connections.append(Connection(self._name, socket, self._wire(), self._serve))

    def _fail(self, error: ProviderError, count: int) -> None:
        for _ in range(min(count, len(self._waiters))):
            waiter = self._first()
            if not waiter.done():
                waiter.set_exception(error)
