"""Connections of a pool that are not in use, and their age."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["IdleConnections"]

C = TypeVar("C")


class IdleConnections(Generic[C]):
    """Connections and since when they are idle, the one used last at the end.

    `ttl`: seconds after which an unused connection is too old.
    """

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._held: deque[tuple[C, float]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[tuple[C, float]]:
        return iter(self._held)

    def add(self, connection: C) -> None:
        """Keep a connection that was in use."""
        self._held.append((connection, _now()))

    def put_back(self, connection: C, since: float) -> None:
        """Keep a connection that was taken out, but not used."""
        self._held.append((connection, since))

    def take(self) -> tuple[C, float]:
        """Take out the connection used last, and since when it is idle."""
        return self._held.pop()

    def take_oldest(self) -> C:
        """Take out the connection that has been idle for longest."""
        return self._held.popleft()[0]

    def has_been_idle(self, since: float, seconds: float) -> bool:
        """Whether a connection that is idle since then has been so for `seconds`."""
        return _now() - since >= seconds

    def expired(self) -> Iterator[C]:
        """Take out those that are too old."""
        now = _now()
        while self._held and self._held[0][1] + self._ttl <= now:
            yield self.take_oldest()

    def schedule(self, on_due: Callable[[], None]) -> None:
        """Have `on_due` called when the oldest is too old."""
        if self._timer is None and self._held:
            self._timer = asyncio.get_running_loop().call_at(self._held[0][1] + self._ttl, self._due, on_due)

    def cancel(self) -> None:
        """Call nothing when the oldest is too old."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self, on_due: Callable[[], None]) -> None:
        self._timer = None
        on_due()


def _now() -> float:
    """Monotonic seconds of the running event loop."""
    return asyncio.get_running_loop().time()
