"""What a pool holds, and how much of it."""

from __future__ import annotations

from typing import Generic, TypeVar

from duologue.pool.counters import PoolCounters
from duologue.pool.idle import IdleConnections
from duologue.pool.tasks import ConnectionTasks
from duologue.pool.waiting import WaitingQueue

__all__ = ["PoolState"]

C = TypeVar("C")


class PoolState(Generic[C]):
    """The connections of a pool and those who wait for one, as numbers."""

    def __init__(self, idle: IdleConnections[C], tasks: ConnectionTasks) -> None:
        self.counters: PoolCounters = PoolCounters()
        self._idle = idle
        self._leased = 0
        self._tasks = tasks
        self._waiters: WaitingQueue[C] = WaitingQueue()

    @property
    def total(self) -> int:
        """Connections that are open, being dialed or being checked."""
        return len(self._idle) + self._leased + len(self._tasks.busy)

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
        return len(self._tasks.closing)

    @property
    def occupied(self) -> int:
        """Connections that the provider may count: `total`, and those that are being closed."""
        return self.total + self.closing

    @property
    def first_waiting(self) -> float:
        """The number of who has waited longest, in the order of all pools; infinite if there is no waiter."""
        return self._waiters.first
