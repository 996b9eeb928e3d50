"""What the whole machine does, as its kernel tells."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["busy_s"]


def busy_s() -> float:
    """CPU seconds that all processes have used since the start, and those that other machines on it have taken."""
    user, nice, system, _, _, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
