"""Those who wait for a connection of a pool, in order of arrival."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextvars import Context, copy_context
from dataclasses import dataclass
from itertools import count, islice
from typing import Final, Generic, TypeVar

__all__ = ["WaitingQueue"]

C = TypeVar("C")

_order: Final = count()
"""Numbers those who wait, in all pools."""


@dataclass(slots=True)
class _Waiter(Generic[C]):
    """Who waits for a connection."""

    future: asyncio.Future[C]
    context: Context
    """In whose trace a connection is dialed."""
    order: int


class WaitingQueue(Generic[C]):
    """Futures of connections; one that was cancelled is passed over."""

    def __init__(self) -> None:
        self._waiters: deque[_Waiter[C]] = deque()

    def __len__(self) -> int:
        return len(self._waiters)

    @property
    def first(self) -> float:
        """The number of who has waited longest, in the order of all pools; infinite if there is no waiter."""
        return self._waiters[0].order if self._waiters else math.inf

    def join(self) -> asyncio.Future[C]:
        """Wait as the last."""
        waiter: asyncio.Future[C] = asyncio.get_running_loop().create_future()
        self._waiters.append(_Waiter(waiter, copy_context(), next(_order)))
        return waiter

    def leave(self, waiter: asyncio.Future[C]) -> None:
        """Wait no longer."""
        found = next((each for each in self._waiters if each.future is waiter), None)
        if found is not None:
            self._waiters.remove(found)

    def take(self) -> asyncio.Future[C] | None:
        """Take out who has waited longest; None if nobody waits."""
        while self._waiters:
            waiter = self._waiters.popleft().future
            if not waiter.done():
                return waiter
        return None

    def drop_done(self) -> None:
        """Forget those at the head who no longer wait."""
        while self._waiters and self._waiters[0].future.done():
            self._waiters.popleft()

    def context(self, place: int) -> Context | None:
        """The context of the waiter at a place of the queue; None if it is not that long."""
        waiter = next(islice(self._waiters, place, None), None)
        return waiter.context if waiter is not None else None
