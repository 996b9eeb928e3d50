"""Callers talk as much as they are told to, however long the agent takes."""

import random

import pytest

from duologue.callers.load import LOADS, LONGEST_S, SHORTEST_S, Load, Pace


@pytest.mark.parametrize("load", LOADS.values(), ids=lambda load: load.name)
def test_the_load_is_the_one_that_was_asked_for(load: Load) -> None:
    draw = random.Random(1)
    pace = Pace(load, 50.0)
    now = 50.0
    starts: list[float] = []
    spoken = 0.0
    while now < 650.0:
        start = pace.next_start(now)
        assert start >= now + 0.3
        starts.append(start)
        wanted = pace.length()
        assert SHORTEST_S <= wanted <= LONGEST_S
        said = wanted + draw.uniform(-0.8, 0.8)
        pace.spoke(said)
        spoken += said
        now = start + said + draw.uniform(2.0, 4.5)  # the reply
    elapsed = now - 50.0
    assert len(starts) / elapsed * 60 == pytest.approx(load.turns_per_minute, rel=0.03)
    assert spoken / elapsed == pytest.approx(load.talk, rel=0.03)


def test_who_was_kept_waiting_catches_up_by_two_turns_at_most() -> None:
    pace = Pace(Load("test", 0.3, 6.0), 0.0)
    assert pace.next_start(100.0) == pytest.approx(100.3)
    quick = 0
    now = 100.0
    while pace.next_start(now) == pytest.approx(now + 0.3):
        pace.spoke(1.0)
        now += 1.3
        quick += 1
    assert quick == 3
