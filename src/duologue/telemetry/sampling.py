"""Which turns' spans are sent: decided when a turn is over, so that none that was slow is lost."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from duologue.telemetry import names

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

__all__ = ["TurnSampler"]

MAX_OPEN: Final = 4096
"""Spans that are open, of all turns; the oldest is forgotten, and its spans are not sent."""
MAX_PER_TURN: Final = 256
"""Spans that are held for one turn; later ones are dropped."""
MAX_KEPT: Final = 4096
"""Conversations of which is remembered that a turn was sent."""


class TurnSampler:
    """A span processor that holds the spans of each turn until it ends, and passes them on if they are to be sent.

    All spans of the sampled share of conversations are sent, and of others each turn that exceeded its budget or had
    an error, with its conversation. The share is chosen by the trace id, so that all services choose alike.
    """

    def __init__(self, sample: float, then: SpanProcessor) -> None:
        self.kept: int = 0
        self.dropped: int = 0
        """Spans."""
        self._bound = round(sample * 2**64)
        self._then = then
        self._lock = threading.Lock()
        self._turns: OrderedDict[int, int] = OrderedDict()
        """The turn that each open span belongs to, by the ids of their spans."""
        self._held: OrderedDict[int, list[ReadableSpan]] = OrderedDict()
        """Spans that have ended, by the turn."""
        self._kept_traces: OrderedDict[int, None] = OrderedDict()

    def is_sampled(self, trace_id: int) -> bool:
        """Whether all of this trace is sent."""
        return trace_id & (2**64 - 1) < self._bound

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Note which turn a span belongs to."""
        self._then.on_start(span, parent_context)
        own = span.get_span_context()
        if own is None or self.is_sampled(own.trace_id):
            return
        with self._lock:
            if span.name == names.TURN_SPAN:
                self._turns[own.span_id] = own.span_id
                self._held[own.span_id] = []
            elif span.parent is not None and (turn := self._turns.get(span.parent.span_id)) is not None:
                self._turns[own.span_id] = turn
            while len(self._turns) > MAX_OPEN:
                self._turns.popitem(last=False)
            while len(self._held) > MAX_OPEN:
                self._held.popitem(last=False)

    def on_end(self, span: ReadableSpan) -> None:
        """Send, hold or drop a span that has ended."""
        own = span.get_span_context()
        if own is None:
            return
        if self.is_sampled(own.trace_id):
            self._pass(span)
            return
        with self._lock:
            turn = self._turns.pop(own.span_id, None)
            ready: list[ReadableSpan] = []
            if turn == own.span_id:
                held = self._held.pop(turn, [])
                if _matters(span):
                    ready = [*held, span]
                    self._kept_traces[own.trace_id] = None
                    while len(self._kept_traces) > MAX_KEPT:
                        self._kept_traces.popitem(last=False)
                else:
                    self.dropped += len(held) + 1
            elif turn is not None and turn in self._held and len(self._held[turn]) < MAX_PER_TURN:
                self._held[turn].append(span)
            elif turn is None and own.trace_id in self._kept_traces:
                ready = [span]
            else:
                self.dropped += 1
            if span.name == names.CONVERSATION_SPAN:
                self._kept_traces.pop(own.trace_id, None)
        for each in ready:
            self._pass(each)

    def _pass(self, span: ReadableSpan) -> None:
        self.kept += 1
        self._then.on_end(span)

    def _on_ending(self, span: Span) -> None:
        self._then._on_ending(span)

    def shutdown(self) -> None:
        """Send what is to be sent, and stop."""
        self._then.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Send what is to be sent now."""
        return self._then.force_flush(timeout_millis)


def _matters(turn: ReadableSpan) -> bool:
    return bool((turn.attributes or {}).get(names.OVER_BUDGET)) or not turn.status.is_ok
