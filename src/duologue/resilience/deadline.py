"""Deadlines on progress: the first item, the next item, the whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from duologue.errors import ConfigError, DeadlineError

__all__ = ["Deadline", "ProgressWatch"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long a provider may take, in seconds. Raises ConfigError for what is not above 0."""

    first: float = 1.5
    """For its first answer."""
    next: float = 2.0
    """Between two pieces of an answer."""
    whole: float = 20.0
    """For a call that answers once."""

    def __post_init__(self) -> None:
        for name in ("first", "next", "whole"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)} s, and must be more than 0 s.")

    async def call(self, name: str, answer: Awaitable[T]) -> T:
        """Await `answer`. Raises DeadlineError, with `name` as the provider, if it takes longer than `whole`."""
        try:
            async with asyncio.timeout(self.whole) as limit:
                return await answer
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineError(f"{name} did not answer within {self.whole:g} s.", provider=name) from None


class ProgressWatch:
    """Reads a stream with a deadline on its progress.

    There is one timer for the whole stream, which is set anew only when it fires: an item costs no timer, task or copy.
    """

    def __init__(self, name: str, deadline: Deadline) -> None:
        self._name = name
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._limit: asyncio.Timeout | None = None
        """Of the item that is waited for."""
        self._allowed = deadline.first
        self._since = self._loop.time()
        """The last progress."""
        self._timer: asyncio.TimerHandle | None = None
        self._owes: Callable[[], bool] | None = None

    def pause_unless(self, owes: Callable[[], bool]) -> None:
        """Stop the clock while `owes()` is False. Call `resume` when that may have changed."""
        self._owes = owes

    def resume(self) -> None:
        """Begin the wait for the next item anew: the provider has been given what it waited for."""
        self._since = self._loop.time()

    async def next(self, items: AsyncIterator[T]) -> T | None:
        """Return the next item, or None at the end. Raises DeadlineError if it does not come in time."""
        self._since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_at(self._since + self._allowed, self._check)
        elif self._timer.when() > self._since + self._allowed:  # the first item may take longer than the others
            self._timer.cancel()
            self._timer = self._loop.call_at(self._since + self._allowed, self._check)
        self._limit = limit = asyncio.timeout(None)
        try:
            async with limit:
                item = await anext(items)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            if not limit.expired():
                raise
            what = "gave nothing" if self._allowed == self._deadline.first else "stopped"
            raise DeadlineError(f"{self._name} {what} for {self._allowed:g} s.", provider=self._name) from None
        finally:
            self._limit = None
        return item

    def progressed(self) -> None:
        """Note that the answer has begun: from now on the deadline is the one between two items."""
        self._allowed = self._deadline.next

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if self._limit is None:  # there is no waiter: the next one sets the timer
            return
        now = self._loop.time()
        if self._owes is not None and not self._owes():
            self._since = now
        due = self._since + self._allowed
        if now >= due and not self._limit.expired():
            self._limit.reschedule(now)
        else:
            self._timer = self._loop.call_at(due, self._check)
