"""Publishes what becomes of the agent's tools."""

from __future__ import annotations

from typing import Final

from duologue.agent import FunctionCall, ToolCall
from duologue.agent.text import repaired
from duologue.clock import Clock
from duologue.session.events import FunctionCallRequested, ToolCalled
from duologue.session.host import Host
from duologue.session.measure import Stopwatch

__all__ = ["MAX_TOOL_NAME", "ToolReports"]

MAX_TOOL_NAME: Final = 64
"""Characters of a tool's name in an event."""


class ToolReports:
    """Tool calls are published once their turn is decided, with their times after the end of the user's speech."""

    def __init__(self, host: Host, stopwatch: Stopwatch, clock: Clock) -> None:
        self._host = host
        self._stopwatch = stopwatch
        self._clock = clock

    def answering(self, generation: int, turn: int, *, prepared: bool) -> None:
        """Note that the decided turn is answered by this reply, and publish the calls that it has made already."""
        for call in self._stopwatch.answering(generation, prepared=prepared):
            self.called(turn, generation, call)

    def called(self, turn: int, generation: int, call: ToolCall) -> None:
        """Publish the times of a call, or keep them until the turn is decided."""
        placed = self._stopwatch.place_tool(generation, call)
        if placed is not None:
            pos, now = self._host.accepted, self._clock.now()
            name = repaired(call.name)[:MAX_TOOL_NAME]
            self._host.publish(ToolCalled(pos, now, turn, generation, name, *placed, call.outcome))

    def requested(self, turn: int, generation: int, call: FunctionCall) -> None:
        """Publish a call that a protocol may show or carry out."""
        pos, now = self._host.accepted, self._clock.now()
        name, arguments = repaired(call.name)[:MAX_TOOL_NAME], repaired(call.arguments)
        self._host.publish(FunctionCallRequested(pos, now, turn, generation, call.id, name, arguments))
