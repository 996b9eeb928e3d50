"""A pool of connections to one provider."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from duologue.errors import DeadlineError, DuologueError, ProviderUnavailableError, RateLimitedError
from duologue.pool.idle import IdleConnections
from duologue.pool.lease import Lease
from duologue.pool.limit import ConnectionLimit
from duologue.pool.options import PoolOptions
from duologue.pool.state import PoolState
from duologue.pool.tasks import ConnectionTasks, dial, is_yes

__all__ = ["POOLS", "ProviderPool"]

MAX_WAITING: Final = 10_000

C = TypeVar("C")


class ProviderPool(PoolState[C]):
    """At most `size` connections, each leased to one user at a time; users wait in order of arrival.

    The connection used last is leased first, so that unneeded ones stay idle and are closed. A connection that
    is being closed takes its place until it is closed.

    Args:
        factory: Dials: returns a new connection.
        size: Connections at once, those that are being dialed included.
        name: The provider, for errors.
        max_dials: Connections dialed at the same time.
        min_idle: Connections that are kept ready once `warm` was called.
        lease_timeout: Seconds that a user waits for a connection.
        dial_timeout: Seconds that one dial may take.
        idle_ttl: Seconds after which an unused connection is closed: less than the provider's own limit.
        is_alive: Tells, plain or async, whether an idle connection can still be used; a dead one is closed, and never
            leased. Without it every connection that was not given back as broken counts as alive.
        check_after: Seconds of idleness from which on `is_alive` is asked.
        check_timeout: Seconds that `is_alive` may take; longer means no.
        close: Closes a connection; by default its `aclose` or `close` is called.
        limit: A limit that this pool shares with others, besides `size`.

    Raises:
        ConfigError: A limit is out of range.
    """

    def __init__(
        self,
        factory: Callable[[], Awaitable[C]],
        *,
        size: int = 10,
        name: str = "The provider",
        max_dials: int = 8,
        min_idle: int = 0,
        lease_timeout: float = 5.0,
        dial_timeout: float = 5.0,
        idle_ttl: float = 60.0,
        is_alive: Callable[[C], bool | Awaitable[bool]] | None = None,
        check_after: float = 0.0,
        check_timeout: float = 0.5,
        close: Callable[[C], object] | None = None,
        limit: ConnectionLimit | None = None,
    ) -> None:
        self._options = PoolOptions(
            size, max_dials, min_idle, lease_timeout, dial_timeout, idle_ttl, check_after, check_timeout
        )
        super().__init__(IdleConnections(idle_ttl), ConnectionTasks(name, self._changed, close))
        self.name = name
        self._factory = factory
        self._is_alive = is_alive
        self._limit = limit
        self._keeps = 0
        """Connections that are kept ready: `min_idle` once `warm` was called."""
        self._is_warm = self._is_closed = False
        POOLS.add(self)
        if limit is not None:
            limit.join(self)

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[C]:
        """Use a connection. If the body raises, the connection counts as broken. Raises what `acquire` raises."""
        lease = await self.acquire()
        try:
            yield lease.connection
        except BaseException:
            lease.release(is_broken=True)
            raise
        lease.release()

    async def acquire(self, timeout: float | None = None) -> Lease[C]:
        """Wait for a connection that is alive, at most `timeout` seconds, or `lease_timeout`.

        Raises:
            DeadlineError: None came in time.
            RateLimitedError: Too many wait already.
            ProviderUnavailableError: The pool was closed.
            DuologueError: The error of a dial; each failure fails the user who has waited longest.
        """
        if self._is_closed:
            raise ProviderUnavailableError(f"The connections to {self.name} were closed.", provider=self.name)
        if len(self._waiters) >= MAX_WAITING:
            raise RateLimitedError(f"{len(self._waiters)} calls wait for {self.name} already.", provider=self.name)
        waiter = self._waiters.join()
        self.serve()
        limit = self._options.lease_timeout if timeout is None else timeout
        if not waiter.done():
            self.counters.waited += 1
            try:
                await asyncio.wait([waiter], timeout=limit)
            except asyncio.CancelledError:
                self._leave(waiter)
                raise
        if not waiter.done():
            self._leave(waiter)
            self.counters.timeouts += 1
            if self._tasks.dialing:
                raise DeadlineError(f"{self.name} could not be connected to within {limit:g} s.", provider=self.name)
            raise DeadlineError(
                f"{self.name} has had all of its connections in use for {limit:g} s.",
                provider=self.name,
                hint="Raise max_connections, if your plan allows for more at once.",
            )
        connection = waiter.result()
        self.counters.leased += 1
        return Lease(self, connection)

    async def warm(self, connections: int | None = None) -> None:
        """Dial `min_idle` connections, or so many, and keep `min_idle` ready. Raises the error of the first dial."""
        wanted = min(max(self._options.min_idle, 1) if connections is None else connections, self._options.size)
        found = await asyncio.gather(*(self.acquire() for _ in range(wanted)), return_exceptions=True)
        failures = [each for each in found if isinstance(each, BaseException)]
        self._is_warm, self._keeps = True, 0 if failures else self._options.min_idle
        for lease in found:
            if isinstance(lease, Lease):
                lease.release()
        if failures:
            raise failures[0]

    async def aclose(self) -> None:
        """Close idle connections and fail those who wait. Leased ones are closed as they are given back."""
        self._is_closed = True
        self._idle.cancel()
        while (waiter := self._waiters.take()) is not None:
            closed = ProviderUnavailableError(f"The connections to {self.name} were closed.", provider=self.name)
            waiter.set_exception(closed)
        while self._idle:
            self._tasks.discard(self._idle.take()[0])
        await self._tasks.end()
        if self._limit is not None:
            self._limit.leave(self)

    def trim(self) -> None:
        """Stop dials without a waiter, and close idle connections, beyond those that are kept ready."""
        excess = len(self._idle) + len(self._tasks.busy) - self._keeps - len(self._waiters)
        excess -= self._tasks.cancel_dials(excess)
        for _ in range(min(excess, len(self._idle))):
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Close the idle connection that has been so for longest."""
        self._tasks.discard(self._idle.take_oldest())

    # --- the work ---

    def serve(self) -> None:
        """Give connections to those who wait, and dial for the rest. The pool calls it whenever something changes."""
        self._waiters.drop_done()
        while self._waiters and self._idle:
            connection, since = self._idle.take()
            answer: bool | Awaitable[bool] = True
            if self._is_alive is not None and self._idle.has_been_idle(since, self._options.check_after):
                if len(self._waiters) <= len(self._tasks.busy) - len(
                    self._tasks.dialing
                ):  # each check serves one of them
                    self._idle.put_back(connection, since)
                    break
                answer = self._is_alive(connection)
            if not isinstance(answer, bool):
                self._tasks.check(self._check(connection, answer))
            elif not answer:
                self.counters.dead += 1
                self._tasks.discard(connection)
            else:
                self._grant(connection)
        wanted = len(self._waiters) - len(self._tasks.busy)  # each dial and each check serves one of them
        lacking = max(wanted, self._keeps - len(self._idle) - len(self._tasks.busy))
        while lacking > 0 and self._may_dial(is_wanted=wanted > 0):
            lacking -= 1
            wanted -= 1
            # Those before it in the queue are served by what is under way.
            self._tasks.dial(self._dial(), self._waiters.context(len(self._tasks.busy)))
        if not self._is_closed:
            self._idle.schedule(self._expire)

    def _may_dial(self, *, is_wanted: bool) -> bool:
        if (
            self._is_closed
            or self.occupied >= self._options.size
            or len(self._tasks.dialing) >= self._options.max_dials
        ):
            return False
        return self._limit is None or self._limit.admits(self, is_wanted=is_wanted)

    def _changed(self) -> None:
        """A place may have become free, here and in the pools that share the limit."""
        if self._limit is None:
            self.serve()
        else:
            self._limit.freed()

    def _grant(self, connection: C) -> None:
        """Give a connection to the user who has waited longest, or keep it."""
        if (waiter := self._waiters.take()) is not None:
            self._leased += 1
            waiter.set_result(connection)
        elif self._is_closed:
            self._tasks.discard(connection)
        else:
            self._idle.add(connection)

    async def _dial(self) -> None:
        try:
            connection = await dial(self._factory, self._options.dial_timeout, self.name)
        except DuologueError as error:
            self._dial_failed(error)
        else:
            self.counters.dialed += 1
            self._keeps = self._options.min_idle if self._is_warm else 0
            self._grant(connection)

    def _dial_failed(self, error: DuologueError) -> None:
        self.counters.dial_failures += 1
        if (waiter := self._waiters.take()) is not None:
            waiter.set_exception(error)
        else:
            self._keeps = 0  # do not dial a provider that is down again and again

    async def _check(self, connection: C, answer: Awaitable[bool]) -> None:
        """Lease an idle connection if it is alive."""
        alive = False
        try:
            alive = await is_yes(answer, self._options.check_timeout)
        finally:
            if not alive:
                self.counters.dead += 1
                self._tasks.discard(connection)
        if alive:
            self._grant(connection)

    def _take_back(self, connection: C, *, is_broken: bool = False, is_closed: bool = False) -> None:
        self._leased -= 1
        if is_closed:
            pass
        elif is_broken or self._is_closed:
            self.counters.broken += is_broken
            self._tasks.discard(connection)
        else:
            self._idle.add(connection)
        self._changed()

    def _leave(self, waiter: asyncio.Future[C]) -> None:
        """A user gives up: pass on a connection that it got at the same moment."""
        self._waiters.leave(waiter)
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self._take_back(waiter.result())
        else:
            waiter.cancel()

    def _expire(self) -> None:
        for connection in self._idle.expired():
            self.counters.expired += 1
            self._tasks.discard(connection)
        self.serve()


POOLS: Final[weakref.WeakSet[ProviderPool[Any]]] = weakref.WeakSet()
"""Those of this process, for metrics."""
