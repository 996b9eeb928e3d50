"""What must hold of a run of whole conversations is held against a single caller."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from duologue.callers.load import BRISK, NORMAL
from duologue.callers.log import Log, Turn
from duologue.callers.plan import Plan
from duologue.callers.result import Percentiles, Result
from duologue_bench.conversations import Measured, Memory, carry, check, counted, per_session, quarter
from duologue_bench.conversations_plot import draw_run, draw_sizes
from duologue_bench.conversations_report import names, report, rows, verdict
from duologue_bench.server import ServerProcess
from duologue_bench.waterfall import compare

MB = 1e6


def measured(*, sessions: int = 80, mb: float = 500.0, further: float | None = None, **changes: Any) -> Measured:
    plan = Plan("ws://127.0.0.1:1/v1/stream", sessions, 60.0, "booking", NORMAL, 1, 10.0, interrupters=5)
    empty = Result.of(Log(), plan, lines="none", elapsed=70.0, cpu=1.0, lateness=[0.001], interrupted=False)
    good: dict[str, Any] = {
        "processing_s": Percentiles.of([0.05] * 20),
        "voice_to_voice_s": Percentiles.of([0.5] * 20),
        "silenced_s": Percentiles.of([0.001] * 20),
        "paused_s": Percentiles.of([0.12] * 20),
        "word_error_rate": 0.02,
        "bookings": {"booked": 20, "wrong": 0, "gave_up": 0, "cut_off": 0, "open": 3},
    }
    memory = Memory(mb * MB, round(mb * MB), 6)
    return Measured(replace(empty, **(good | changes)), 1.0, memory, {"voice": 0.25}, {}, further)


def alone() -> Measured:
    return measured(sessions=1, interrupters=0, silenced_s=Percentiles.of([]), paused_s=Percentiles.of([]))


def broken(**changes: Any) -> set[str]:
    return {held.name for held in check(measured(**changes), alone()) if not held.ok}


def test_a_good_run_holds_every_limit() -> None:
    assert broken() == set()
    assert broken(further=0.9 * MB) == set()
    assert all(held.ok for held in check(alone(), alone()))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"processing_s": Percentiles.of([0.3])}, "processing_p95_s"),
        ({"voice_to_voice_s": Percentiles.of([0.9])}, "answered_later_p95_s"),
        ({"starved_frames": 1}, "starved_frames"),
        ({"missed_input_s": {"dropped": 0.02}}, "dropped_input_s"),
        ({"refusals": {"overloaded": 1}}, "refused"),
        ({"lost": {"broke off": 1}}, "lost"),
        ({"errors": {"provider_error": 2}}, "errors"),
        ({"unanswered": 1}, "unanswered"),
        ({"bookings": {"booked": 9, "wrong": 1, "gave_up": 0, "cut_off": 0, "open": 0}}, "bookings"),
        ({"bookings": {"booked": 0, "wrong": 0, "gave_up": 0, "cut_off": 0, "open": 9}}, "bookings"),
        ({"word_error_rate": 0.05}, "word_error_rate"),
        ({"valid": False}, "callers_in_time"),
        ({"silenced_s": Percentiles.of([0.001] * 97 + [0.03] * 3)}, "silenced_p99_s"),
        ({"paused_s": Percentiles.of([0.1] * 90 + [0.3] * 10)}, "paused_p95_s"),
        ({"paused_s": Percentiles.of([])}, "paused_p95_s"),
        ({"further": 1.1 * MB}, "memory_per_session_bytes"),
    ],
)
def test_each_limit_is_broken_by_what_it_is_about(changes: dict[str, Any], name: str) -> None:
    assert broken(**changes) == {name}


def test_memory_of_few_callers_is_told_and_not_judged() -> None:
    assert broken(sessions=20, further=9.0 * MB) == set()


def test_memory_is_the_mean_of_the_second_half_and_a_slope() -> None:
    memory = Memory.of([(0.0, 100), (5.0, 900), (20.0, 300), (25.0, 500)], half=20.0)
    assert (memory.mean, memory.most, memory.looks) == (400.0, 900, 2)
    assert Memory.of([(0.0, 100)], half=20.0).mean == 100.0
    assert quarter(100) == 25
    assert per_session(measured(sessions=25, mb=500), measured(sessions=100, mb=545)) == pytest.approx(0.6 * MB)
    assert per_session(measured(sessions=1), measured(sessions=1)) is None


def turn(onset: float, script: str = "booking", **values: Any) -> Turn:
    made = Turn(0, 0, script, "people", "four", onset, onset + 1, onset, onset + 1, ended=True)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def test_the_curves_are_of_the_turns_that_the_latencies_are_of() -> None:
    turns = (turn(5.0), turn(20.0), turn(30.0, "interrupter"), turn(40.0, ended=False))
    assert [t.onset_s for t in counted(measured(raw=turns).result)] == [20.0]


def loaded() -> Measured:
    raw = (turn(20.0, speculation="hit", processing_s=0.02), turn(30.0, processing_s=0.04))
    return measured(further=0.6 * MB, starved_frames=2, turns=40, cut_offs=3, raw=raw)


def test_each_latency_says_on_how_many_turns_it_stands() -> None:
    runs = [(m := alone(), check(m, m)), (m := loaded(), check(m, alone()))]
    assert names(runs) == ["a single caller", "80 callers"]
    told = {label: cells for label, *cells in rows(runs)}
    assert told["decided 0.3 s or more before their end"] == ["–", "3 (7.5%)"]
    assert told["processing p50 / p95, ms (n)"] == ["50 / 50 (20)", "50 / 50 (20)"]
    assert told["of them with a reply prepared"] == ["–", "20 / 20 (1)"]
    assert told["of them without"] == ["–", "40 / 40 (1)"]
    assert told["gives way → silent p50 / p95 / p99, ms (n)"] == ["–", "1.0 / 1.0 / 1.0 (20)"]
    assert told["memory of a further session, MB"] == ["–", "0.60"]
    assert told["of them voice"] == ["0.25", "0.25"]
    assert verdict(runs[1]) == "80 callers: broken: starved_frames 2 (limit 0)"
    text = report(runs, load="normal", cores=2, picture="images/conversations.svg")
    assert "| of them interrupt | 0 | 5 |" in text
    assert "![How soon turns were answered](images/conversations.svg)" in text


def test_one_run_and_every_size_can_be_drawn(tmp_path: Path) -> None:
    turns = tuple(turn(20.0 + n, processing_s=0.01 * n, voice_to_voice_s=0.3) for n in range(5))
    draw_run(measured(raw=turns), replace(alone(), result=replace(alone().result, raw=turns[:2])), tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert text.startswith("<?xml")
    sizes = [(measured(sessions=40), True), (measured(sessions=50, paused_s=Percentiles.of([])), False)]
    draw_sizes(sizes, tmp_path / "b.svg")
    assert (tmp_path / "b.svg").stat().st_size > 10_000


@pytest.mark.models
@pytest.mark.anyio
async def test_two_callers_converse_with_a_server_that_is_measured() -> None:
    async with ServerProcess(["--listener", "picows", "--cache-mb", "0", "--chunk-ms", "40"]) as server:
        ran = await carry(server, 2, BRISK, 12.0, interrupters=1, ramp=1.0)
    assert (ran.result.sessions, ran.result.interrupters, ran.result.refusals, ran.result.errors) == (2, 1, {}, {})
    assert ran.result.calls >= 2
    assert counted(ran.result)
    assert all(turn.understood for turn in counted(ran.result))
    assert {"moonshine-tiny", "hibari-heart"} <= ran.models_cpu.keys()
    assert 0 < ran.server_cpu < 2
    assert ran.memory.mean > 50 * MB
    assert ran.ops["windows"] > 500
    compared = compare(ran.result)
    assert compared.waterfalls > 0
    assert compared.unbalanced_s < 0.001
