"""What the sessions of one process report to: its counters, its recent turns, and what exports them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from duologue.telemetry.config import TelemetryConfig
from duologue.telemetry.costs import CostTable
from duologue.telemetry.metrics import Metrics, Snapshot, cumulative, decode, encode, merge
from duologue.telemetry.process import ProcessMeter
from duologue.telemetry.turns import RecentTurns, merge_turns

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from duologue.telemetry.otlp import OtlpExport

__all__ = ["LiveCall", "Telemetry", "Totals"]

MAX_CALLS: Final = 32
"""Live calls that a process reports, the newest..."""
MAX_ALL_CALLS: Final = 200
"""...and all processes together."""

MAX_BLOCKS: Final = 20
"""Times that the event loop was blocked which are kept, the last ones."""


class LiveCall(Protocol):
    """A live call, as it is shown to operators."""

    def row(self) -> dict[str, Any]:
        """One line of a list of calls, as plain JSON types."""
        ...

    def page(self) -> dict[str, Any]:
        """All that is shown of the call, as plain JSON types."""
        ...


class Telemetry:
    """The measurements of one process. Inside `async with` they are exported as `config` says.

    `costs` are the prices by which the use of providers becomes cost.
    """

    def __init__(self, config: TelemetryConfig | None = None, costs: CostTable | None = None) -> None:
        self.config: TelemetryConfig = config or TelemetryConfig()
        self.export: OtlpExport | None = None
        self.metrics: Metrics = Metrics(enabled=self.config.metrics, costs=costs)
        self.turns: RecentTurns = RecentTurns()
        self.process: ProcessMeter = ProcessMeter()
        self.blocks: deque[dict[str, Any]] = deque(maxlen=MAX_BLOCKS)
        """What blocked the event loop: `at` (Unix time), `code`, `seconds`, `session`."""
        self.calls: dict[str, LiveCall] = {}
        """The calls that are live, by their id, oldest first."""
        self.metrics.add_source(self.process.readings)

    async def __aenter__(self) -> Self:
        if self.config.exports:
            from duologue.telemetry.otlp import OtlpExport

            self.export = OtlpExport(self.config, self.metrics)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        export, self.export = self.export, None
        if export is not None:
            await export.aclose()

    @property
    def tracer(self) -> Tracer | None:
        """The tracer; None if no traces are exported."""
        return None if self.export is None else self.export.tracer

    def is_sampled(self, trace_id: int) -> bool:
        """Whether all of this trace is sent, and not only what matters of it."""
        sampler = None if self.export is None else self.export.sampler
        return sampler is None or sampler.is_sampled(trace_id)

    def state(self) -> dict[str, Any]:
        """All that is measured, as plain JSON types, to be joined with that of other processes."""
        return {
            "metrics": encode(self.metrics.snapshot()),
            "turns": self.turns.state(),
            "blocks": list(self.blocks),
            "calls": [call.row() for call in islice(reversed(self.calls.values()), MAX_CALLS)],
        }


class Totals:
    """Adds up the states of several processes. What a process counted stays counted when it ends."""

    def __init__(self) -> None:
        self._states: dict[int, Mapping[str, Any]] = {}
        self._ended: Snapshot = {}

    def update(self, pid: int, state: Mapping[str, Any]) -> None:
        """Take what a process told last."""
        self._states[pid] = state

    def end(self, pid: int) -> None:
        """A process has ended: its gauges go, its counters stay."""
        state = self._states.pop(pid, None)
        if state is not None:
            self._ended = merge([self._ended, cumulative(decode(state["metrics"]))])

    def total(self) -> dict[str, Any]:
        """The sum, as a state."""
        states = list(self._states.values())
        return {
            "metrics": encode(merge([self._ended, *(decode(state["metrics"]) for state in states)])),
            "turns": merge_turns([state["turns"] for state in states], time.time()),
            "blocks": _latest(block for state in states for block in state["blocks"]),
            "calls": sorted((c for state in states for c in state["calls"]), key=lambda c: c["age_s"])[:MAX_ALL_CALLS],
        }


def _latest(blocks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(blocks, key=lambda block: block["at"])[-MAX_BLOCKS:]
