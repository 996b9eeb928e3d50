"""Soaks as a user runs them: what they print, and the exit status. One is small and real, the others are told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from duologue.callers.load import NORMAL
from duologue.callers.log import Log, Refusal, Story, Turn
from duologue.callers.plan import Plan
from duologue.callers.result import Percentiles, Result
from duologue.callers.run import Progress
from duologue_bench.soak.machine_speed import Piece
from duologue_bench.soak.monologue import Monologue, Phase
from duologue_bench.soak.overload import Overload, Step

NOW = Progress(1.0, 2, 3, 4, 5, 0.0)


def result(log: Log) -> Result:
    plan = Plan("ws://127.0.0.1:1/v1/stream", 10, 60.0, "booking", NORMAL, 1, 10.0)
    return Result.of(log, plan, lines="none", elapsed=70.0, cpu=1.0, lateness=[0.001], interrupted=False)


def overloaded() -> Overload:
    one = Step(
        factor=1.0, offered=10, carried=9.8, calls=20, refusals={}, stayed_away=0, turns=200,
        processing_s=Percentiles.of([0.1] * 20), voice_to_voice_s=Percentiles.of([0.6] * 20), starved_frames=0,
        dropped_s=0.0, booked=20, not_booked=0, lost=0, private_bytes=400_000_000, lateness_s=0.05,
    )  # fmt: skip
    three = replace(one, factor=3.0, offered=30, refusals={"sessions": 40}, stayed_away=5)
    log = Log(refusals=Counter(overloaded=40), refused=Counter({Refusal("overloaded", 1013, 5.0, True): 40}))
    return Overload(10, (one, three, one), 0.5, 1.0, 0, result(log))


def overheard() -> Monologue:
    turn = Turn(0, 0, "booking", "people", "four", 20.0, 22.0, 20.0, 22.0, ended=True, heard={1: "four"})
    turn.processing_s, turn.voice_to_voice_s = 0.1, 0.6
    phases = tuple(
        Phase(name, result(Log(turns=[turn])), (Piece(10.0, 70.0, 0.001, 0),)) for name in ("before", "with", "after")
    )
    return Monologue(phases, (Story("and on", "and on", 3500.0, 0.0),), 0.0, 3600.0)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the soaks come to; no server is started. `options` are those that it would have had."""
    outcomes: dict[str, Any] = {"overload": overloaded(), "monologue": overheard()}

    @asynccontextmanager
    async def server(options: list[str]) -> AsyncIterator[None]:
        outcomes["options"] = options
        yield

    async def overload(*_: object, on_progress: Any, **__: object) -> Overload:
        on_progress(NOW, 1.0)
        found: Overload = outcomes["overload"]
        return found

    async def monologue(*_: object, on_progress: Any, **__: object) -> Monologue:
        on_progress("with", NOW)
        found: Monologue = outcomes["monologue"]
        return found

    monkeypatch.setattr("duologue_bench.server.ServerProcess", server)
    monkeypatch.setattr("duologue_bench.soak.overload.overload", overload)
    monkeypatch.setattr("duologue_bench.soak.monologue.monologue", monologue)
    return outcomes


@pytest.mark.models
def test_short_calls_to_a_server_in_another_process(duologue: CommandLine, tmp_path: Path) -> None:
    plot = tmp_path / "churn.svg"
    outcome = duologue("soak", "churn", "--sessions", 20, "--at-once", 5, "--every", 10, "--plot", plot, "--json")
    found = outcome.json
    assert sum(found["visits"].values()) == 20
    assert found["otherwise"] == {}
    assert [sample["sessions"] for sample in found["samples"]] == [0, 10, 20]
    # So few calls tell nothing of memory, nor of threads that are made when they are first needed.
    left = {limit["name"]: limit["ok"] for limit in found["limits"]}
    assert {name for name, ok in left.items() if not ok} <= {"memory_per_1000_sessions", "threads"}
    assert outcome.code == (0 if all(left.values()) else 1)
    assert plot.stat().st_size > 1000


def test_overload_is_told_step_by_step(told: dict[str, Any], duologue: CommandLine, tmp_path: Path) -> None:
    plot = tmp_path / "overload.svg"
    outcome = duologue("soak", "overload", "--capacity", 10, "--plot", plot)
    assert outcome.code == 0
    assert "1x again" in outcome.out
    assert "40 sessions" in outcome.out
    assert "a call was let in after 0.5 s" in outcome.out
    assert "every limit holds" in outcome.out
    assert plot.stat().st_size > 1000
    assert told["options"][2:4] == ["--max-sessions", "10"]
    found = duologue("soak", "overload", "--max-sessions", 200, "--json").json
    assert [step["factor"] for step in found["steps"]] == [1.0, 3.0, 1.0]
    assert {limit["ok"] for limit in found["limits"]} == {True}
    assert told["options"][2:4] == ["--max-sessions", "200"]


def test_a_limit_that_does_not_hold_is_told_and_the_status_is_1(told: dict[str, Any], duologue: CommandLine) -> None:
    told["overload"] = replace(overloaded(), admitted_after_s=None, relaxed_after_s=12.0)
    outcome = duologue("soak", "overload")
    assert outcome.code == 1
    assert "broken: admitted_after_s nothing was measured (limit 10)" in outcome.out
    assert "broken: relaxed_after_s 12 (limit 10)" in outcome.out
    assert "every limit holds" not in outcome.out
    told["monologue"] = replace(overheard(), stories=())
    assert duologue("soak", "monologue", "--json").code == 1


def test_minutes_in_which_something_else_ran_are_told(told: dict[str, Any], duologue: CommandLine) -> None:
    before, beside, after = overheard().phases
    disturbed = replace(after, pieces=(*after.pieces, Piece(70.0, 130.0, 0.001, 0, others=0.8)))
    told["monologue"] = replace(overheard(), phases=(before, beside, disturbed))
    out = duologue("soak", "monologue").out
    assert "left out: 1 minutes in which something else on the machine used up to 0.8 cores" in out
    assert "1 min (33%) without it" in out


def test_a_monologue_is_told_beside_the_others(told: dict[str, Any], duologue: CommandLine, tmp_path: Path) -> None:
    plot = tmp_path / "monologue.svg"
    outcome = duologue("soak", "monologue", "--minutes", 60, "--plot", plot)
    assert outcome.code == 0
    assert plot.stat().st_size > 1000
    assert "compared: 1 min (100%) with the monologue, 1 min (50%) without it" in outcome.out
    assert "0 calls refused in these with it, 0 without" in outcome.out
    assert "the monologue: 3500 of 3600 s heard out in 1 calls" in outcome.out
    assert "every limit holds" in outcome.out
    assert "left out" not in outcome.out
    assert told["options"][-2:] == ["--timeout", "4200.0"], "the server must not end it"
    found = duologue("soak", "monologue", "--json", "--raw", "turns.jsonl").json
    rows = [json.loads(line) for line in (tmp_path / "turns.jsonl").read_text("utf-8").splitlines()]
    assert Counter(row["phase"] for row in rows) == {p["name"]: p["turns"] for p in found["phases"]}
    assert found["voice_to_voice_s"]["with"]["p95"] == found["voice_to_voice_s"]["without"]["p95"] == 0.6
    assert found["unaccounted_s"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["churn", "--plot", "churn.txt"], 1, ".png"),
        (["churn", "--sessions", 100, "--warm-up", 100], 1, "leaves none of 100"),
        (["overload", "--plot", "nowhere/plot.svg"], 1, "no folder nowhere"),
        (["overload", "--load", "heavy"], 1, "no load 'heavy'"),
        (["monologue", "--load", "heavy"], 1, "no load 'heavy'"),
        (["monologue", "--minutes", 1], 2, "--minutes"),
        (["monologue", "--sessions", 1], 2, "--sessions"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[object], code: int, said: str, duologue: CommandLine) -> None:
    outcome = duologue("soak", *arguments)
    assert outcome.code == code
    assert said in outcome.told
