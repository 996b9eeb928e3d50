"""Connections to one provider, shared by all sessions of the process."""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from duologue.errors import ConfigError, DeadlineError, DuologueError, ProviderUnavailableError, RateLimitedError
from duologue.resilience.failures import as_provider_error, loop_time

__all__ = ["POOLS", "Lease", "PoolCounters", "ProviderPool"]

MAX_WAITING: Final = 10_000
CLOSING_S: Final = 2.0
"""Seconds that a connection has to close."""

C = TypeVar("C")


@dataclass(slots=True)
class PoolCounters:
    """What a pool has done, as plain numbers."""

    dialed: int = 0
    dial_failures: int = 0
    leased: int = 0
    waited: int = 0
    """Leases for which no connection was at hand."""
    timeouts: int = 0
    """Leases that were given up because none came in time."""
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

    def release(self, *, is_broken: bool = False) -> None:
        """Give the connection back; one that is broken is closed. A plain call; the second does nothing."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool._take_back(self.connection, is_broken=is_broken)


class ProviderPool(Generic[C]):
    """At most `size` connections, each leased to one user at a time; users wait in the order of their coming.

    The connection used last is leased first, so that those beyond the need grow old and are closed.

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
        self._dials = 0
        self._closings: set[asyncio.Task[None]] = set()
        self._waiters: deque[asyncio.Future[C]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._keeps = 0
        """Connections that are kept ready: `min_idle` once `warm` was called."""
        self._is_warm = self._is_closed = False
        POOLS.add(self)

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
            DuologueError: What a dial failed with; each failure fails the user who waits longest.
        """
        if self._is_closed:
            raise ProviderUnavailableError(f"The connections to {self.name} were closed.", provider=self.name)
        if len(self._waiters) >= MAX_WAITING:
            raise RateLimitedError(f"{len(self._waiters)} calls wait for {self.name} already.", provider=self.name)
        waiter: asyncio.Future[C] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._serve()
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
            doing = "is being connected to" if self._dials else f"has all of its {self._size} connections in use"
            raise DeadlineError(f"{self.name} {doing} for {limit:g} s.", provider=self.name)
        connection = waiter.result()
        self.counters.leased += 1
        return Lease(self, connection)

    async def warm(self, connections: int | None = None) -> None:
        """Dial `min_idle` connections, or so many, and keep `min_idle` ready. Raises what the first dial fails with."""
        self._is_warm, self._keeps = True, self._min_idle
        wanted = min(max(self._min_idle, 1) if connections is None else connections, self._size)
        found = await asyncio.gather(*(self.acquire() for _ in range(wanted)), return_exceptions=True)
        for lease in found:
            if isinstance(lease, Lease):
                lease.release()
        for failure in found:
            if isinstance(failure, BaseException):
                raise failure

    async def aclose(self) -> None:
        """Close idle connections and fail those who wait. Leased ones are closed as they are given back."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for waiter in self._waiters:
            if not waiter.done():
                closed = ProviderUnavailableError(f"The connections to {self.name} were closed.", provider=self.name)
                waiter.set_exception(closed)
        self._waiters.clear()
        for task in self._busy:
            task.cancel()
        while self._idle:
            self._discard(self._idle.pop()[0])
        await asyncio.gather(*self._busy, *self._closings, return_exceptions=True)

    # --- the work ---

    def _serve(self) -> None:
        """Give connections to those who wait, and dial for the rest."""
        while self._waiters and self._waiters[0].done():
            self._waiters.popleft()
        wanted = len(self._waiters) - len(self._busy)  # each dial and each check serves one of them
        while self._waiters and self._idle:
            connection, since = self._idle.pop()
            answer: bool | Awaitable[bool] = True
            if self._is_alive is not None and loop_time() - since >= self._check_after:
                if wanted <= 0:
                    self._idle.append((connection, since))
                    break
                answer = self._is_alive(connection)
            if not isinstance(answer, bool):
                self._begin(self._check(connection, answer))
            elif not answer:
                self.counters.dead += 1
                self._discard(connection)
                continue
            else:
                self._grant(connection)
            wanted -= 1
        lacking = max(wanted, self._keeps - len(self._idle) - len(self._busy))
        while lacking > 0 and self.total < self._size and self._dials < self._max_dials and not self._is_closed:
            lacking -= 1
            self._dials += 1
            self._begin(self._dial())
        self._schedule()

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work, name=f"{self.name} pool")
        self._busy.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        self._serve()

    def _grant(self, connection: C) -> None:
        """Give a connection to who has waited longest, or keep it."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._leased += 1
                waiter.set_result(connection)
                return
        if self._is_closed:
            self._discard(connection)
        else:
            self._idle.append((connection, loop_time()))

    async def _dial(self) -> None:
        try:
            async with asyncio.timeout(self._dial_timeout):
                connection = await self._factory()
        except TimeoutError:
            error = f"{self.name} could not be connected to within {self._dial_timeout:g} s."
            self._dial_failed(DeadlineError(error, provider=self.name))
        except Exception as cause:
            self._dial_failed(as_provider_error(self.name, cause))
        else:
            self.counters.dialed += 1
            self._keeps = self._min_idle if self._is_warm else 0
            self._grant(connection)
        finally:
            self._dials -= 1

    def _dial_failed(self, error: DuologueError) -> None:
        self.counters.dial_failures += 1
        while self._waiters:
            waiter = self._waiters.popleft()
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

    def _take_back(self, connection: C, *, is_broken: bool) -> None:
        self._leased -= 1
        if is_broken or self._is_closed:
            self.counters.broken += is_broken
            self._discard(connection)
        else:
            self._idle.append((connection, loop_time()))
        self._serve()

    def _leave(self, waiter: asyncio.Future[C]) -> None:
        """A user gives up: a connection that came in the same moment is for another."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self._take_back(waiter.result(), is_broken=False)
        else:
            waiter.cancel()

    # --- age ---

    def _schedule(self) -> None:
        if self._timer is None and self._idle and not self._is_closed:
            due = self._idle[0][1] + self._idle_ttl
            self._timer = asyncio.get_running_loop().call_at(due, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = loop_time()
        while self._idle and self._idle[0][1] + self._idle_ttl <= now:
            self.counters.expired += 1
            self._discard(self._idle.popleft()[0])
        self._serve()

    def _discard(self, connection: C) -> None:
        task = asyncio.create_task(self._close(connection), name=f"{self.name} closing")
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)

    async def _close(self, connection: C) -> None:
        own = getattr(connection, "aclose", None) or getattr(connection, "close", None)
        try:
            async with asyncio.timeout(CLOSING_S):
                done = self._close_one(connection) if self._close_one is not None else own() if own else None
                if inspect.isawaitable(done):
                    await done
        except Exception:
            return  # it is gone either way


POOLS: Final[weakref.WeakSet[ProviderPool[Any]]] = weakref.WeakSet()
"""Those of this process, for metrics."""
