"""A limit on calls to one provider: so many a second, so many at once; callers wait in order, and not for long."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from duologue.errors import ConfigError, RateLimitedError
from duologue.resilience.failures import loop_time

__all__ = ["RateLimit"]

MAX_WAITING = 10_000


class RateLimit:
    """A token bucket and a semaphore in one, first come, first served. For the event loop's thread.

    Args:
        name: The provider, for errors.
        per_second: Calls a second; None: any number.
        burst: Calls that may be made at once after a pause; by default those of one second.
        max_concurrent: Calls at once; None: any number.
        max_wait: Seconds that a call may wait.
    """

    def __init__(
        self,
        name: str,
        *,
        per_second: float | None = None,
        burst: int | None = None,
        max_concurrent: int | None = None,
        max_wait: float = 0.5,
    ) -> None:
        for what, value in (("per_second", per_second), ("burst", burst), ("max_concurrent", max_concurrent)):
            if value is not None and not value > 0:
                raise ConfigError(f"{what} is {value}, and must be above 0, or None.")
        self.active: int = 0
        """Calls that are being made."""
        self.waited: int = 0
        self.refused: int = 0
        self._name = name
        self._rate = per_second
        self._burst = float(burst or max(1, round(per_second or 1)))
        self._tokens = self._burst
        self._at: float | None = None
        self._max_concurrent = max_concurrent
        self._max_wait = max_wait
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it. Raises RateLimitedError after `max_wait` seconds."""
        await self.enter()
        try:
            yield
        finally:
            self.leave()

    async def enter(self) -> None:
        """Wait for a place; `leave` gives it back. Raises RateLimitedError after `max_wait` seconds."""
        if not self._waiting and self._take():
            return
        if len(self._waiting) >= MAX_WAITING:
            raise self._refusal()
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self.waited += 1
        self._schedule()
        try:
            async with asyncio.timeout(self._max_wait):
                await place
        except TimeoutError:
            if place.done() and not place.cancelled():
                return  # it came in the same moment
            raise self._refusal() from None
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()
            raise
        finally:
            if place in self._waiting:
                self._waiting.remove(place)

    def leave(self) -> None:
        """Give a place back."""
        self.active -= 1
        self._serve()

    def _refusal(self) -> RateLimitedError:
        self.refused += 1
        return RateLimitedError(
            f"{self._name} has too many calls from this process already.",
            hint="Raise calls_per_second or max_concurrent, or add a provider.",
            provider=self._name,
        )

    def _take(self) -> bool:
        if self._max_concurrent is not None and self.active >= self._max_concurrent:
            return False
        if self._rate is not None:
            now = loop_time()
            if self._at is not None:
                self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
            if self._tokens < 1 - 1e-9:
                return False
            self._tokens -= 1
        self.active += 1
        return True

    def _serve(self) -> None:
        while self._waiting:
            if self._waiting[0].done():
                self._waiting.popleft()
            elif self._take():
                self._waiting.popleft().set_result(None)
            else:
                self._schedule()
                return

    def _schedule(self) -> None:
        """Look again when the next token is there."""
        if self._rate is None or self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max((1 - self._tokens) / self._rate, 0.001), self._refill)

    def _refill(self) -> None:
        self._timer = None
        self._serve()
