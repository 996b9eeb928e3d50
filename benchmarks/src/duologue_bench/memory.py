"""What a process has to itself, as the kernel counts it."""

from __future__ import annotations

from pathlib import Path

from duologue.errors import ConfigError

__all__ = ["private_bytes", "threads"]


def private_bytes(pid: int | None = None) -> int:
    """Memory that no other process shares (USS), of this process or of another of the same user.

    Raises ConfigError where the kernel does not tell, as for a process that has ended.
    """
    rollup = _proc(pid) / "smaps_rollup"
    try:
        lines = rollup.read_text().splitlines()
    except OSError as error:
        raise ConfigError(f"{rollup} cannot be read: {error.strerror}; only Linux has it.") from error
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


def threads(pid: int | None = None) -> int:
    """Threads of the operating system, those of native libraries among them."""
    return sum(1 for _ in (_proc(pid) / "task").iterdir())


def _proc(pid: int | None) -> Path:
    return Path("/proc") / ("self" if pid is None else str(pid))
