"""A monologue, small: all of it is understood or told to be missing. No latency is asserted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from served_here import Voice, served_here

from duologue.callers.load import NORMAL
from duologue.callers.log import Log, Story, Turn
from duologue.callers.plan import Plan
from duologue.callers.result import Result
from duologue_bench.soak.machine_speed import Piece
from duologue_bench.soak.monologue import Monologue, Phase, check, monologue


@pytest.mark.anyio
async def test_nothing_of_a_monologue_is_lost_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    told: set[str] = set()
    async with served_here(max_utterance=2.0, max_turn=2.0) as server:
        found = await monologue(
            server, 2, NORMAL, 6.0, 1.5, make_voice=Voice, on_progress=lambda phase, _: told.add(phase)
        )
    assert told == {"before", "with", "after"}
    assert [(phase.name, phase.result.calls) for phase in found.phases] == [("before", 1), ("with", 2), ("after", 1)]
    assert all(phase.result.lost == {} for phase in found.phases)
    (story,) = found.stories
    assert story.spoken_s > 0
    assert story.unaccounted_s == 0
    assert found.word_error_rate is not None
    assert found.as_dict()["monologues"] == 1


def turn(processing: float, voice_to_voice: float, **changes: Any) -> Turn:
    made = Turn(0, 0, "booking", "people", "four", 20.0, 22.0, 20.0, 22.0, ended=True, heard={1: "four"})
    made.processing_s, made.voice_to_voice_s = processing, voice_to_voice
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def found(
    processing: float = 0.1,
    voice_to_voice: float = 0.6,
    *,
    story: Story | None = None,
    late: float = 0.001,
    costs: tuple[float, ...] = (1.0,),
    refused: int = 0,
    **log: Any,
) -> Monologue:
    """`costs` of the minutes with the monologue, in all of which there are the same turns; those without it cost 1."""
    plan = Plan("ws://127.0.0.1:1/v1/stream", 10, 60.0, "booking", NORMAL, 1, 10.0)

    def phase(name: Any, *turns: Turn, **log: Any) -> Phase:
        written = Log(turns=list(turns))
        for field, value in log.items():
            setattr(written, field, value)
        result = Result.of(written, plan, lines="none", elapsed=70.0, cpu=1.0, lateness=[late], interrupted=False)
        if name != "with":
            return Phase(name, result, (Piece(10.0, 70.0, 1.0, 0),))
        return Phase(name, result, tuple(Piece(10.0, 70.0, cost, refused) for cost in costs))

    usual = turn(0.1, 0.6)
    beside = turn(processing, voice_to_voice)
    told = turn(9.0, 9.0, goes_on=True)
    phases = (phase("before", usual), phase("with", beside, told, **log), phase("after", usual))
    words = "and on " * 100
    return Monologue(phases, (story or Story(words, words, 3500.0, 0.0),), 0.0, 3600.0)


def broken(monologue: Monologue) -> set[str]:
    return {held.name for held in check(monologue) if not held.ok}


def test_others_who_notice_nothing_hold_every_limit() -> None:
    assert broken(found()) == set()


@pytest.mark.parametrize(
    ("monologue", "name"),
    [
        (found(0.12), "processing_p95_ratio"),
        (found(0.1, 0.7), "voice_to_voice_p95_ratio"),
        (found(story=Story("a b c", "a b c", 1000.0, 0.0)), "monologue_heard"),
        (found(story=Story("a b c", "a b c", 3500.0, 0.6)), "monologue_unaccounted_s"),
        (found(story=Story("a b c", "a b", 3500.0, 0.0)), "monologue_word_error_rate"),
        (found(refused=1), "refused"),
        (found(costs=(1.0, 1.2, 1.2)), "compared"),
        (found(lost=Counter({"1000 timeout": 1})), "lost"),
        (found(late=0.1), "callers_in_time"),
    ],
)
def test_each_limit_is_broken_by_what_it_is_about(monologue: Monologue, name: str) -> None:
    assert broken(monologue) == {name}


def test_a_monologue_of_which_nothing_was_understood_holds_no_limit_of_its_own() -> None:
    silent = replace(found(), stories=())
    assert broken(silent) == {"monologue_heard", "monologue_word_error_rate"}


def test_where_the_machine_was_slower_nothing_is_compared() -> None:
    minutes = found(costs=(1.0, 1.3, 0.99, 1.3))
    assert [piece.cost_s for piece in minutes.compared(with_it=True)] == [1.0, 0.99]
    assert minutes.compared_share(with_it=True) == 0.5
    assert minutes.compared_share(with_it=False) == 1.0
    assert minutes.as_dict()["compared"] == {"with": 0.5, "without": 1.0}
    nothing = replace(minutes, phases=tuple(replace(phase, pieces=()) for phase in minutes.phases))
    assert broken(nothing) == {"processing_p95_ratio", "voice_to_voice_p95_ratio", "compared"}


def test_refusals_are_told_apart_with_it_and_without_it() -> None:
    assert found(refused=3).as_dict()["refused"] == {"with": 3, "without": 0}


def test_turns_belong_to_the_minute_in_which_they_ended() -> None:
    phase = found().phases[0]
    assert len(phase.turns(Piece(10.0, 22.5, 1.0, 0))) == 1
    assert phase.turns(Piece(22.5, 70.0, 1.0, 0)) == []
