"""Contains what an application's code raises: which exceptions are its own, and where they come from.

An agent may raise anything, `SystemExit` and `KeyboardInterrupt` among it. asyncio ends the event loop on those two,
and with it all other calls, so code that runs an agent catches `BaseException` and asks `is_fault` about it.
"""

from __future__ import annotations

import asyncio
import dis
import logging
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

from duologue.errors import DuologueError
from duologue.telemetry.context import CONTEXTS

__all__ = ["FaultLog", "is_fault", "origin"]

_OWN = str(Path(__file__).parent.parent)
_STANDARD_LIBRARY = str(Path(asyncio.__file__).parent.parent)
_MAX_FRAMES = 10_000
"""Frames of a traceback that are looked at; a recursion leaves 1,000."""
_MAX_CAUSES = 20
_LINES_AT_ONCE = 100
_LINES_PER_SECOND = 10.0


def is_fault(error: BaseException) -> bool:
    """Whether `error` is a failure of the code that raised it, and not the way in which the running task is stopped.

    False for a cancellation of the running task, for the closing of a task that no longer runs, and for what a signal
    handler raised, such as Ctrl-C. Call it in the task that ran the code.
    """
    if isinstance(error, Exception):
        return True
    task = _current_task()
    if isinstance(error, asyncio.CancelledError):
        return task is not None and not task.cancelling()
    if isinstance(error, GeneratorExit):
        return task is not None and _is_raised_by_code(error)
    return not _raised_by_a_signal(error)


def origin(error: BaseException) -> str:
    """Where an application's code raised `error` or what caused it, as `file.py:12 in function`; empty if it did not.

    The words of the exception are left out: they may hold what the caller said, or a secret.
    """
    fallback = ""
    for cause in _causes(error):
        frames = list(_frames(cause.__traceback__))
        theirs = [(code, line) for code, line in frames if not _is_library(code.co_filename)]
        if theirs:
            return _place(*theirs[-1])
        if frames and not isinstance(cause, DuologueError) and _is_own(frames[-1][0].co_filename):
            fallback = _place(*frames[-1])  # a fault of duologue itself
    return fallback


class FaultLog:
    """Writes one line for each failure, without the words of the exception that caused it.

    The message may hold what the caller said, or a secret; the traceback holds neither. At most 100
    lines are written at once and 10 a second: an agent that fails in every call must not fill the disk.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lines = float(_LINES_AT_ONCE)
        self._at = time.monotonic()
        self._dropped = 0

    def write(self, where: str, error: DuologueError, *, call: str = "", turn: int = 0) -> None:
        """Write that `error` happened in `where`, such as a session and its turn; `call` is the session's id."""
        now = time.monotonic()
        self._lines = min(self._lines + (now - self._at) * _LINES_PER_SECOND, _LINES_AT_ONCE)
        self._at = now
        if self._lines < 1:
            self._dropped += 1
            return
        self._lines -= 1
        place = origin(error)
        self._log.warning(
            "%s: %s: %s%s%s",
            where,
            error.code,
            _words(error),
            f" ({place})" if place else "",
            f" [{self._dropped} failures before this one were not logged]" if self._dropped else "",
            extra={"fields": {"event": "failure", "code": error.code, **_ids(call, turn)}},
        )
        self._dropped = 0


def _ids(call: str, turn: int) -> dict[str, Any]:
    ids = {"call": call, "turn": turn, "trace_id": CONTEXTS.trace_id(call)}
    return {name: value for name, value in ids.items() if value}


def _words(error: DuologueError) -> str:
    """The words of an error that duologue made; of one that the application made, its type."""
    frames = list(_frames(error.__traceback__))
    if frames and not _is_library(frames[-1][0].co_filename):
        return f"{type(error).__name__} was raised."
    hint = error.next_step if error.next_step != type(error).hint else ""
    return f"{error.message} {hint}".strip().replace("\n", " ")


def _place(code: CodeType, line: int) -> str:
    return f"{code.co_filename}:{line} in {code.co_name}"


def _is_own(filename: str) -> bool:
    return filename.startswith(_OWN)


def _is_library(filename: str) -> bool:
    return _is_own(filename) or "site-packages" in filename or filename.startswith(("<frozen", _STANDARD_LIBRARY))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, the cause first."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain and len(chain) < _MAX_CAUSES:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return reversed(chain)


def _frames(trace: TracebackType | None) -> Iterator[tuple[CodeType, int]]:
    for _ in range(_MAX_FRAMES):
        if trace is None:
            return
        yield trace.tb_frame.f_code, trace.tb_lineno
        trace = trace.tb_next


def _current_task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs: what waits for one is being thrown away
        return None


def _raised_by_a_signal(error: BaseException) -> bool:
    handlers = _signal_handlers()
    if any(code in handlers for code, _ in _frames(error.__traceback__)):
        return True
    # Python's own handler leaves no frame: the exception appears between two instructions, neither of which raises.
    by_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return isinstance(error, KeyboardInterrupt) and by_default and not _is_raised_by_code(error)


def _is_raised_by_code(error: BaseException) -> bool:
    """Whether the innermost frame raised the exception with a `raise` statement."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"


def _signal_handlers() -> set[CodeType]:
    """The code of the handlers that are written in Python, that of asyncio's Runner among them."""
    codes = set()
    for number in signal.valid_signals():
        handler: object = signal.getsignal(number)
        while isinstance(handler, partial):
            handler = handler.func
        code = getattr(getattr(handler, "__func__", handler), "__code__", None)
        if isinstance(code, CodeType):
            codes.add(code)
    return codes
