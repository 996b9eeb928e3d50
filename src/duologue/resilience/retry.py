"""Calls that failed for a passing reason are made again: with full jitter, and within a budget of the process.

Sessions repeat unheard speech by themselves (`session/retry.py` says after how long), and take part in the
budget. `Retry` is for code outside of sessions.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from duologue.errors import ConfigError, DuologueError
from duologue.resilience.failures import loop_time

__all__ = ["RETRIES", "Retry", "RetryBudget"]

T = TypeVar("T")


class RetryBudget:
    """Retries are at most a share of all calls, and some a second besides, so that they cannot multiply an outage.

    Args:
        share: Retries for each call.
        per_second: Retries a second that are allowed whatever the calls.
        burst: Retries that may be saved up.
    """

    def __init__(self, share: float = 0.2, per_second: float = 5.0, burst: float = 50.0) -> None:
        self.spent: int = 0
        self.refused: int = 0
        self._share = share
        self._per_second = per_second
        self._burst = self._tokens = burst
        self._at: float | None = None

    def note_call(self) -> None:
        """Count a call, which is no retry."""
        self._tokens = min(self._tokens + self._share, self._burst)

    def spend(self) -> bool:
        """Take one retry out of the budget; False if it is used up."""
        now = loop_time()
        if self._at is not None:
            self._tokens = min(self._tokens + max(now - self._at, 0.0) * self._per_second, self._burst)
        self._at = now
        if self._tokens < 1:
            self.refused += 1
            return False
        self._tokens -= 1
        self.spent += 1
        return True


RETRIES: Final = RetryBudget()
"""The budget of this process."""


class Retry:
    """Makes a call again while its error is `retryable`.

    The pause before each retry is a random part of one that doubles ("full jitter"), or as long as the provider asks.

    Args:
        attempts: Calls in all.
        first_pause: Seconds of the longest first pause...
        max_pause: ...and of the longest at all; a provider that asks for more is not called again.
        budget: Shared with all other retries of the process by default.
        seed: Fixes the pauses.
    """

    def __init__(
        self,
        attempts: int = 3,
        *,
        first_pause: float = 0.1,
        max_pause: float = 2.0,
        budget: RetryBudget | None = None,
        seed: int | None = None,
    ) -> None:
        if attempts < 1 or not 0 < first_pause <= max_pause:
            raise ConfigError(
                f"attempts is {attempts}, first_pause {first_pause} and max_pause {max_pause}; "
                "expected at least one attempt, and 0 < first_pause <= max_pause."
            )
        self._attempts = attempts
        self._first_pause = first_pause
        self._max_pause = max_pause
        self._budget = RETRIES if budget is None else budget
        self._random = random.Random(seed)

    async def call(self, make: Callable[[], Awaitable[T]], *, was_heard: Callable[[], bool] = lambda: False) -> T:
        """Make the call. Raises the last error.

        `was_heard` tells whether anything of the answer was passed on: then it is not repeated.
        """
        self._budget.note_call()
        attempt = 0
        while True:
            try:
                return await make()
            except DuologueError as error:
                attempt += 1
                asked = error.retry_after or 0.0
                gives_up = attempt >= self._attempts or asked > self._max_pause or was_heard()
                if not error.retryable or gives_up or not self._budget.spend():
                    raise
                longest = min(self._first_pause * 2 ** (attempt - 1), self._max_pause)
            await asyncio.sleep(asked + self._random.uniform(0.0, longest))
