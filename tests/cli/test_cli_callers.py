"""`duologue callers`: what it prints, and how it exits. The runs themselves are tested in tests/callers."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import duologue.callers.dial as dial
import duologue.callers.run as running
import duologue_bench.recordings as recordings
from command_line import CommandLine
from duologue.callers.log import Log, Turn
from duologue.callers.plan import Plan
from duologue.callers.result import Result
from duologue.callers.run import Progress


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans of what would have been run; each is over at once, with two turns. 40 callers and more are too slow."""
    plans: list[Plan] = []

    async def run(plan: Plan, _: object, *, on_progress: Any = None) -> Result:
        plans.append(plan)
        if on_progress is not None:
            on_progress(Progress(1.0, plan.sessions, 2, 1, 0, 0.001))
        turns = [
            Turn(0, 0, plan.script, "yes", "Yes.", at, at + 1, at, at + 1, ended=True, heard={1: "Yes."},
                 voice_to_voice_s=0.512, processing_s=0.03 * plan.sessions)
            for at in (plan.ramp + 1, plan.ramp + 9)
        ]  # fmt: skip
        log = Log(turns=turns, calls=1, connected_s=20.0, outcomes=Counter({"booked": 1}), closes=Counter({"1000": 1}))
        if plan.seed == 99:
            log = Log(refusals=Counter(overloaded=3))
        late = [0.05] if plan.sessions >= 40 else [0.001]
        return Result.of(
            log, plan, lines="websockets", elapsed=plan.ramp + 20, cpu=0.1, lateness=late, interrupted=plan.seed == 130
        )

    async def check_reachable(url: str, **_: bool) -> None:
        """It is."""

    monkeypatch.setattr(dial, "check_reachable", check_reachable)
    monkeypatch.setattr(running, "run", run)
    monkeypatch.setattr(running, "prepare_run", lambda plan, **_: {})
    return plans


def test_a_table_for_people(ran: list[Plan], duologue: CommandLine) -> None:
    outcome = duologue("callers", "--sessions", "20")
    assert outcome.code == 0
    assert ran == [Plan("ws://127.0.0.1:8000/v1/stream", 20, 60.0, "booking", ran[0].load, 1, 2.0)]
    assert "20 callers, booking, normal: 20 s measured" in outcome.out
    assert "voice to voice, ms" in outcome.out
    assert "512" in outcome.out
    assert "calls: 1 (booked 1)" in outcome.out
    assert not outcome.err


def test_one_json_object_and_the_turns_in_a_file(ran: list[Plan], duologue: CommandLine, tmp_path: Path) -> None:
    outcome = duologue("callers", "--json", "--raw", "turns.jsonl", "--load", "brisk", "--seed", "7", "--ramp", "0")
    assert outcome.code == 0
    assert outcome.json["voice_to_voice_s"]["p95"] == 0.512
    assert outcome.json["load"] == "brisk"
    assert (ran[0].seed, ran[0].ramp, ran[0].load.turns_per_minute) == (7, 0.0, 7.0)
    rows = [json.loads(line) for line in (tmp_path / "turns.jsonl").read_text("utf-8").splitlines()]
    assert [row["said"] for row in rows] == ["Yes.", "Yes."]
    assert rows[0]["heard"] == "Yes."


def test_monologues_of_people(ran: list[Plan], duologue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    sounds = {"One.": np.zeros(320, np.int16), "Two.": np.zeros(320, np.int16)}
    given: list[object] = []

    def prepare_run(_: Plan, *, recorded: object, **__: object) -> dict[str, object]:
        given.append(recorded)
        return {}

    monkeypatch.setattr(recordings, "recorded_turns", lambda half: sounds if half == "test" else {})
    monkeypatch.setattr(running, "prepare_run", prepare_run)
    for more in ((), ("--find-capacity", "--sessions", "20")):
        assert duologue("callers", "--script", "monologue", "--recorded", *more).code in (0, 1)
        assert ran[-1].story == ("One.", "Two.")
        assert given[-1] is sounds


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("127.0.0.1:9", "ws://127.0.0.1:9/v1/stream"),
        ("http://one.example", "ws://one.example/v1/stream"),
        ("https://one.example/", "wss://one.example/v1/stream"),
        ("ws://one.example:9/other", "ws://one.example:9/other"),
    ],
)
def test_addresses_are_taken_as_people_have_them(given: str, used: str, ran: list[Plan], duologue: CommandLine) -> None:
    assert duologue("callers", "--url", given).code == 0
    assert ran[0].url == used


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--sessions", "40"], 1, "the run is void: the callers' own clock was 0.050 s late"),
        (["--seed", "99"], 1, "no call was opened (overloaded)"),
        (["--seed", "130"], 130, ""),
    ],
)
@pytest.mark.usefixtures("ran")
def test_a_run_that_says_nothing_of_the_server_fails(
    arguments: list[str], code: int, told: str, duologue: CommandLine
) -> None:
    outcome = duologue("callers", "--json", *arguments)
    assert outcome.code == code
    assert told in outcome.told
    assert outcome.json["valid"] is ("40" not in arguments)


@pytest.mark.usefixtures("ran")
def test_a_file_that_cannot_be_written_is_told(duologue: CommandLine) -> None:
    outcome = duologue("callers", "--raw", "nowhere/turns.jsonl")
    assert outcome.code == 1
    assert "nowhere/turns.jsonl cannot be written" in outcome.told


def test_the_capacity_is_where_a_limit_breaks(ran: list[Plan], duologue: CommandLine) -> None:
    outcome = duologue("callers", "--find-capacity", "--sessions", "2", "--raw", "turns.jsonl")
    assert outcome.code == 0
    assert [plan.sessions for plan in ran] == [2, 4, 8, 6, 7]
    assert "6 callers are carried, 7 are not: processing p95 210 ms > 200 ms" in outcome.out
    assert "8 callers: processing p95 240 ms; processing p95 240 ms > 200 ms" in outcome.told
    assert len(Path("turns.jsonl").read_text("utf-8").splitlines()) == 10
    found = duologue("callers", "--find-capacity", "--sessions", "2", "--json").json
    assert (found["carried"], found["broken_at"]) == (6, 7)
    assert [step["sessions"] for step in found["steps"]] == [2, 4, 8, 6, 7]


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize(("arguments", "code"), [(["--sessions", "40"], 1), (["--seed", "130"], 130)])
def test_a_search_that_ends_early_fails(arguments: list[str], code: int, duologue: CommandLine) -> None:
    outcome = duologue("callers", "--find-capacity", "--json", *arguments)
    assert outcome.code == code
    assert outcome.json["carried"] == 0
    assert outcome.json["void"]


@pytest.mark.parametrize("more", [(), ("--find-capacity",), ("--chaos", "1")])
def test_a_server_that_is_not_there_is_told_before_anything_is_prepared(
    more: tuple[str, ...], duologue: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare_run(*_: object, **__: object) -> None:
        raise AssertionError("nothing is prepared")

    monkeypatch.setattr(running, "prepare_run", prepare_run)
    monkeypatch.setattr(running, "load_voice", prepare_run)
    outcome = duologue("callers", "--url", "127.0.0.1:1", "--seconds", "600", "--json", *more)
    assert outcome.code == 1
    assert "127.0.0.1:1/v1/stream cannot be reached" in outcome.told
    assert "Is the server running?" in outcome.told
    assert outcome.json["error"]["code"] == "stream_error"
