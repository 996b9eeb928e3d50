"""What the server says of its turns is held against what the callers measured."""

from __future__ import annotations

from typing import Any

from duologue.callers.load import NORMAL
from duologue.callers.log import Log, Turn
from duologue.callers.plan import Plan
from duologue.callers.result import Result
from duologue_bench.waterfall import check, compare


def turn(measured: float | None, told: float | None, onset: float = 20.0, **changes: Any) -> Turn:
    made = Turn(0, 0, "booking", "people", "four", onset, onset + 1, onset, onset + 1, ended=True)
    made.generation = made.told_generation = 1
    made.voice_to_voice_s, made.told_voice_to_voice_s = measured, told
    made.heard_end_s = made.line_end_s + 0.06
    if told is not None:
        made.parts_s = {"speech_end": 0.1, "voice": told - 0.1}
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def result(*turns: Turn, late: float = 0.001) -> Result:
    plan = Plan("ws://127.0.0.1:1/v1/stream", 4, 60.0, "booking", NORMAL, 1, 10.0)
    log = Log(turns=list(turns))
    return Result.of(log, plan, lines="none", elapsed=70.0, cpu=1.0, lateness=[late], interrupted=False)


def broken(found: Result) -> set[str]:
    return {held.name for held in check(compare(found)) if not held.ok}


def test_a_bias_and_the_distance_from_it() -> None:
    turns = [turn(0.5 + 0.001 * n, 0.42 + 0.002 * n) for n in range(21)]  # -80 to -60 ms
    found = compare(result(*turns))
    assert (found.waterfalls, found.turns) == (21, 21)
    assert (found.server_p50_s, found.caller_p50_s) == (0.44, 0.51)
    assert (found.bias_s, found.of_it_speech_end_s) == (-0.07, -0.06)
    assert (found.spread_p50_s, found.spread_p95_s, found.spread_max_s) == (0.005, 0.01, 0.01)
    assert found.parts_p50_s == {"speech_end": 0.1, "voice": 0.34}
    assert broken(result(*turns)) == set()
    assert found.as_dict()["bias_s"] == -0.07


def test_turns_of_which_one_side_knows_nothing_are_left_out() -> None:
    turns = [
        turn(0.5, 0.4),
        turn(None, 0.4),  # nobody heard the answer
        turn(0.5, None),  # it was typed
        turn(0.5, 0.1, told_generation=2),  # the server tells of another reply
        turn(0.5, 0.1, onset=5.0),  # in the ramp
        turn(0.5, 0.1, ended=False),
    ]
    found = compare(result(*turns))
    assert (found.waterfalls, found.turns, found.bias_s, found.spread_max_s) == (5, 1, -0.1, 0.0)


def test_each_limit_is_broken_by_what_it_is_about() -> None:
    good = [turn(0.5, 0.4) for _ in range(20)]
    assert broken(result(*good)) == set()
    assert broken(result(*good, turn(0.5, 0.4, parts_s={"voice": 0.39}))) == {"unbalanced_s"}
    assert broken(result(*good, turn(0.5, 0.33), turn(0.5, 0.47))) == {"spread_p95_s"}
    assert broken(result(*good, late=0.1)) == {"callers_in_time"}
    assert broken(result()) == {"spread_p95_s"}
