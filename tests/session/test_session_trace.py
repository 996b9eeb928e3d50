"""The trace of a call: a span for the call and each turn, with what was decided in it; nothing that somebody said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from duologue.conversation import events
from duologue.session import BudgetExceeded, ErrorRaised, SessionConfig, ToolCalled, TurnMeasured
from duologue.session.call_trace import MAX_EVENTS, MAX_OPEN, CallTrace, Parties
from duologue.telemetry import LatencyBudget, names
from duologue.telemetry.hub import Telemetry
from duologue.testing.agents import ScriptedAgent
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

WORDS = "my card is 4111"


class Traced:
    """A call that is traced into memory."""

    def __init__(self, *, sampled: bool = True) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("test")
        self.trace = CallTrace(
            "call-1", self.tracer, Parties("guide", "maker/ears", "mouth"), is_sampled=lambda _: sampled
        )

    def follow(self, *told: events.Event) -> None:
        for event in told:
            self.trace.follow(event)

    def turn(self, number: int) -> None:
        self.follow(
            events.SpeechStarted(16_000, 1.0, number, 0, "speech"),
            events.TurnDecided(48_000, 3.0, number, WORDS, 0, 32_000, 0.5, 0.9, "words"),
        )

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def events_of(self, span: ReadableSpan) -> list[str]:
        return [event.name for event in span.events]


def heard(turn: int, generation: int = 1) -> events.AgentHeard:
    return events.AgentHeard(64_000, 4.0, generation, turn, WORDS, WORDS, False, True)


def error(turn: int = 0) -> ErrorRaised:
    return ErrorRaised(16_000, 1.0, "stalled", "It stalled.", "", True, None, turn)


def test_what_belongs_to_a_turn_is_in_its_span() -> None:
    traced = Traced()
    traced.turn(1)
    stages = {"speech_stopped": 0.1, "decided": 0.5, "first_text": 0.6, "first_audio": 0.8}
    traced.follow(
        TurnMeasured(48_000, 3.0, 1, 1, 0.3, 0.8, "hit", stages),
        BudgetExceeded(48_000, 3.0, 1, 1, "voice", 0.3, 0.1),
        ToolCalled(48_000, 3.0, 1, 1, "find_table", 0.6, 0.7, "done"),
        error(1),
        events.SpeechStopped(32_000, 2.0, 1, 32_000, "silence"),
        heard(1),
    )
    (turn,) = traced.spans(names.TURN_SPAN)
    told = dict(turn.attributes or {})
    assert (told[names.TURN], told[names.REASON], told[names.ERROR]) == (1, "words", "stalled")
    assert (told[names.LATENCY], told[names.OVER_BUDGET], told[names.INTERRUPTED]) == (0.8, True, False)
    assert traced.events_of(turn) == ["turn_decided", "budget_exceeded", "error"]
    assert [span.name for span in traced.spans(f"{names.TOOL_SPAN} find_table")] == ["execute_tool find_table"]
    providers = {
        (span.attributes or {})[names.STAGE]: (span.attributes or {}).get(names.PROVIDER)
        for span in traced.exporter.get_finished_spans()
        if span.name.startswith(names.STAGE_SPAN)
    }
    assert providers["speech_end"] is None
    assert {providers["transcript"], providers["voice"]} <= {"maker", "mouth"}
    assert WORDS not in str([span.to_json() for span in traced.exporter.get_finished_spans()])


def test_speech_without_a_turn_ends_its_span() -> None:
    traced = Traced()
    traced.follow(
        events.SpeechStarted(16_000, 1.0, 1, 0, "speech"), events.SpeechIgnored(32_000, 2.0, 1, "no_words"), heard(7)
    )
    (turn,) = traced.spans(names.TURN_SPAN)
    assert traced.events_of(turn) == ["speech_ignored"]


def test_an_error_outside_of_a_turn_is_in_the_span_of_the_call_and_a_decision_is_nowhere() -> None:
    traced = Traced()
    traced.follow(error(), events.AudioGap(16_000, 1.0, 0, 320, "lost"))
    traced.trace.end("closed")
    (call,) = traced.spans(names.CONVERSATION_SPAN)
    assert traced.events_of(call) == ["error"]
    assert (call.attributes or {})[names.REASON] == "closed"


def test_open_turns_and_their_events_are_bounded_and_end_with_the_call() -> None:
    traced = Traced()
    for number in range(1, MAX_OPEN + 2):
        traced.turn(number)
    assert [(span.attributes or {})[names.TURN] for span in traced.spans(names.TURN_SPAN)] == [1]
    traced.follow(*[events.AudioGap(48_000, 3.0, 0, 320, "lost")] * MAX_EVENTS)
    traced.trace.end("closed")
    last = traced.spans(names.TURN_SPAN)[-1]
    assert len(last.events) == MAX_EVENTS
    assert len(traced.spans(names.TURN_SPAN)) == MAX_OPEN + 1


@pytest.mark.parametrize("matters", [False, True])
def test_of_what_is_not_sampled_only_turns_that_matter_are_shown(matters: bool) -> None:
    traced = Traced(sampled=False)
    traced.turn(1)
    traced.follow(*([error(1)] if matters else []), heard(1))
    (turn,) = traced.spans(names.TURN_SPAN)
    assert traced.events_of(turn) == (["turn_decided", "error"] if matters else [])


async def test_a_session_is_traced_and_what_exceeds_its_budget_is_told() -> None:
    traced, hub = Traced(), Telemetry()
    export: Any = SimpleNamespace(tracer=traced.tracer, sampler=None)
    hub.export = export
    config = SessionConfig(budget=LatencyBudget(voice_to_voice=0.001))
    async with VirtualCall(ScriptedAgent("Yes."), telemetry=hub, config=config) as call:
        await call.say("Hello.")
        trace_id = call.session.trace_id
        assert call.one(BudgetExceeded).reason == "voice_to_voice"
    spans = [span for span in traced.exporter.get_finished_spans() if span.context]
    assert {f"{span.context.trace_id:032x}" for span in spans if span.context} == {trace_id}
    assert {names.TURN_SPAN, names.CONVERSATION_SPAN} <= {span.name for span in spans}
    found: Any = hub.metrics.snapshot()[names.OVERRUNS.name]
    assert found == {("voice_to_voice",): 1}
