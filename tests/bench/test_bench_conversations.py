"""What must hold of a run of whole conversations is held against a single caller."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from duologue.bench.conversations import Measured, check
from duologue.callers.load import NORMAL
from duologue.callers.log import Log
from duologue.callers.result import Percentiles, Result
from duologue.callers.run import Plan


def measured(**changes: Any) -> Measured:
    plan = Plan("ws://127.0.0.1:1/v1/stream", 10, 60.0, "booking", NORMAL, 1, 10.0)
    empty = Result.of(Log(), plan, lines="none", elapsed=70.0, cpu=1.0, lateness=[0.001], interrupted=False)
    good: dict[str, Any] = {
        "processing_s": Percentiles.of([0.05] * 20),
        "voice_to_voice_s": Percentiles.of([0.5] * 20),
        "word_error_rate": 0.02,
        "bookings": {"booked": 20, "wrong": 0, "gave_up": 0, "cut_off": 0, "open": 3},
    }
    return Measured(replace(empty, **(good | changes)), 1.0, 0.0, {}, {})


def broken(**changes: Any) -> set[str]:
    return {held.name for held in check(measured(**changes), measured()) if not held.ok}


def test_a_good_run_holds_every_limit() -> None:
    assert broken() == set()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"processing_s": Percentiles.of([0.3])}, "processing_p95_s"),
        ({"voice_to_voice_s": Percentiles.of([0.9])}, "answered_later_p95_s"),
        ({"starved_frames": 1}, "starved_frames"),
        ({"missed_input_s": {"dropped": 0.02}}, "dropped_input_s"),
        ({"refusals": {"overloaded": 1}}, "refused"),
        ({"bookings": {"booked": 9, "wrong": 1, "gave_up": 0, "cut_off": 0, "open": 0}}, "bookings"),
        ({"bookings": {"booked": 0, "wrong": 0, "gave_up": 0, "cut_off": 0, "open": 9}}, "bookings"),
        ({"word_error_rate": 0.05}, "word_error_rate"),
        ({"valid": False}, "callers_in_time"),
    ],
)
def test_each_limit_is_broken_by_what_it_is_about(changes: dict[str, Any], name: str) -> None:
    assert broken(**changes) == {name}
