"""A thread that notices when the event loop is blocked, and names the function that blocks it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

__all__ = ["LoopStalls", "LoopWatchdog", "Stall"]

log: Final = logging.getLogger(__name__)

CHECK_EVERY: Final = 0.1
"""Seconds between two checks of the loop."""

REPORT_EVERY: Final = 30.0
"""Seconds between two reports; what happens meanwhile is counted."""

MAX_FRAMES: Final = 10
"""Innermost frames of the stack that are written."""

_INSTALLED: Final = tuple(
    {os.path.dirname(os.path.dirname(asyncio.__file__)), *map(sysconfig.get_path, ("purelib", "platlib")), "<frozen"}
)
"""Folders of code that is not the application's: libraries."""

_STEPS: Final = ("_host", "host", "on_error", "__self__", "request")
"""Attributes by which the parts of a session lead to it."""


@dataclass(slots=True)
class LoopStalls:
    """How often the loop was blocked, as plain numbers."""

    count: int = 0
    worst: float = 0.0
    """Seconds, of those that have ended."""


@dataclass(slots=True)
class Stall:
    """One period in which the loop was blocked."""

    code: str = ""
    """The function that blocked it, as `module.function`: the innermost that is not of Python or an installed package,
    if there is one."""
    session: str = ""
    seconds: float = 0.0


class LoopWatchdog:
    """Schedules a callback on the loop each CHECK_EVERY seconds. If it has not run after `limit` seconds, the loop is
    blocked.

    All calls of the process stop meanwhile. The log gets the stack of the loop's thread, the task, and the
    session where `session_of` knows an object on that stack: it returns the id of a session, and else None. `on_stall`
    is called, on the thread of the watchdog, when a stall has ended.
    A process that was stopped as a whole, or got no time from the machine, is not reported: this thread was late too.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        limit: float,
        session_of: Callable[[object], str | None],
        on_stall: Callable[[Stall], None] | None = None,
    ) -> None:
        self.stalls: LoopStalls = LoopStalls()
        self._on_stall = on_stall
        self._stall = Stall()
        self._loop = loop
        self._limit = limit
        self._session_of = session_of
        self._watched = threading.get_ident()
        self._answered = True
        self._asked_at = 0.0
        self._answered_at = 0.0
        self._reported = False
        self._quiet_until = 0.0
        self._unreported = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="duologue-watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching. Call it on the loop's thread."""
        self._over.set()
        self._thread.join(1.0)

    def _answer(self) -> None:
        self._answered_at = time.monotonic()
        self._answered = True

    def _watch(self) -> None:
        looked_at = time.monotonic()
        with suppress(RuntimeError):  # The loop is closed.
            while not self._over.wait(CHECK_EVERY):
                now = time.monotonic()
                late = now - looked_at - CHECK_EVERY
                looked_at = now
                self._look(now, late)

    def _look(self, now: float, late: float) -> None:
        if self._answered:
            self._note_end()
            self._asked_at = now
            self._answered = False
            self._loop.call_soon_threadsafe(self._answer)
        elif late > self._limit / 2:
            self._asked_at = now  # The whole process was stopped, so this is not a stall of the loop.
        elif not self._reported and now - self._asked_at >= self._limit:
            self._reported = True
            self.stalls.count += 1
            stack = self._stack()
            self._stall = Stall(_culprit(stack), ", ".join(self._sessions_in(stack)))
            if now < self._quiet_until:
                self._unreported += 1
            else:
                self._quiet_until = now + REPORT_EVERY
                self._report(now - self._asked_at, stack)

    def _note_end(self) -> None:
        if not self._reported:
            return
        self._reported = False
        took = self._answered_at - self._asked_at
        self.stalls.worst = max(self.stalls.worst, took)
        self._stall.seconds = took
        if self._on_stall is not None:
            self._on_stall(self._stall)
        if self._unreported == 0:
            extra = _fields("event_loop.unblocked", took, self._stall.session)
            log.warning("The event loop goes on after %.1f s.", took, extra=extra)

    def _stack(self) -> list[tuple[FrameType, int]]:
        """The frames of the loop's thread, the innermost first, without those that started the loop."""
        frame = sys._current_frames().get(self._watched)
        stack = list(traceback.walk_stack(frame)) if frame is not None else []
        for depth, (each, _) in enumerate(stack):
            if each.f_code.co_filename == asyncio.events.__file__:  # Leave out the frames that started the loop.
                del stack[depth:]
                break
        return stack

    def _sessions_in(self, stack: list[tuple[FrameType, int]]) -> list[str]:
        return list(dict.fromkeys(found for each, _ in stack if (found := self._session_in(each)) is not None))

    def _report(self, seconds: float, stack: list[tuple[FrameType, int]]) -> None:
        task = None
        with suppress(Exception):  # How a task is found from another thread differs between versions.
            task = asyncio.current_task(self._loop)
        lines = traceback.StackSummary.extract(iter(stack[:MAX_FRAMES]), lookup_lines=True)
        lines.reverse()
        more = f" It was held up {self._unreported} times more since the last such report." if self._unreported else ""
        self._unreported = 0
        log.warning(
            "The event loop has been held up for %.1f s, and with it all calls, by %s%s. Code that waits or calculates "
            "for long belongs in `await asyncio.to_thread(...)`.%s It is here:\n%s",
            seconds,
            f"the task {task.get_name()!r}" if task is not None else "a callback",
            f" of the session {self._stall.session}" if self._stall.session else "",
            more,
            "".join(lines.format()).rstrip(),
            extra=_fields("event_loop.blocked", seconds, self._stall.session),
        )

    def _session_in(self, frame: FrameType) -> str | None:
        """The session that a frame of duologue serves."""
        if not frame.f_globals.get("__name__", "").startswith("duologue."):
            return None
        with suppress(Exception):  # It inspects objects of another thread, which may change meanwhile.
            for value in list(frame.f_locals.values())[:16]:
                for candidate in _related(value):
                    found = self._session_of(candidate)
                    if found is not None:
                        return found
        return None


def _fields(event: str, seconds: float, session: str) -> dict[str, Any]:
    call = {"call": session} if session else {}
    return {"fields": {"event": event, "seconds": round(seconds, 3), **call}}


def _culprit(stack: list[tuple[FrameType, int]]) -> str:
    """The function to name: the innermost of the application, else the innermost of all."""
    frames = [frame for frame, _ in stack]
    own = [frame for frame in frames if not frame.f_code.co_filename.startswith(_INSTALLED)]
    for frame in (*own[:1], *frames[:1]):
        module = frame.f_globals.get("__name__", "?")
        return f"{module}.{frame.f_code.co_qualname}"
    return "unknown"


def _related(value: Any) -> Iterator[object]:
    """An object, what it leads to in a few steps, and the same of the members of a short tuple."""
    for start in value[:4] if isinstance(value, tuple) else (value,):
        reached = [start]
        for _ in range(3):
            yield from reached
            reached = [
                there
                for each in reached
                for step in _STEPS
                if (there := getattr(each, step, None)) is not None and not isinstance(there, str)
            ]
