"""Admission: whether the process can carry one more call without harm to the others, judged by measurements."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Final

from duologue.conversation.config import check_fields
from duologue.errors import OverloadedError

__all__ = ["REASONS", "Admission", "AdmissionController", "Load", "free_bytes"]

REASONS: Final = ("sessions", "tick_lag", "lateness", "backlog", "memory", "threads")
"""Why a call may be refused: the `reason` of the error."""

FRESH: Final = 1.0
"""Seconds for which a reading of the memory is used."""
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class Admission:
    """Measurements beyond which a new call is refused. Running calls are never affected."""

    max_tick_lag: float = 0.02
    """Seconds by which ticks begin late, a recent average: the event loop has more to do than it can."""
    max_lateness: float = 0.2
    """Seconds by which transcripts and speech come later than they are wanted, a recent average."""
    max_backlog: float = 1.0
    """Seconds of work that wait for the models."""
    min_free_bytes: int = 134_217_728
    """Memory that must be free on the machine, and in the process's control group."""
    retry_after: float = 5.0
    """Seconds after which a refused caller may try again."""

    def __post_init__(self) -> None:
        check_fields(self, prefix="admission.", largest=inf)


@dataclass(frozen=True, slots=True)
class Load:
    """The present load of an engine."""

    sessions: int
    max_sessions: int
    tick_lag: float
    lateness: float
    backlog: float


class AdmissionController:
    """Admits a call, or says why not and when to try again.

    No model of capacity: it watches what overload does first. A late tick means that the event loop is full, late work
    and a backlog mean that the models are, and both fade within seconds, so that calls are admitted again as soon as
    there is room. What is measured is an average over seconds, or one slow tick would refuse a call.
    """

    def __init__(self, config: Admission, free: Callable[[], int | None] | None = None) -> None:
        self.config = config
        self._free = free or _Memory().free

    def check(self, load: Load, *, resumes: bool = False) -> None:
        """Raise OverloadedError if one more call is too many.

        A call that `resumes`, because its process has ended, was admitted before: it is refused only for lack of a
        place or of memory, and not because running calls are served late.
        """
        if (found := self._objection(load, resumes=resumes)) is not None:
            reason, message = found
            raise OverloadedError(message, retry_after=self.config.retry_after, reason=reason)

    def _objection(self, load: Load, *, resumes: bool) -> tuple[str, str] | None:
        """Return why one more call is too many, as a reason and a message; None if it is not."""
        c = self.config
        if load.sessions >= load.max_sessions:
            return "sessions", f"This process carries {load.sessions} sessions, which is its limit."
        if not resumes and (late := self._late(load)) is not None:
            return late
        free = self._free()
        if free is not None and free < c.min_free_bytes:
            return "memory", f"{free / 2**20:.0f} MiB of memory are free."
        return None

    def _late(self, load: Load) -> tuple[str, str] | None:
        c = self.config
        if load.tick_lag > c.max_tick_lag:
            return "tick_lag", f"Running calls are served {load.tick_lag * 1000:.0f} ms late."
        if load.lateness > c.max_lateness:
            return "lateness", f"Transcripts and speech come {load.lateness * 1000:.0f} ms late."
        if load.backlog > c.max_backlog:
            return "backlog", f"{load.backlog:.1f} s of work wait for the models."
        return None


class _Memory:
    """The machine's free memory, read at most once a second."""

    def __init__(self) -> None:
        self._read_at = float("-inf")
        self._found: int | None = None

    def free(self) -> int | None:
        now = time.monotonic()
        if now - self._read_at >= FRESH:
            self._read_at, self._found = now, free_bytes()
        return self._found


def free_bytes(meminfo: Path = MEMINFO, cgroup: Path = CGROUP, own: Path = OWN_GROUP) -> int | None:
    """Return the memory that is free on the machine and in each control group, the least of them; None if unknown.

    The kernel's cache of files that it can drop counts as free.
    """
    found = []
    try:
        fields_ = dict(line.split(":", 1) for line in meminfo.read_text("ascii").splitlines())
        found.append(int(fields_["MemAvailable"].split()[0]) * 1024)
    except (OSError, KeyError, ValueError):
        pass  # not Linux
    found += [free for group in _groups(cgroup, own) if (free := _free_in(group)) is not None]
    return min(found, default=None)


def _groups(cgroup: Path, own: Path) -> list[Path]:
    """Return the folders of the process's control group and of those around it."""
    try:
        inside = next(line[3:] for line in own.read_text("utf-8").splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return [cgroup]
    group = cgroup / inside.strip("/")
    return [group, *(parent for parent in group.parents if parent.is_relative_to(cgroup))]


def _free_in(group: Path) -> int | None:
    try:
        limit = (group / "memory.max").read_text("ascii").strip()
        if limit == "max":
            return None
        used = int((group / "memory.current").read_text("ascii"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text("ascii").splitlines())
        return int(limit) - used + int(stat["inactive_file"])
    except (OSError, ValueError, KeyError):
        return None  # not a control group of version 2
