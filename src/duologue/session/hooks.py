"""Hooks: the application's own code at the start, after each turn, and at the end. It never holds the call up."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from duologue.agent.faults import is_fault
from duologue.errors import DuologueError, HookError, OverloadedError, with_cause
from duologue.session.cancellation import cancelled_from_outside, finishes
from duologue.session.events import TurnMeasured
from duologue.session.record import CallRecord

__all__ = ["CallHooks", "Hook", "Hooks"]

Hook = Callable[..., Awaitable[None] | None]
MAX_WAITING = 64
DEADLINE = 10.0
"""Seconds that one hook may take."""
CLOSING = 2 * DEADLINE
"""Seconds that all may take which wait when the call has ended."""


class Hooks:
    """Runs hooks in order in one task, each with a deadline; at most `MAX_WAITING` wait."""

    def __init__(self, on_error: Callable[[DuologueError], None]) -> None:
        self.on_error = on_error
        """Called with the error of a hook."""
        self._waiting: deque[tuple[Hook, tuple[Any, ...]]] = deque()
        self._task: asyncio.Task[None] | None = None
        """There is none while no hook waits."""

    def call(self, hook: Hook | None, *args: Any) -> None:
        """Have `hook` called with `args`; a plain call."""
        if hook is None:
            return
        if len(self._waiting) >= MAX_WAITING:
            self.on_error(OverloadedError(f"{MAX_WAITING} hooks wait already; one was not called."))
            return
        self._waiting.append((hook, args))
        if self._task is None or self._task.done():
            self._task = self._begin()

    @property
    def is_running_here(self) -> bool:
        """Whether this code was called by a hook."""
        return self._task is not None and self._task is asyncio.current_task()

    async def close(self) -> None:
        """Return when all that wait have been called; after `CLOSING` seconds the rest is given up.

        A hook that closes its own session does not wait for itself.
        """
        if self._task is None or self.is_running_here:
            return
        now = asyncio.get_running_loop().time
        until = now() + CLOSING
        while await finishes(self._task, until - now()):
            if not self._waiting:
                return
            self._task = self._begin()
        self.on_error(HookError(f"The hooks took more than {CLOSING:g} s when the call had ended."))

    def _begin(self) -> asyncio.Task[None]:
        if self._task is not None and self._task.cancelled():
            self.on_error(HookError("A hook cancelled the task that ran it.", hint="Correct it, or what it calls."))
        return asyncio.create_task(self._run(), name="hooks")

    async def _run(self) -> None:
        while self._waiting:
            hook, args = self._waiting.popleft()
            error = await self._call(hook, *args)
            if error is not None:
                self.on_error(error)

    async def _call(self, hook: Hook, *args: Any) -> HookError | None:
        try:
            async with asyncio.timeout(DEADLINE) as clock:
                result = hook(*args)
                if inspect.isawaitable(result):
                    await result
            return None
        except BaseException as error:  # SystemExit, too: it would end the loop, and with it all other calls
            if not is_fault(error):
                raise
            if cancelled_from_outside():
                raise asyncio.CancelledError from None
            cause = error
        name = getattr(hook, "__name__", type(hook).__name__)
        what = f"took more than {DEADLINE:g} s" if clock.expired() else f"failed: {type(cause).__name__}"
        return with_cause(HookError(f"The hook {name} {what}."), cause)


class CallHooks(Hooks):
    """The hooks of one call."""

    def __init__(
        self,
        on_error: Callable[[DuologueError], None],
        on_start: Hook | None,
        on_turn: Hook | None,
        on_end: Hook | None,
    ) -> None:
        super().__init__(on_error)
        self._on_start, self._on_turn, self._on_end = on_start, on_turn, on_end

    def start(self, session: object) -> None:
        """The call begins."""
        self.call(self._on_start, session)

    def turn(self, session: object, measured: TurnMeasured) -> None:
        """A turn was answered."""
        self.call(self._on_turn, session, measured)

    def end(self, session: object, record: CallRecord) -> None:
        """The call is over."""
        self.call(self._on_end, session, record)
