"""How long providers take: what they declare, corrected by what is measured, and bounded."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.engine.latency import ENOUGH, MARGIN, MAX_PROVIDERS, MAX_SECONDS, Latencies, LatencyEstimate


def test_before_anything_is_measured_the_declared_latency_counts() -> None:
    expected = LatencyEstimate(0.25).expected
    assert expected is not None
    assert 0.25 < expected < 0.3
    assert LatencyEstimate(0.0).expected == 0.0
    assert LatencyEstimate(None).expected is None


def test_who_declares_nothing_is_measured_first() -> None:
    estimate = LatencyEstimate(None)
    for _ in range(ENOUGH - 1):
        estimate.note(0.4)
        assert estimate.expected is None
    estimate.note(0.4)
    assert estimate.expected == pytest.approx(0.4, abs=0.06)


def test_an_estimate_follows_and_leaves_few_answers_late() -> None:
    estimate, draw = LatencyEstimate(0.1), random.Random(1)
    for _ in range(60):
        estimate.note(0.6)
    assert estimate.expected == pytest.approx(0.6, abs=0.02)
    late = 0
    for _ in range(2000):
        seconds = draw.gauss(0.3, 0.05)
        late += seconds > (estimate.expected or 0.0)
        estimate.note(seconds)
    assert late / 2000 < 0.2


def test_one_stall_does_not_count_for_more_than_its_share() -> None:
    estimate = LatencyEstimate(0.2)
    for _ in range(50):
        estimate.note(0.2)
    estimate.note(600.0)
    assert estimate.expected is not None
    assert estimate.expected < 0.2 + MAX_SECONDS * (1 / 8 + MARGIN / 4)
    for _ in range(30):
        estimate.note(0.2)
    assert estimate.expected < 0.26


@given(st.none() | st.floats(0, 10), st.lists(st.floats(-10, 1e9), max_size=50))
def test_an_estimate_is_never_negative_and_bounded(typical: float | None, seconds: list[float]) -> None:
    estimate = LatencyEstimate(typical)
    for each in seconds:
        estimate.note(each)
    expected = estimate.expected
    assert expected is None or 0 <= expected <= 4 * max(typical or 0.0, MAX_SECONDS)


def test_sessions_share_an_estimate_and_the_oldest_goes() -> None:
    latencies = Latencies()
    first = latencies.of("first", 0.1)
    assert latencies.of("first", 0.1) is first
    assert latencies.of("first", 0.2) is not first
    for i in range(MAX_PROVIDERS):
        latencies.of(f"number {i}", None)
    assert latencies.of("first", 0.1) is not first
