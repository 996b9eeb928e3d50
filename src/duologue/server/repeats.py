"""Log lines that come again and again: the first are written, the others are counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["CALLS", "CountRepeats", "count_repeats"]

AT_FIRST: Final = 5
"""Lines of one kind that are written in WINDOW."""

WINDOW: Final = 60.0
"""Seconds."""

MAX_KINDS: Final = 256
"""Kinds of lines that are counted at once."""

LOGGERS: Final = ("asyncio", "uvicorn.error", "duologue")
"""Whose lines a client may cause; of duologue all below it but CALLS."""

CALLS: Final = "duologue.calls"
"""The logger of calls, of which `EmptyCalls` decides: one line for the start and one for the end of each."""


class CountRepeats(logging.Filter):
    """Lets AT_FIRST lines of one kind through in WINDOW; the next line after it says how many were left out.

    Lines are of one kind where they come from the same place with the same message before its arguments are filled in.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, int, object], list[float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it."""
        now = time.monotonic()
        key = (record.pathname, record.lineno, record.msg)
        kind = self._kinds.get(key)
        if kind is None or now - kind[0] >= WINDOW:
            left_out = 0 if kind is None else int(kind[1]) - AT_FIRST
            if kind is None and len(self._kinds) >= MAX_KINDS:
                self._kinds.pop(next(iter(self._kinds)))
            self._kinds[key] = [now, 1]
            if left_out > 0:
                record.msg, record.args = f"{record.getMessage()} ({left_out} more like this were not written.)", ()
            return True
        kind[1] += 1
        if kind[1] == AT_FIRST:
            record.msg, record.args = f"{record.getMessage()} (More like this are only counted for {WINDOW:g} s.)", ()
        return kind[1] <= AT_FIRST


@contextmanager
def count_repeats() -> Iterator[None]:
    """Count repeated lines of LOGGERS meanwhile."""
    counter = CountRepeats()
    names = [name for name in logging.root.manager.loggerDict if name.startswith("duologue.") and name != CALLS]
    loggers = [logging.getLogger(name) for name in (*LOGGERS, *names)]
    for logger in loggers:
        logger.addFilter(counter)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(counter)
