"""What a server measures: names, counters, the waterfall of a turn, traces, and how they are exported."""

from duologue.telemetry.budget import LatencyBudget

__all__ = ["LatencyBudget"]
