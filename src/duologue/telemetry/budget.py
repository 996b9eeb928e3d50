"""How long each part of a turn may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite

from duologue.errors import ConfigError

__all__ = ["LatencyBudget"]


@dataclass(frozen=True, slots=True)
class LatencyBudget:
    """Seconds that a turn, and each part of its waterfall, may take; None sets no limit.

    A turn that takes longer is published as `BudgetExceeded`, counted, and its trace is always kept.
    """

    voice_to_voice: float | None = None
    speech_end: float | None = None
    transcript: float | None = None
    end_of_turn: float | None = None
    input_lag: float | None = None
    agent: float | None = None
    clause: float | None = None
    voice: float | None = None
    playout: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not (isfinite(value) and value > 0):
                raise ConfigError(f"budget.{field.name} is {value}, and must be more than 0 s, or None.")

    def overruns(self, parts: Mapping[str, float], voice_to_voice: float) -> list[tuple[str, float, float]]:
        """Name, seconds and budget of each part that took longer than it may."""
        found = []
        for field in fields(self):
            budget = getattr(self, field.name)
            took = voice_to_voice if field.name == "voice_to_voice" else parts.get(field.name, 0.0)
            if budget is not None and took > budget:
                found.append((field.name, took, budget))
        return found
