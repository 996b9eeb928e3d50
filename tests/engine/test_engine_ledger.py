"""Plain numbers by which the engine shares itself out; time is handed in."""

import asyncio

import pytest

from duologue.engine.ledger import OWNER, Costs, Debts, Share, Strain, owned_by


def test_work_is_expected_to_take_what_it_took_of_late() -> None:
    costs = Costs()
    assert costs.expect("stt", 4.0) == 0.0
    costs.note("stt", items=2, size=10.0, wall=0.5, cpu=0.4)
    assert costs.expect("stt", 4.0) == pytest.approx(0.2)
    for _ in range(100):
        costs.note("stt", items=1, size=10.0, wall=1.0, cpu=0.9)
    assert costs.expect("stt", 4.0) == pytest.approx(0.4, rel=0.01)
    assert (costs.of["stt"].runs, costs.of["stt"].items, costs.of["stt"].size) == (101, 102, 1010.0)
    assert costs.of["stt"].cpu == pytest.approx(90.4)
    assert costs.expect("tts", 1.0) == 0.0


def test_an_item_without_size_costs_nothing_and_divides_nothing() -> None:
    costs = Costs()
    costs.note("gate", items=1, size=0.0, wall=1.0, cpu=1.0)
    assert costs.expect("gate", 0.0) == 0.0


def test_strain_is_how_late_work_is_and_passes() -> None:
    strain = Strain()
    assert strain.at(100.0) == 0.0
    for n in range(400):
        strain.note(0.3, 100.0 + n / 100)
    assert strain.at(104.0) == pytest.approx(0.3, rel=0.01)
    for n in range(3000):
        strain.note(0.0, 104.0 + n / 100)
    assert strain.at(134.0) < 0.01


def test_strain_is_forgotten_where_nothing_is_done() -> None:
    strain = Strain()
    strain.note(0.3, 100.0)
    assert strain.at(100.0) == pytest.approx(0.3)
    assert strain.at(110.0) < 0.1
    assert strain.at(200.0) < 1e-6


def test_much_strain_is_forgotten_as_soon_as_little() -> None:
    strain = Strain()
    for job in range(2000):
        strain.note(0.4, 60.0 + job / 50)
    assert strain.at(100.0) == pytest.approx(0.4, rel=0.01)
    assert strain.at(104.0) < 0.2


def test_a_session_that_talks_as_others_do_waits_for_none() -> None:
    debts = Debts()
    for turn in range(20):
        debts.add("normal", 7.0, turn * 15.0)
        assert debts.delay("normal", turn * 15.0) == 0.0


def test_a_monologue_has_its_deadlines_put_off_and_is_forgiven() -> None:
    debts = Debts()
    for part in range(10):
        debts.add("monologue", 15.0, part * 15.0)
    now = 9 * 15.0
    assert debts.delay("monologue", now) > 0.2
    assert debts.delay("other", now) == 0.0
    for _ in range(100):
        debts.add("flood", 30.0, now)
    assert debts.delay("flood", now) == Debts.MOST
    assert debts.delay("flood", now + 120.0) == 0.0


def test_work_of_nobody_in_particular_owes_nothing() -> None:
    debts = Debts()
    debts.add("", 1e6, 0.0)
    assert debts.delay("", 0.0) == 0.0


def test_debts_are_kept_of_so_many_sessions_and_the_oldest_go_first() -> None:
    debts = Debts()
    for n in range(Debts.MAX_OWNERS + 1):
        debts.add(f"s{n}", 100.0, 0.0)
    assert debts.delay("s0", 0.0) == 0.0
    assert debts.delay("s1", 0.0) > 0.0


@pytest.mark.anyio
async def test_a_task_knows_whose_work_it_does() -> None:
    async def whose() -> str:
        return OWNER.get()

    first = asyncio.create_task(whose(), context=owned_by("a"))
    second = asyncio.create_task(whose(), context=owned_by("b"))
    assert list(await asyncio.gather(first, second, whose())) == ["a", "b", ""]


def test_the_share_of_the_time_that_threads_work_is_of_the_last_seconds() -> None:
    share = Share(threads=2)
    for n in range(1000):
        share.note(0.05, n / 10)
    assert share.at(100.0) == pytest.approx(0.25, rel=0.1)
    assert share.at(130.0) < 0.01
