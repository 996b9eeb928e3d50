"""What the process takes of the machine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress

from duologue.telemetry import names
from duologue.telemetry.metrics import Reading

__all__ = ["ProcessMeter", "resident_bytes"]


def resident_bytes() -> int:
    """Resident memory of this process in bytes; 0 if the system does not tell."""
    with suppress(OSError, ValueError, IndexError), open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


class ProcessMeter:
    """Memory, CPU time and age of this process; the growth of its memory is divided among the sessions."""

    def __init__(self) -> None:
        self.sessions = 0
        """Live sessions, set by their owner."""
        self._born = time.monotonic()
        self._base = resident_bytes()

    def rest(self) -> None:
        """Take the present memory for that of a process without sessions."""
        self._base = resident_bytes()

    def readings(self) -> Iterator[Reading]:
        """What is to be exported."""
        resident, times = resident_bytes(), os.times()
        yield names.MEMORY, resident, ()
        yield names.CPU_TIME, times.user, ("user",)
        yield names.CPU_TIME, times.system, ("system",)
        yield names.UPTIME, time.monotonic() - self._born, ()
        if self.sessions:
            yield names.SESSION_MEMORY, max(0, resident - self._base) / self.sessions, ()
