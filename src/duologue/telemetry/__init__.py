"""What a server measures: names, counters, the waterfall of a turn, traces, and how they are exported."""

from duologue.telemetry.budget import LatencyBudget
from duologue.telemetry.config import TelemetryConfig
from duologue.telemetry.costs import CostTable, Price

__all__ = ["CostTable", "LatencyBudget", "Price", "TelemetryConfig"]
