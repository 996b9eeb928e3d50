"""The tasks that dial, check and close the connections of a pool; each holds a place until it is done."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any, Final, TypeVar

from duologue.errors import DeadlineError, DuologueError, ProviderError

__all__ = ["ConnectionTasks", "dial", "is_yes"]

CLOSING_S: Final = 2.0
"""Seconds that a connection has to close."""

C = TypeVar("C")


class ConnectionTasks:
    """Tasks of one pool.

    Args:
        name: The provider, for the names of tasks.
        on_done: Called when a place may have become free.
        close: Closes a connection; by default its `aclose` or `close` is called.
    """

    def __init__(self, name: str, on_done: Callable[[], None], close: Callable[[Any], object] | None) -> None:
        self.busy: set[asyncio.Task[None]] = set()
        """Dials and checks."""
        self.dialing: set[asyncio.Task[None]] = set()
        self.closing: set[asyncio.Task[None]] = set()
        self._name = name
        self._on_done = on_done
        self._close = close

    def check(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a check."""
        self._begin(work, "pool", self.busy, None)

    def dial(self, work: Coroutine[Any, Any, None], context: Context | None) -> None:
        """Run a dial, in the trace of who waits for it."""
        self.dialing.add(self._begin(work, "pool", self.busy, context))

    def discard(self, connection: object) -> None:
        """Close a connection."""
        self._begin(close(connection, self._close), "closing", self.closing, None)

    def cancel_dials(self, most: int) -> int:
        """Stop at most so many dials; returns how many."""
        stopped = [*self.dialing][: max(0, most)]
        for task in stopped:
            task.cancel()
        return len(stopped)

    async def end(self) -> None:
        """Stop dials and checks, and wait for all tasks."""
        for task in self.busy:
            task.cancel()
        await asyncio.gather(*self.busy, *self.closing, return_exceptions=True)

    def _begin(
        self, work: Coroutine[Any, Any, None], what: str, place: set[asyncio.Task[None]], context: Context | None
    ) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"{self._name} {what}", context=context)
        place.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        for place in (self.busy, self.dialing, self.closing):
            place.discard(task)
        self._on_done()


async def dial(factory: Callable[[], Awaitable[C]], timeout: float, name: str) -> C:
    """Return a new connection.

    Raises:
        DeadlineError: It took more than `timeout` seconds.
        DuologueError: What `factory` failed with, or a ProviderError for it.
    """
    try:
        async with asyncio.timeout(timeout):
            return await factory()
    except TimeoutError:
        error = f"{name} could not be connected to within {timeout:g} s."
        raise DeadlineError(error, provider=name) from None
    except DuologueError:
        raise
    except (Exception, SystemExit) as cause:  # SystemExit would end the loop
        raise ProviderError(f"{name} failed: {type(cause).__name__}.", provider=name) from cause


async def is_yes(answer: Awaitable[bool], timeout: float) -> bool:
    """Whether `answer` is true and comes within `timeout` seconds."""
    try:
        async with asyncio.timeout(timeout):
            return await answer
    except (Exception, SystemExit):
        return False


async def close(connection: object, how: Callable[[Any], object] | None) -> None:
    """Close a connection with `how`, or its `aclose` or `close`; errors are ignored."""
    own = getattr(connection, "aclose", None) or getattr(connection, "close", None)
    try:
        async with asyncio.timeout(CLOSING_S):
            done = how(connection) if how is not None else own() if own else None
            if inspect.isawaitable(done):
                await done
    except (Exception, SystemExit):
        return  # it is closed either way
