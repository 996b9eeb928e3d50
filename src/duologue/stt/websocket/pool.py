"""Connections for the streams of a recognizer: one for each call, some of them opened before they are needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from duologue.pool import ConnectionLimit, ProviderPool
from duologue.stt.service import SocketSettings
from duologue.stt.websocket.connection import Connection

__all__ = ["StreamPool"]

MAX_ADDRESSES: Final = 16
"""Addresses, such as one for each language, whose pools are kept at the same time, unless more are in use."""
MAX_IDLE_S: Final = 600.0
"""Seconds after which a connection that was kept ready is replaced: services end their sessions after a while."""


class StreamPool:
    """Opens connections within `max_connections` of the settings, and keeps `warm_connections` ready.

    A connection serves one stream and is closed with it: a service counts the positions of its words from the first
    audio. Streams wait in the order of their coming where all connections are taken.

    Args:
        name: The recognizer, for errors.
        settings: The limits.
        dial: Opens a connection to an address.
        keep_alive: Given a connection that is kept ready, has it stay open.
    """

    def __init__(
        self,
        name: str,
        settings: SocketSettings,
        dial: Callable[[str], Awaitable[Connection]],
        keep_alive: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._dial = dial
        self._keep_alive = keep_alive
        self._limit = ConnectionLimit(settings.max_connections)
        self._pools: dict[str, ProviderPool[Connection]] = {}

    async def connect(self, url: str) -> Connection:
        """Return a connection to `url` that serves no other stream; closing it gives its place to the next.

        Raises DeadlineError if there is no place for it in time, and what a dial fails with.
        """
        pool = self._pool(url)
        try:
            lease = await pool.acquire()
        except BaseException:
            pool.trim()  # the dial has no waiter any more
            raise
        connection = lease.connection
        connection.on_close = partial(lease.release, is_closed=True)
        return connection

    async def warm(self, url: str) -> None:
        """Open the connections that are kept ready for streams to `url`. Raises what the first dial fails with."""
        if self._settings.warm_connections:
            await self._pool(url).warm()

    async def aclose(self) -> None:
        """Close the connections that serve no stream, and fail those who wait. A later stream opens new ones."""
        pools, self._pools = list(self._pools.values()), {}
        self._limit = ConnectionLimit(self._settings.max_connections)
        for pool in pools:
            await pool.aclose()

    def _pool(self, url: str) -> ProviderPool[Connection]:
        if url not in self._pools:
            if len(self._pools) >= MAX_ADDRESSES:
                for old in [old for old, pool in self._pools.items() if not pool.occupied and not pool.waiting]:
                    self._limit.leave(self._pools.pop(old))
            s = self._settings
            self._pools[url] = ProviderPool(
                lambda: self._open(url),
                size=s.max_connections,
                name=self._name,
                max_dials=s.max_connections,
                min_idle=s.warm_connections,
                lease_timeout=s.connect_timeout,
                dial_timeout=2 * s.connect_timeout,  # a dial has its own timeout, which says more
                idle_ttl=MAX_IDLE_S,
                is_alive=lambda connection: connection.is_open,
                limit=self._limit,
            )
        return self._pools[url]

    async def _open(self, url: str) -> Connection:
        connection = await self._dial(url)
        self._keep_alive(connection)
        return connection
