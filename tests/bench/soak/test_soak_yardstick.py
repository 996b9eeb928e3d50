"""The machine's speed, told by what the callers cost."""

from __future__ import annotations

import pytest

from duologue.callers.run import Progress
from duologue_bench.soak.machine_speed import MachineSpeed, Piece, alike


def noted(costs: list[float], *, active: int = 10) -> MachineSpeed:
    """A note a second; `costs` for a second of call, a minute each."""
    used = 0.0
    speed = MachineSpeed(lambda: used)
    for second in range(60 * len(costs) + 1):
        speed.note(Progress(float(second), active, 0, 0, second // 30, 0.0))
        if second < 60 * len(costs):
            used += active * costs[second // 60]
    return speed


def test_a_piece_is_a_minute_and_tells_what_a_second_of_call_cost() -> None:
    first, second, third = noted([0.001, 0.002, 0.001]).pieces(0.0)
    assert (first.begins_s, first.ends_s, second.seconds) == (0.0, 60.0, 60.0)
    assert [p.cost_s for p in (first, second, third)] == pytest.approx([0.001, 0.002, 0.001])
    assert [p.refused for p in (first, second, third)] == [2, 2, 2]


def test_pieces_begin_after_the_ramp_and_are_as_long_as_each_other() -> None:
    pieces = noted([0.001, 0.001]).pieces(10.0)
    assert [(p.begins_s, p.ends_s) for p in pieces] == [(10.0, 65.0), (65.0, 120.0)]


def test_nothing_is_told_of_too_few_notes_and_nothing_divided_by_no_calls() -> None:
    assert MachineSpeed().pieces(0.0) == ()
    assert noted([0.001]).pieces(60.0) == ()
    assert [p.cost_s for p in noted([0.001], active=0).pieces(0.0)] == [0.0]


def test_what_else_ran_is_told_in_cores() -> None:
    elsewhere = 0.0
    speed = MachineSpeed(lambda: 0.0, lambda: elsewhere)
    for second in range(61):
        speed.note(Progress(float(second), 1, 0, 0, 0, 0.0))
        elsewhere += 0.25
    assert [p.others for p in speed.pieces(0.0)] == [0.25]


def piece(cost: float, others: float = 0.0) -> Piece:
    return Piece(0.0, 60.0, cost, 0, others)


def test_pieces_of_one_speed_are_paired_the_nearest_first_and_each_once() -> None:
    fast, faster, slow, slower = piece(1.0), piece(0.99), piece(1.3), piece(1.31)
    assert alike([fast, slow], [slower, faster]) == ([fast, slow], [slower, faster])
    assert alike([faster, fast], [piece(1.001)]) == ([fast], [piece(1.001)])
    assert alike([fast], [slow]) == ([], [])
    assert alike([], [fast]) == ([], [])
    assert alike([piece(0.0)], [piece(0.0)]) == ([], [])  # nobody called


def test_pieces_in_which_something_else_ran_are_not_compared() -> None:
    assert alike([piece(1.0, 0.3)], [piece(1.0)]) == ([], [])
    assert alike([piece(1.0)], [piece(1.0, 0.3), piece(1.01, 0.05)]) == ([piece(1.0)], [piece(1.01, 0.05)])
