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
    """The whole: from the end of the user's speech to the first audible sample of the answer."""
    speech_end: float | None = None
    """Until the detector reports the end of speech."""
    transcript: float | None = None
    """From there until the transcript is there."""
    end_of_turn: float | None = None
    """From there until the silence at which the turn is decided."""
    input_lag: float | None = None
    """From there until the decision, which waits for audio that was received or scored late."""
    agent: float | None = None
    """From there until the agent's first text."""
    clause: float | None = None
    """From there until the first clause is complete."""
    voice: float | None = None
    """From there until the first audio of the voice."""
    playout: float | None = None
    """From there until the first audible sample is handed to the transport."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not (isinstance(value, float | int) and isfinite(value) and value > 0):
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
