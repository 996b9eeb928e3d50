"""Runs the application's functions that make things for a call: off the event loop, few at a time, with a deadline."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from duologue.errors import DeadlineError, OverloadedError

__all__ = ["MAKE_TIMEOUT", "ApplicationCode", "is_async"]

log: Final = logging.getLogger(__name__)

MAX_THREADS: Final = 8
"""Functions that run at once; a function that never returns keeps its thread."""

MAKE_TIMEOUT: Final = 10.0
"""Seconds that a function has."""

WARN_AFTER: Final = 1.0
"""Seconds after which the log shows where a function is."""

MAX_FRAMES: Final = 10
"""Innermost frames of a stack that are written."""

_OURS: Final = (__file__, threading.__file__)
"""Files whose frames say nothing of the application."""


@dataclass(eq=False, slots=True)
class _Job:
    """One call of a function, on its way to a thread and back."""

    run: Callable[[], Any]
    result: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    abandoned: bool = False
    thread: int = 0
    """The identifier of its thread, once it runs."""


@dataclass(slots=True)
class _Pool:
    """What the threads share."""

    jobs: queue.SimpleQueue[_Job | None] = field(default_factory=queue.SimpleQueue)
    idle: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class ApplicationCode:
    """Calls functions of the application: plain ones in threads of its own, `async` ones on the event loop.

    A plain function that blocks delays only its own call. One that takes longer than `warn_after` is shown in
    the log with its stack; one that takes longer than `timeout` is given up, and its thread is lost until it returns.
    """

    def __init__(
        self, *, max_threads: int = MAX_THREADS, timeout: float = MAKE_TIMEOUT, warn_after: float = WARN_AFTER
    ) -> None:
        self.stuck: int = 0
        """Functions that were given up and have not returned."""
        self._max_threads = max_threads
        self._timeout = timeout
        self._warn_after = min(warn_after, timeout)
        self._disposing: set[asyncio.Future[None]] = set()
        self._pool = _Pool()
        self._threads = 0

    async def call(
        self,
        function: Callable[..., Any],
        *args: Any,
        what: str,
        dispose: Callable[[Any], Coroutine[Any, Any, None]] | None = None,
    ) -> Any:
        """The result of a function, plain or `async`; `what` names it in messages.

        `dispose` is called with the result of a plain function that returns after its caller has given up.
        Raises what the function raises, DeadlineError if it takes too long, and OverloadedError if all threads are
        taken by functions that were given up.
        """
        if is_async(function):
            return await self.wait(function(*args), what=what)
        if self.stuck >= self._max_threads:
            raise OverloadedError(
                f"{self.stuck} functions of the application have not returned, and no more are called.",
                hint="The log shows where they are.",
                reason="application",
            )
        loop = asyncio.get_running_loop()
        run = partial(contextvars.copy_context().run, function, *args)
        job = _Job(run, loop.create_future(), loop)
        self._submit(job)
        try:
            if not (await asyncio.wait([job.result], timeout=self._warn_after))[0]:
                log.warning("%s has not returned after %g s. It is here:\n%s", what, self._warn_after, _stack(job))
                await asyncio.wait([job.result], timeout=self._timeout - self._warn_after)
            if job.result.done():
                return job.result.result()
        finally:
            self._abandon(job, dispose)
        raise self._late(what)

    async def wait(self, awaitable: Any, *, what: str) -> Any:
        """The result of an `async` function, within the deadline."""
        try:
            async with asyncio.timeout(self._timeout) as limit:
                return await awaitable
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._late(what) from None

    def close(self) -> None:
        """End the threads that are idle; the others end with what they do, or with the process."""
        for _ in range(self._threads):
            self._pool.jobs.put(None)

    def _late(self, what: str) -> DeadlineError:
        return DeadlineError(
            f"{what} took longer than {self._timeout:g} s.", hint="The server's log shows where it was."
        )

    def _submit(self, job: _Job) -> None:
        with self._pool.lock:
            needs_thread = not self._pool.idle and self._threads < self._max_threads
            self._pool.idle -= 0 if needs_thread or not self._pool.idle else 1
        self._pool.jobs.put(job)
        if needs_thread:
            self._threads += 1
            name = f"duologue-application-{self._threads}"
            threading.Thread(target=_work, args=(self._pool,), name=name, daemon=True).start()

    def _abandon(self, job: _Job, dispose: Callable[[Any], Coroutine[Any, Any, None]] | None) -> None:
        """The caller has given up on this job."""
        if job.result.done():
            return
        job.abandoned = True
        self.stuck += 1
        job.result.add_done_callback(partial(self._returned, dispose))

    def _returned(
        self, dispose: Callable[[Any], Coroutine[Any, Any, None]] | None, result: asyncio.Future[Any]
    ) -> None:
        self.stuck -= 1
        # It was given up: asyncio would complain if its exception were not looked at.
        if not result.cancelled() and result.exception() is None and dispose is not None:
            task = asyncio.ensure_future(dispose(result.result()))
            self._disposing.add(task)
            task.add_done_callback(self._disposing.discard)


def _work(pool: _Pool) -> None:
    """The life of one thread."""
    while (job := pool.jobs.get()) is not None:
        job.thread = threading.get_ident()
        result, error = None, None
        if not job.abandoned:
            try:
                result = job.run()
            except BaseException as raised:  # SystemExit, too: it would end the thread without a word
                error = raised if isinstance(raised, Exception) else RuntimeError(type(raised).__name__)
        job.thread = 0
        with pool.lock:
            pool.idle += 1
        with suppress(RuntimeError):  # The loop is closed.
            job.loop.call_soon_threadsafe(_deliver, job.result, result, error)
        del job, result, error


def _deliver(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _stack(job: _Job) -> str:
    """Where the function is that a job runs."""
    frame = sys._current_frames().get(job.thread) if job.thread else None
    if frame is None:
        return "  in a queue: all threads of the application are taken."
    frames = [each for each in traceback.walk_stack(frame) if each[0].f_code.co_filename not in _OURS]
    lines = traceback.StackSummary.extract(iter(frames[:MAX_FRAMES]), lookup_lines=True)
    lines.reverse()
    return "".join(lines.format()).rstrip()


def is_async(function: Any) -> bool:
    """Whether a call of `function` has to be awaited."""
    while isinstance(function, partial):
        function = function.func
    if inspect.isclass(function):
        return False
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
