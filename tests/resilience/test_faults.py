"""Every fault of every kind of provider, at each stage of a turn, in whole calls: what must hold whatever fails."""

from pathlib import Path

import fault_table
import pytest
from fault_table import ANSWER, CELLS, PACK, Cell, without_fillers

from duologue.errors import ConfigError
from duologue.testing.faults import Fault, FaultPlan

CLAUSE = len("Yes, we have a table. ")
LIMIT = 2.5
OUR_OWN_STOP = "clock_jump"
"""While the process itself stands still, nobody can say anything."""


@pytest.fixture(params=CELLS, ids=lambda cell: cell.id)
def cell(request: pytest.FixtureRequest) -> Cell:
    found: Cell = request.param
    return found


def test_no_call_ends_and_nothing_is_left_behind(cell: Cell) -> None:
    for backup in (True, False):
        heard = fault_table.run(cell, backup=backup)
        assert heard.is_live
        assert heard.tasks == set()
        assert heard.probes == 0
        if cell.fault.kind != OUR_OWN_STOP:
            assert heard.dead_air <= LIMIT


def test_with_another_provider_each_turn_is_answered_once(cell: Cell) -> None:
    heard = fault_table.run(cell, backup=True)
    if not cell.may_pass_on:
        assert ANSWER in without_fillers(heard.turns[-1])  # the breaker has opened, or it was only slow
        return
    for text in heard.turns:
        assert text.endswith(ANSWER)
        assert len(text) <= len(ANSWER) + CLAUSE
        assert PACK.apology not in text
    if cell.fault.kind != OUR_OWN_STOP:
        assert max(heard.late) < 0.4 + 1.5 + 0.1  # first_chunk, and 100 ms
        assert heard.calls <= 3


def test_alone_the_user_hears_an_answer_or_an_apology(cell: Cell) -> None:
    heard = fault_table.run(cell, backup=False)
    assert ANSWER in without_fillers(heard.turns[0]) or PACK.apology in heard.turns[0]


def test_the_page_shows_what_is_heard() -> None:
    assert fault_table.in_page(fault_table.PAGE.read_text("utf-8")) == fault_table.table(), (
        f"run: python {Path(fault_table.__file__).relative_to(Path.cwd())}"
    )


def test_a_plan_is_alike_for_the_same_seed() -> None:
    def kinds(seed: int) -> list[Fault | None]:
        plan = FaultPlan.random(seed, share=0.3)
        return [plan.next() for _ in range(200)]

    assert kinds(7) == kinds(7) != kinds(8)
    assert 30 < sum(fault is not None for fault in kinds(7)) < 90
    burst = FaultPlan.burst(Fault("error_burst"), 2)
    assert [burst.next() is None for _ in range(3)] == [False, False, True]
    with pytest.raises(ConfigError):
        FaultPlan.random(1, share=2.0)
