"""Connections to one provider, shared by all sessions of the process."""

from __future__ import annotations

import asyncio
import inspect
import math
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Final, Generic, TypeVar

from duologue.errors import (
    ConfigError,
    DeadlineError,
    DuologueError,
    ProviderError,
    ProviderUnavailableError,
    RateLimitedError,
    with_cause,
)

__all__ = ["POOLS", "ConnectionLimit", "Lease", "PoolCounters", "ProviderPool"]

MAX_WAITING: Final = 10_000
CLOSING_S: Final = 2.0
"""Seconds that a connection has to close."""

C = TypeVar("C")

_order: Final = count()
"""Numbers those who wait, in all pools."""


@dataclass(slots=True)
class PoolCounters:
    """Counters of a pool, as plain numbers."""

    dialed: int = 0
    dial_failures: int = 0
    leased: int = 0
    waited: int = 0
    """Leases that had to wait for a connection."""
    timeouts: int = 0
    """Leases that timed out."""
    dead: int = 0
    """Idle connections that failed the check before a lease."""
    expired: int = 0
    """Idle connections that were closed after `idle_ttl`."""
    broken: int = 0
    """Connections that were given back as broken."""


class Lease(Generic[C]):
    """The right to use a connection, until `release`."""

    def __init__(self, pool: ProviderPool[C], connection: C) -> None:
        self.connection = connection
        self._pool: ProviderPool[C] | None = pool

    def release(self, *, is_broken: bool = False, is_closed: bool = False) -> None:
        """Give the connection back; one that is broken is closed. A plain call; the second does nothing.

        `is_closed`: the user has closed it, as is usual where one serves a single user.
        """
        pool, self._pool = self._pool, None
        if pool is not None:
            pool._take_back(self.connection, is_broken=is_broken, is_closed=is_closed)


class ConnectionLimit:
    """A limit on the connections of several pools together, such as one pool for each language.

    Raises ConfigError unless `size` is at least 1.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ConfigError(f"size is {size}; expected at least one connection.")
        self._size = size
        self._pools: list[ProviderPool[Any]] = []

    def join(self, pool: ProviderPool[Any]) -> None:
        """Count the connections of a pool."""
        self._pools.append(pool)

    def leave(self, pool: ProviderPool[Any]) -> None:
        """A pool is closed."""
        if pool in self._pools:
            self._pools.remove(pool)

    def admits(self, pool: ProviderPool[Any], *, is_wanted: bool) -> bool:
        """Whether a pool may dial; an idle connection of another one is closed if there is no room.

        `is_wanted`: somebody waits for the connection, who goes before one that is only kept ready.
        """
        others = [other for other in self._pools if other is not pool]
        if not is_wanted and any(other.waiting for other in others):
            return False
        if sum(each.occupied for each in self._pools) < self._size:
            return True
        if is_wanted and not any(each.closing for each in self._pools):
            idle = next((other for other in others if other.idle), None)
            if idle is not None:
                idle.drop_oldest()  # there is room once it is closed
        return False

    def freed(self) -> None:
        """There may be room: serve who has waited longest."""
        for pool in sorted(self._pools, key=lambda pool: pool.first_waiting):
            pool.serve()


@dataclass(slots=True)
class _Waiter(Generic[C]):
    """Who waits for a connection."""

    future: asyncio.Future[C]
    context: Context
    """In whose trace a connection is dialed."""
    order: int


class ProviderPool(Generic[C]):
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
        if size < 1 or max_dials < 1 or not 0 <= min_idle <= size:
            raise ConfigError(
                f"size is {size}, max_dials {max_dials} and min_idle {min_idle}; expected at least one connection and "
                "one dial, and 0 <= min_idle <= size."
            )
        for what, value in (("lease_timeout", lease_timeout), ("dial_timeout", dial_timeout), ("idle_ttl", idle_ttl)):
            if not value > 0:
                raise ConfigError(f"{what} is {value} s, and must be more than 0 s.")
        self.counters: PoolCounters = PoolCounters()
        self.name = name
        self._factory = factory
        self._size = size
        self._max_dials = max_dials
        self._min_idle = min_idle
        self._lease_timeout = lease_timeout
        self._dial_timeout = dial_timeout
        self._idle_ttl = idle_ttl
        self._is_alive = is_alive
        self._check_after = check_after
        self._check_timeout = check_timeout
        self._close_one = close
        self._idle: deque[tuple[C, float]] = deque()
        """Connections and since when they are idle, the one used last at the end."""
        self._leased = 0
        self._busy: set[asyncio.Task[None]] = set()
        """Dials and checks; each holds a place."""
        self._dialing: set[asyncio.Task[None]] = set()
        self._closings: set[asyncio.Task[None]] = set()
        self._waiters: deque[_Waiter[C]] = deque()
        self._limit = limit
        self._timer: asyncio.TimerHandle | None = None
        self._keeps = 0
        """Connections that are kept ready: `min_idle` once `warm` was called."""
        self._is_warm = self._is_closed = False
        POOLS.add(self)
        if limit is not None:
            limit.join(self)

    @property
    def total(self) -> int:
        """Connections that are open, being dialed or being checked."""
        return len(self._idle) + self._leased + len(self._busy)

    @property
    def idle(self) -> int:
        """Idle connections."""
        return len(self._idle)

    @property
    def leased(self) -> int:
        """Connections in use."""
        return self._leased

    @property
    def waiting(self) -> int:
        """Users that wait."""
        return len(self._waiters)

    @property
    def closing(self) -> int:
        """Connections that are being closed."""
        return len(self._closings)

    @property
    def occupied(self) -> int:
        """Connections that the provider may count: `total`, and those that are being closed."""
        return self.total + self.closing

    @property
    def first_waiting(self) -> float:
        """The number of who has waited longest, in the order of all pools; infinite if there is no waiter."""
        return self._waiters[0].order if self._waiters else math.inf

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
        waiter: asyncio.Future[C] = asyncio.get_running_loop().create_future()
        self._waiters.append(_Waiter(waiter, copy_context(), next(_order)))
        self.serve()
        limit = self._lease_timeout if timeout is None else timeout
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
            if self._dialing:
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
        wanted = min(max(self._min_idle, 1) if connections is None else connections, self._size)
        found = await asyncio.gather(*(self.acquire() for _ in range(wanted)), return_exceptions=True)
        failures = [each for each in found if isinstance(each, BaseException)]
        self._is_warm, self._keeps = True, 0 if failures else self._min_idle
        for lease in found:
            if isinstance(lease, Lease):
                lease.release()
        if failures:
            raise failures[0]

    async def aclose(self) -> None:
        """Close idle connections and fail those who wait. Leased ones are closed as they are given back."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for waiter in self._waiters:
            if not waiter.future.done():
                closed = ProviderUnavailableError(f"The connections to {self.name} were closed.", provider=self.name)
                waiter.future.set_exception(closed)
        self._waiters.clear()
        for task in self._busy:
            task.cancel()
        while self._idle:
            self._discard(self._idle.pop()[0])
        await asyncio.gather(*self._busy, *self._closings, return_exceptions=True)
        if self._limit is not None:
            self._limit.leave(self)

    def trim(self) -> None:
        """Stop dials without a waiter, and close idle connections, beyond those that are kept ready."""
        excess = len(self._idle) + len(self._busy) - self._keeps - len(self._waiters)
        for task in [*self._dialing][: max(0, excess)]:
            task.cancel()
            excess -= 1
        for _ in range(min(excess, len(self._idle))):
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Close the idle connection that has been so for longest."""
        self._discard(self._idle.popleft()[0])

    # --- the work ---

    def serve(self) -> None:
        """Give connections to those who wait, and dial for the rest. The pool calls it whenever something changes."""
        while self._waiters and self._waiters[0].future.done():
            self._waiters.popleft()
        while self._waiters and self._idle:
            connection, since = self._idle.pop()
            answer: bool | Awaitable[bool] = True
            if self._is_alive is not None and _now() - since >= self._check_after:
                if len(self._waiters) <= len(self._busy) - len(self._dialing):  # each check serves one of them
                    self._idle.append((connection, since))
                    break
                answer = self._is_alive(connection)
            if not isinstance(answer, bool):
                self._begin(self._check(connection, answer))
            elif not answer:
                self.counters.dead += 1
                self._discard(connection)
            else:
                self._grant(connection)
        wanted = len(self._waiters) - len(self._busy)  # each dial and each check serves one of them
        lacking = max(wanted, self._keeps - len(self._idle) - len(self._busy))
        while lacking > 0 and self._may_dial(is_wanted=wanted > 0):
            lacking -= 1
            wanted -= 1
            # Those before it in the queue are served by what is under way.
            waiter = next(islice(self._waiters, len(self._busy), None), None)
            task = self._begin(self._dial(), waiter.context if waiter is not None else None)
            self._dialing.add(task)
            task.add_done_callback(self._dialing.discard)
        self._schedule()

    def _may_dial(self, *, is_wanted: bool) -> bool:
        if self._is_closed or self.occupied >= self._size or len(self._dialing) >= self._max_dials:
            return False
        return self._limit is None or self._limit.admits(self, is_wanted=is_wanted)

    def _changed(self) -> None:
        """A place may have become free, here and in the pools that share the limit."""
        if self._limit is None:
            self.serve()
        else:
            self._limit.freed()

    def _begin(self, work: Any, context: Context | None = None) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work, name=f"{self.name} pool", context=context)
        self._busy.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        self._dialing.discard(task)
        self._changed()

    def _grant(self, connection: C) -> None:
        """Give a connection to the user who has waited longest, or keep it."""
        while self._waiters:
            waiter = self._waiters.popleft().future
            if not waiter.done():
                self._leased += 1
                waiter.set_result(connection)
                return
        if self._is_closed:
            self._discard(connection)
        else:
            self._idle.append((connection, _now()))

    async def _dial(self) -> None:
        try:
            async with asyncio.timeout(self._dial_timeout):
                connection = await self._factory()
        except TimeoutError:
            error = f"{self.name} could not be connected to within {self._dial_timeout:g} s."
            self._dial_failed(DeadlineError(error, provider=self.name))
        except Exception as cause:
            if not isinstance(cause, DuologueError):
                cause = with_cause(
                    ProviderError(f"{self.name} failed: {type(cause).__name__}.", provider=self.name), cause
                )
            self._dial_failed(cause)
        else:
            self.counters.dialed += 1
            self._keeps = self._min_idle if self._is_warm else 0
            self._grant(connection)

    def _dial_failed(self, error: DuologueError) -> None:
        self.counters.dial_failures += 1
        while self._waiters:
            waiter = self._waiters.popleft().future
            if not waiter.done():
                waiter.set_exception(error)
                return
        self._keeps = 0  # there is no waiter: do not dial a provider that is down again and again

    async def _check(self, connection: C, answer: Awaitable[bool]) -> None:
        """Lease an idle connection if it is alive."""
        alive = False
        try:
            async with asyncio.timeout(self._check_timeout):
                alive = await answer
        except Exception:
            alive = False
        finally:
            if not alive:
                self.counters.dead += 1
                self._discard(connection)
        if alive:
            self._grant(connection)

    def _take_back(self, connection: C, *, is_broken: bool = False, is_closed: bool = False) -> None:
        self._leased -= 1
        if is_closed:
            pass
        elif is_broken or self._is_closed:
            self.counters.broken += is_broken
            self._discard(connection)
        else:
            self._idle.append((connection, _now()))
        self._changed()

    def _leave(self, waiter: asyncio.Future[C]) -> None:
        """A user gives up: pass on a connection that it got at the same moment."""
        found = next((each for each in self._waiters if each.future is waiter), None)
        if found is not None:
            self._waiters.remove(found)
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self._take_back(waiter.result())
        else:
            waiter.cancel()

    # --- age ---

    def _schedule(self) -> None:
        if self._timer is None and self._idle and not self._is_closed:
            due = self._idle[0][1] + self._idle_ttl
            self._timer = asyncio.get_running_loop().call_at(due, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = _now()
        while self._idle and self._idle[0][1] + self._idle_ttl <= now:
            self.counters.expired += 1
            self.drop_oldest()
        self.serve()

    def _discard(self, connection: C) -> None:
        task = asyncio.create_task(self._close(connection), name=f"{self.name} closing")
        self._closings.add(task)
        task.add_done_callback(self._closed)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._closings.discard(task)
        self._changed()

    async def _close(self, connection: C) -> None:
        own = getattr(connection, "aclose", None) or getattr(connection, "close", None)
        try:
            async with asyncio.timeout(CLOSING_S):
                done = self._close_one(connection) if self._close_one is not None else own() if own else None
                if inspect.isawaitable(done):
                    await done
        except Exception:
            return  # it is closed either way


def _now() -> float:
    """Monotonic seconds of the running event loop."""
    return asyncio.get_running_loop().time()


POOLS: Final[weakref.WeakSet[ProviderPool[Any]]] = weakref.WeakSet()
"""Those of this process, for metrics."""
