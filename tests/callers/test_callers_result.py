"""From what callers wrote down to numbers, and from numbers to the knee."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from duologue.callers.capacity import LIMITS, Step, find_knee
from duologue.callers.load import NORMAL
from duologue.callers.log import Log, Refusal, Story, Turn
from duologue.callers.plan import Plan
from duologue.callers.result import Percentiles, Result

PLAN = Plan("ws://127.0.0.1:1", 2, 60.0, "booking", NORMAL, 1, 10.0)


def turn(onset: float = 20.0, *, seconds: float = 4.0, said: str = "a table for four", **values: object) -> Turn:
    made = Turn(0, 0, "booking", "people", said, onset, onset + seconds, onset, onset + seconds, ended=True)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def result(*turns: Turn, late: float = 0.001, plan: Plan = PLAN, **log: object) -> Result:
    written = Log(turns=list(turns), connected_s=140.0, calls=2)
    for name, value in log.items():
        setattr(written, name, value)
    return Result.of(written, plan, lines="websockets", elapsed=70.0, cpu=0.7, lateness=[late] * 100, interrupted=False)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = Percentiles.of([*range(1, 101), None])
    assert (values.n, values.p50, values.p90, values.p95, values.p99, values.max) == (100, 50, 90, 95, 99, 100)
    assert Percentiles.of([7.0]) == Percentiles(1, 7.0, 7.0, 7.0, 7.0, 7.0)
    assert Percentiles.of([None]) == Percentiles(0, None, None, None, None, None)


def test_turns_are_counted_after_the_ramp_and_each_number_has_its_unit() -> None:
    found = result(
        turn(5.0, voice_to_voice_s=9.0),
        turn(20.0, voice_to_voice_s=0.5, stages_s={"decided": 0.4}, speculation="hit", heard={1: "a table for four"}),
        turn(40.0, unanswered=True, cut_off=True),
        turn(50.0, ended=False),
    )  # fmt: skip
    assert (found.turns, found.answered, found.unanswered, found.cut_offs, found.speculation_hits) == (2, 1, 1, 1, 1)
    assert found.voice_to_voice_s.max == 0.5
    assert found.speech_to_decided_s.p50 == 0.4
    assert found.word_error_rate == 0.5
    assert found.talk_fraction == pytest.approx(8 / 60, abs=1e-4)
    assert found.turns_per_minute == 2.0
    assert (found.caller_cpu, found.caller_cpu_ms_per_call_s, found.concurrent_sessions) == (0.01, 5.0, 2.0)
    assert "raw" not in json.loads(json.dumps(found.as_dict()))
    assert len(found.raw) == 4


def test_those_who_interrupt_count_among_interruptions_alone() -> None:
    plan = replace(PLAN, sessions=10, interrupters=2)
    assert [caller for caller in range(10) if plan.interrupts(caller)] == [4, 9]
    found = result(
        turn(20.0, caller=0, voice_to_voice_s=0.5),
        turn(20.0, caller=4, voice_to_voice_s=0.7, processing_s=0.04, unanswered=True),
        turn(30.0, caller=4, interrupts=True, yield_s=0.15, paused_s=0.12, settled_s=0.02, silenced_s=0.001),
        plan=plan,
    )  # fmt: skip
    assert (found.turns, found.unanswered, found.voice_to_voice_s.max) == (1, 0, 0.5)
    assert (found.interrupters, found.interrupters_turns, found.interruptions, found.yielded) == (2, 2, 1, 1)
    assert (found.interrupters_voice_to_voice_s.max, found.interrupters_processing_s.max) == (0.7, 0.04)
    assert (found.yield_s.max, found.paused_s.max, found.settled_s.max, found.silenced_s.max) == (
        0.15, 0.12, 0.02, 0.001,
    )  # fmt: skip


def test_words_that_were_taken_together_are_compared_together() -> None:
    found = result(
        turn(unanswered=True, joined=True),
        turn(30.0, joins="a table for four", heard={1: "a table for four a table for five"}),
    )
    assert (found.word_error_rate, found.words) == (0.125, 8)


def test_a_monologue_counts_for_words_alone() -> None:
    found = result(turn(goes_on=True), stories=[Story("a b c d e", "a b c d", 5.0, 0.0)])
    assert (found.turns, found.word_error_rate) == (0, 0.2)


@pytest.mark.parametrize(
    ("refusal", "unclear"),
    [
        (Refusal("overloaded", 1013, 5.0, True), 0),
        (Refusal("overloaded", None, 5.0, True), 0),
        (Refusal("overloaded", 1011, 5.0, True), 1),
        (Refusal("overloaded", 1013, None, True), 1),
        (Refusal("overloaded", 1013, 5.0, False), 1),
        (Refusal("stream_error", None, None, True), 1),
    ],
)
def test_a_refusal_is_clear_that_says_why_and_when_to_come_again(refusal: Refusal, unclear: int) -> None:
    assert result(refused=Counter({refusal: 3})).unclear_refusals == 3 * unclear


@pytest.mark.parametrize(("late", "valid"), [(0.02, True), (0.021, False)])
def test_callers_that_were_too_late_void_the_run(late: float, valid: bool) -> None:
    found = result(late=late)
    assert found.valid is valid
    assert bool(found.why_void) is not valid


def test_each_limit_that_breaks_is_named() -> None:
    good = turn(voice_to_voice_s=0.5, processing_s=0.1, heard={1: "a table for four"})
    assert LIMITS.broken(result(good)) == []
    broken = LIMITS.broken(
        result(
            turn(processing_s=0.3, unanswered=True),
            starved_frames=2,
            input_gaps=Counter(overrun=16_000),
            refusals=Counter(overloaded=1),
            errors=Counter(timeout=2),
            outcomes=Counter(booked=1, wrong=1, open=5),
        )
    )
    assert broken == [
        "processing p95 300 ms > 200 ms",
        "2 starved frames > 0",
        "1.00 s of input missed > 0 s",
        "1 calls refused > 0",
        "2 errors > 0",
        "1 of 1 turns unanswered > 0%",
        "100.0% of words wrong > 10%",
        "1 of 2 calls booked < 90%",
    ]


@pytest.mark.anyio
@pytest.mark.parametrize("knee", [1, 7, 20, 21, 37, 100, 799])
async def test_the_knee_is_found_by_doubling_and_halving(knee: int) -> None:
    tried: list[int] = []

    async def run(sessions: int) -> Result:
        tried.append(sessions)
        return result(turn(processing_s=0.1 if sessions <= knee else 0.3, heard={1: "a table for four"}))

    capacity = await find_knee(1, run)
    assert capacity.broken_at is not None
    assert capacity.carried <= knee < capacity.broken_at
    assert capacity.broken_at - capacity.carried <= max(1, knee // 20)
    assert [step.sessions for step in capacity.steps] == tried
    assert len(tried) <= 17
    assert capacity.why == ("processing p95 300 ms > 200 ms",)


@pytest.mark.anyio
async def test_a_void_run_ends_the_search() -> None:
    seen: list[Step] = []

    async def run(sessions: int) -> Result:
        return result(late=0.001 if sessions < 4 else 0.5)

    capacity = await find_knee(2, run, on_step=seen.append)
    assert (capacity.carried, capacity.broken_at) == (2, None)
    assert "late" in capacity.void
    assert [step.sessions for step in seen] == [2, 4]
