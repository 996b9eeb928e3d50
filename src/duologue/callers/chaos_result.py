"""What happened to callers whose network breaks, and what must not have happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["ChaosResult"]

MAX_VIOLATIONS: Final = 100
"""Violations that are reported one by one."""


@dataclass(slots=True)
class ChaosResult:
    """What happened, and what must not have happened."""

    seed: int
    calls: int = 0
    turns: int = 0
    """Turns that were answered."""
    spoken: int = 0
    """Turns that were spoken; the others were typed."""
    repeated: int = 0
    """Turns that were said again, because another process went on with the call and did not have them."""
    interrupted: int = 0
    """Turns among these of which the process before had heard something."""
    apologies: int = 0
    """Turns that the agent apologized for, because a provider had failed."""
    faults: Counter[str] = field(default_factory=Counter)
    resumed: int = 0
    """Connections that were made again, in the process that held the call."""
    restored: int = 0
    """The same, in another process."""
    lost: int = 0
    """Calls that should have been resumed, and were not."""
    refused: int = 0
    """Calls that the server had no room for."""
    violations: list[str] = field(default_factory=list)
    restored_at: list[float] = field(default_factory=list)
    """When calls went on in another process, by the clock of the event loop."""

    @property
    def holds(self) -> bool:
        """Whether every call was resumed, and nothing was violated."""
        return not (self.lost or self.violations)

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON types."""
        counts = (
            "calls",
            "turns",
            "spoken",
            "repeated",
            "interrupted",
            "apologies",
            "resumed",
            "restored",
            "lost",
            "refused",
        )
        names = ("seed", *counts, "violations", "holds")
        return {name: getattr(self, name) for name in names} | {"faults": dict(self.faults)}

    def violated(self, what: str) -> None:
        """Note something that must not happen."""
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(what)
