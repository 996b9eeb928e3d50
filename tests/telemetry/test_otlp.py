"""Metrics and traces at a real collector's port: names, units, attributes, parents; and what is kept of turns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from collector import Collector, values

from duologue.agent import Turn
from duologue.errors import ConfigError, ProviderError
from duologue.session import SessionConfig, TurnMeasured
from duologue.telemetry import LatencyBudget, TelemetryConfig, otlp
from duologue.telemetry.context import CONTEXTS, trace_headers
from duologue.telemetry.hub import Telemetry
from duologue.telemetry.names import METRICS
from duologue.telemetry.waterfall import PARTS
from duologue.testing.agents import ScriptedAgent
from duologue.testing.virtual import VirtualCall
from duologue_bench.telemetry import measure_telemetry

pytestmark = pytest.mark.anyio


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


class Guide:
    """Calls a tool, and remembers the headers that a provider would be sent."""

    speculative = True

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []

    async def reply(self, turn: Turn) -> AsyncIterator[str]:
        self.headers.append(trace_headers())
        with turn.tool("find_table"):
            pass
        yield "Here is a table. "
        yield "Anything else that I can do for you?"


async def converse(
    config: TelemetryConfig, agent: Any, session: SessionConfig | None = None, *said: str
) -> tuple[list[TurnMeasured], VirtualCall]:
    async with Telemetry(config) as telemetry, VirtualCall(agent, telemetry=telemetry, config=session) as call:
        for text in said or ("A table please.",):
            await call.say(text)
        measured = call.of(TurnMeasured)
    return measured, call


async def test_a_conversation_is_one_trace_with_a_span_for_each_turn_and_stage(collector: Collector) -> None:
    agent = Guide()
    config = TelemetryConfig(otlp_endpoint=collector.url, sample=1.0)
    (turn, other), call = await converse(config, agent, None, "A table please.", "For the evening.")
    assert len({span.trace_id for span in collector.spans}) == 1
    (root,) = collector.named("voice.conversation")
    assert root.trace_id.hex() == call.session.trace_id
    assert not root.parent_span_id
    about = values(root.attributes)
    assert about["gen_ai.conversation.id"] == call.session.id
    assert about["reason"] == "closed"

    turns = collector.named("voice.turn")
    assert [values(span.attributes)["voice.turn"] for span in turns] == [1, 2]
    assert all(span.parent_span_id == root.span_id for span in turns)
    assert all(root.start_time_unix_nano <= span.end_time_unix_nano <= root.end_time_unix_nano for span in turns)
    found = values(turns[0].attributes)
    assert found["voice.latency"] == pytest.approx(turn.voice_to_voice)
    assert found["voice.speculation"] == turn.speculation == "hit"
    assert (found["reason"], found["voice.interrupted"]) == ("words", False)

    stages = [span for span in collector.spans if span.parent_span_id == turns[0].span_id and "stage" in span.name]
    assert [span.name for span in stages] == [f"voice.stage.{part}" for part in PARTS]
    seconds = [(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9 for span in stages]
    assert seconds == pytest.approx([*turn.parts.values()], abs=1e-6)
    assert sum(seconds) == pytest.approx(turn.voice_to_voice, abs=1e-6)
    assert [a.end_time_unix_nano for a in stages[:-1]] == [b.start_time_unix_nano for b in stages[1:]]
    by_stage = {span.name.removeprefix("voice.stage."): values(span.attributes) for span in stages}
    assert {name: about.get("gen_ai.operation.name") for name, about in by_stage.items()} == {
        **dict.fromkeys(PARTS), "transcript": "speech_to_text", "agent": "chat", "voice": "text_to_speech",
    }  # fmt: skip
    assert by_stage["voice"]["gen_ai.provider.name"] == by_stage["voice"]["gen_ai.request.model"]

    (tool, _) = collector.named("execute_tool find_table")
    assert tool.parent_span_id == turns[0].span_id
    assert values(tool.attributes)["gen_ai.tool.name"] == "find_table"
    decided = [event for event in turns[0].events if event.name == "turn_decided"]
    assert values(decided[0].attributes)["reason"] == "words"
    assert {event.name for event in turns[0].events} >= {"turn_scored", "turn_decided", "speculation_started"}

    # A provider that is called for a turn is told of that turn's span.
    parents = [headers["traceparent"].split("-") for headers in agent.headers]
    assert [trace for _, trace, _, _ in parents] == [root.trace_id.hex()] * 2
    assert [span for _, _, span, _ in parents] == [span.span_id.hex() for span in turns]
    assert trace_headers() == {}
    assert len(CONTEXTS) == 0
    assert other.parts["agent"] == 0.0

    # Nobody's words leave the process this way.
    everything = b"".join(span.SerializeToString() for span in collector.spans)
    assert not any(word in everything for word in (b"table please", b"evening", b"Here is", b"Anything"))


async def test_metrics_arrive_with_their_units_and_without_the_session(collector: Collector) -> None:
    config = TelemetryConfig(otlp_endpoint=collector.url, service_name="hotline")
    (turn,), call = await converse(config, ScriptedAgent("Yes, of course."))
    metrics = collector.metrics
    assert collector.resources[-1]["service.name"] == "hotline"
    for name, found in metrics.items():
        assert (found.unit, found.description) == (METRICS[name].unit, METRICS[name].description)
    latency = metrics["voice.session.latency"].histogram
    assert latency.data_points[0].sum == pytest.approx(turn.voice_to_voice)
    assert tuple(latency.data_points[0].explicit_bounds) == METRICS["voice.session.latency"].buckets
    points = metrics["voice.stage.duration"].histogram.data_points
    found = {values(point.attributes)["voice.stage"]: point.sum for point in points}
    assert found == pytest.approx(turn.parts)
    assert sum(found.values()) == pytest.approx(turn.voice_to_voice)
    chunks = metrics["voice.session.throughput"].sum
    assert chunks.is_monotonic
    assert chunks.data_points[0].as_double + chunks.data_points[0].as_int == call.engine.counters.chunks > 10
    sent = {name: str(metric) for name, metric in metrics.items()}
    assert not any(call.session.id in text or "conversation" in text for text in sent.values())


@pytest.mark.parametrize("kept", ["budget", "error", "neither"])
async def test_of_the_conversations_that_are_not_sampled_the_turns_that_matter_are_kept(
    collector: Collector, kept: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(text: str) -> str:
        raise ProviderError("The weather service failed.", provider="weather")

    agent = broken if kept == "error" else ScriptedAgent("Yes.")
    session = SessionConfig(budget=LatencyBudget(end_of_turn=0.01)) if kept == "budget" else SessionConfig()
    _, call = await converse(TelemetryConfig(otlp_endpoint=collector.url, sample=0.0), agent, session)
    turns = collector.named("voice.turn")
    if kept == "neither":
        assert not collector.spans
        return
    assert [span.parent_span_id for span in turns] == [collector.named("voice.conversation")[0].span_id]
    found = values(turns[0].attributes)
    if kept == "budget":
        assert found["voice.over_budget"] is True
        assert len(collector.spans) == len(PARTS) + 2
        (event,) = [event for event in turns[0].events if event.name == "budget_exceeded"]
        assert values(event.attributes)["reason"] == "end_of_turn"
    else:
        assert found["error.type"] == "provider_error"
        logged = [getattr(record, "fields", {}) for record in caplog.records]
        (line,) = [each for each in logged if each.get("event") == "failure"]
        assert (line["call"], line["turn"], line["trace_id"]) == (call.session.id, 1, turns[0].trace_id.hex())
        assert turns[0].status.code == 2


async def test_nothing_is_traced_or_sent_without_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    agent = Guide()
    _, call = await converse(TelemetryConfig(), agent)
    assert (call.session.trace_id, agent.headers) == ("", [{}])


async def test_a_collector_that_is_gone_delays_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(otlp, "EXPORT_TIMEOUT_S", 0.2)
    monkeypatch.setattr(otlp, "CLOSE_TIMEOUT_S", 0.3)
    with Collector() as gone:
        address = gone.url
    (turn,), _ = await converse(TelemetryConfig(otlp_endpoint=address, sample=1.0), ScriptedAgent("Yes."))
    assert turn.voice_to_voice < 2.0
    assert any(record.name.startswith("opentelemetry") for record in caplog.records)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("sample", 1.5),
        ("sample", -0.1),
        ("export_interval", 0.0),
        ("otlp_endpoint", "collector:4318"),
        ("otlp_endpoint", "http://collector:99999"),
        ("otlp_endpoint", "http://["),
    ],
)
def test_settings_that_cannot_be(option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"telemetry\.{option} "):
        TelemetryConfig(**{option: value})


async def test_what_telemetry_costs_is_measured() -> None:
    found = await measure_telemetry(turns=5, repeats=2)
    assert list(found) == ["off", "metrics", "page", "ops", "otlp", "unsampled", "sampled"]
    assert all(0 < seconds < 0.1 for seconds in found.values())
    assert found["off"] < found["sampled"]
