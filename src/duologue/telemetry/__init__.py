"""What a server measures: names, counters, the waterfall of a turn, traces, and how they are exported."""

from duologue.telemetry.budget import LatencyBudget
from duologue.telemetry.config import TelemetryConfig

__all__ = ["LatencyBudget", "TelemetryConfig"]
