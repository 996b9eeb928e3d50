"""Admission: whether one more call can be carried without harm to those that are. Judged by what is measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from duologue.errors import ConfigError, OverloadedError

__all__ = ["REASONS", "Admission", "Door", "Load", "free_bytes"]

REASONS: Final = ("sessions", "tick_lag", "lateness", "backlog", "memory", "threads")
"""What a call may be refused for: the `reason` of the error."""

FRESH: Final = 1.0
"""Seconds that a reading of the memory is good for."""
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class Admission:
    """Beyond which measurements a new call is refused. Running calls are never touched by it."""

    max_tick_lag: float = 0.02
    """Seconds by which the tick begins late, on average of the last seconds: the loop has more to do than it can."""
    max_lateness: float = 0.2
    """Seconds by which words and speech come later than they are wanted, on average of the last seconds."""
    max_backlog: float = 1.0
    """Seconds of work that wait for the models."""
    min_free_bytes: int = 134_217_728
    """Memory that must be left to the machine, or to the process's control group."""
    retry_after: float = 5.0
    """Seconds after which a refused caller may try again."""

    def __post_init__(self) -> None:
        for f in fields(self):
            if getattr(self, f.name) < 0:
                raise ConfigError(f"admission.{f.name} is {getattr(self, f.name)}, and must be at least 0.")


@dataclass(frozen=True, slots=True)
class Load:
    """What is measured of an engine now."""

    sessions: int
    max_sessions: int
    tick_lag: float
    lateness: float
    backlog: float


class Door:
    """Lets a call in, or says why not and when to come again."""

    def __init__(self, config: Admission, free: Callable[[], int | None] | None = None) -> None:
        self.config = config
        self._free = free or _Memory().free

    def check(self, load: Load) -> None:
        """Raise OverloadedError where one more call would be one too many."""
        if (found := self._objection(load)) is not None:
            reason, message = found
            raise OverloadedError(message, retry_after=self.config.retry_after, reason=reason)

    def _objection(self, load: Load) -> tuple[str, str] | None:
        """The name of what stands against one more call, and how to say it."""
        c = self.config
        if load.sessions >= load.max_sessions:
            return "sessions", f"This process carries {load.sessions} sessions, which is all it may."
        if load.tick_lag > c.max_tick_lag:
            return "tick_lag", f"The calls that run are looked at {load.tick_lag * 1000:.0f} ms late."
        if load.lateness > c.max_lateness:
            return "lateness", f"Words and speech come {load.lateness * 1000:.0f} ms late."
        if load.backlog > c.max_backlog:
            return "backlog", f"{load.backlog:.1f} s of work wait for the models."
        free = self._free()
        if free is not None and free < c.min_free_bytes:
            return "memory", f"{free / 2**20:.0f} MiB of memory are left."
        return None


class _Memory:
    """The machine's free memory, read once a second at most."""

    def __init__(self) -> None:
        self._read_at = float("-inf")
        self._found: int | None = None

    def free(self) -> int | None:
        now = time.monotonic()
        if now - self._read_at >= FRESH:
            self._read_at, self._found = now, free_bytes()
        return self._found


def free_bytes(meminfo: Path = MEMINFO, cgroup: Path = CGROUP, own: Path = OWN_GROUP) -> int | None:
    """Memory that can still be had, by the machine and by each control group around the process; None where none says.

    Files that the kernel keeps at hand, and would let go of, count as free.
    """
    found = []
    try:
        fields_ = dict(line.split(":", 1) for line in meminfo.read_text("ascii").splitlines())
        found.append(int(fields_["MemAvailable"].split()[0]) * 1024)
    except (OSError, KeyError, ValueError):
        pass  # not a Linux that tells
    found += [free for group in _groups(cgroup, own) if (free := _free_in(group)) is not None]
    return min(found, default=None)


def _groups(cgroup: Path, own: Path) -> list[Path]:
    """The folders of the process's control group and of those around it."""
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
