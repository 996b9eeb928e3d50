"""Counters and histograms: bounded, joined over processes, and shown to Prometheus."""

from pathlib import Path

import pytest

from duologue.telemetry import TelemetryConfig, names
from duologue.telemetry.hub import Telemetry, Totals
from duologue.telemetry.metrics import MAX_SERIES, Metrics, Snapshot, decode, encode, merge
from duologue.telemetry.names import METRICS
from duologue.telemetry.prometheus import prometheus_name, render
from duologue.telemetry.reference import metric_table
from duologue.telemetry.turns import MINUTES, SLOWEST, SLOWEST_FOR_S, RecentTurns, merge_turns, summary


def counted(*, lag: float, errors: int) -> Snapshot:
    metrics = Metrics()
    metrics.add(names.ERRORS, errors, "timeout", "")
    metrics.record(names.SESSION_LATENCY, 0.1)
    metrics.record(names.SESSION_LATENCY, 0.45)
    metrics.add_source(lambda: [(names.LOOP_LAG, lag, ()), (names.SESSIONS_ACTIVE, 3, ())])
    return metrics.snapshot()


def test_values_of_several_processes_are_joined_as_each_metric_says() -> None:
    total = decode(encode(merge([counted(lag=0.2, errors=1), counted(lag=0.1, errors=2)])))
    assert total[names.ERRORS.name] == {("timeout", ""): 3}
    assert total[names.LOOP_LAG.name] == {(): 0.2}
    assert total[names.SESSIONS_ACTIVE.name] == {(): 6}
    latency = total[names.SESSION_LATENCY.name][()]
    assert isinstance(latency, list)
    assert latency[0] == pytest.approx(1.1)
    assert [(n, count) for n, count in enumerate(latency[1:]) if count] == [(1, 2), (6, 2)]  # a bound is in its bucket


def test_what_a_process_counted_stays_when_it_ends() -> None:
    totals = Totals()
    first, second = Telemetry(), Telemetry()
    for telemetry in (first, second):
        telemetry.metrics.add(names.SESSIONS_STARTED, 2)
        telemetry.metrics.add_source(lambda: [(names.SESSIONS_ACTIVE, 1, ())])
    totals.update(1, first.state())
    totals.update(2, second.state())
    totals.update(2, second.state())
    values = decode(totals.total()["metrics"])
    assert (values[names.SESSIONS_STARTED.name][()], values[names.SESSIONS_ACTIVE.name][()]) == (4, 2)
    totals.end(1)
    totals.end(1)
    values = decode(totals.total()["metrics"])
    assert (values[names.SESSIONS_STARTED.name][()], values[names.SESSIONS_ACTIVE.name][()]) == (4, 1)


def test_the_series_of_a_metric_are_bounded() -> None:
    metrics = Metrics()
    for n in range(MAX_SERIES + 10):
        metrics.add(names.ERRORS, 1, f"code_{n}", "x" * 1000)
    series = metrics.snapshot()[names.ERRORS.name]
    assert len(series) == MAX_SERIES + 1
    assert series["other", "other"] == 10
    assert max(len(value) for key in series for value in key) <= 80
    assert metrics.snapshot()[names.SERIES_DROPPED.name] == {(): 10}


def test_nothing_is_counted_that_is_turned_off() -> None:
    telemetry = Telemetry(TelemetryConfig(metrics=False))
    telemetry.metrics.add(names.SESSIONS_STARTED)
    telemetry.metrics.record(names.SESSION_LATENCY, 1.0)
    assert telemetry.metrics.snapshot() == {}


def test_the_page_for_prometheus() -> None:
    metrics = Metrics()
    metrics.record(names.YIELD_LATENCY, 0.003, "pause")
    metrics.record(names.YIELD_LATENCY, 60.0, "pause")
    metrics.add(names.LOOP_BLOCKS, 2, 'app."quoted"\\and\nbroken')
    lines = render(metrics.snapshot()).splitlines()
    assert "# TYPE voice_barge_in_yield_latency_seconds histogram" in lines
    assert 'voice_barge_in_yield_latency_seconds_bucket{reason="pause",le="0.002"} 0' in lines
    assert 'voice_barge_in_yield_latency_seconds_bucket{reason="pause",le="10"} 1' in lines
    assert 'voice_barge_in_yield_latency_seconds_bucket{reason="pause",le="+Inf"} 2' in lines
    assert 'voice_barge_in_yield_latency_seconds_sum{reason="pause"} 60.003' in lines
    assert r'voice_event_loop_blocks_total{code_function_name="app.\"quoted\"\\and\nbroken"} 2' in lines
    assert "voice_session_errors_total 0" in lines  # known from the start
    assert "voice_session_latency_seconds_count 0" in lines
    assert len({prometheus_name(metric) for metric in METRICS.values()}) == len(METRICS)


def test_recent_turns() -> None:
    now = 6000.0
    turns = RecentTurns(lambda: now)
    for n in range(100):
        turns.note(0.3 if n < 90 else 2.0 + n / 100, {"session": "s", "turn": n})
    shown = summary(turns.state(), now)
    assert shown["turns"] == 100
    assert shown["p50_s"] == pytest.approx(0.3, rel=0.05)
    assert shown["p95_s"] == pytest.approx(2.95, rel=0.05)
    assert [turn["turn"] for turn in shown["slowest"][:3]] == [99, 98, 97]
    assert len(shown["slowest"]) == SLOWEST
    both = summary(merge_turns([turns.state(), turns.state()], now), now)
    assert (both["turns"], len(both["slowest"]), len(both["history"])) == (200, SLOWEST, 1)

    now += SLOWEST_FOR_S + 1
    assert summary(turns.state(), now)["slowest"] == []
    turns.note(0.1, {"session": "s", "turn": 1})  # faster than those which are too old
    shown = summary(turns.state(), now)
    assert [turn["turn"] for turn in shown["slowest"]] == [1]
    assert (shown["turns"], len(shown["history"])) == (1, 2)
    for _ in range(2 * MINUTES):
        now += 60
        turns.note(0.1, {})
    assert len(turns.state()["minutes"]) == MINUTES
    assert summary({"minutes": {}, "slowest": []}, now)["p95_s"] is None


def test_the_document_has_the_table_of_metrics() -> None:
    document = (Path(__file__).parents[2] / "docs" / "observability.md").read_text()
    assert metric_table() in document, "run `python -m duologue.telemetry.reference`"
