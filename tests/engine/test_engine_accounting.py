"""Plain numbers by which the engine shares models out; time is passed in."""

import asyncio

import pytest

from duologue.engine.accounting import OWNER, CostModel, FairShare, Lateness, Utilization, owned_by


def test_work_is_expected_to_take_what_it_took_of_late() -> None:
    costs = CostModel()
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
    costs = CostModel()
    costs.note("gate", items=1, size=0.0, wall=1.0, cpu=1.0)
    assert costs.expect("gate", 0.0) == 0.0


def test_lateness_is_a_recent_average() -> None:
    lateness = Lateness()
    assert lateness.at(100.0) == 0.0
    for n in range(400):
        lateness.note(0.3, 100.0 + n / 100)
    assert lateness.at(104.0) == pytest.approx(0.3, rel=0.01)
    for n in range(3000):
        lateness.note(0.0, 104.0 + n / 100)
    assert lateness.at(134.0) < 0.01


def test_lateness_decays_while_nothing_is_done() -> None:
    lateness = Lateness()
    lateness.note(0.3, 100.0)
    assert lateness.at(100.0) == pytest.approx(0.3)
    assert lateness.at(110.0) < 0.1
    assert lateness.at(200.0) < 1e-6


def test_much_lateness_decays_as_soon_as_little() -> None:
    lateness = Lateness()
    for job in range(2000):
        lateness.note(0.4, 60.0 + job / 50)
    assert lateness.at(100.0) == pytest.approx(0.4, rel=0.01)
    assert lateness.at(104.0) < 0.2


def test_a_session_that_talks_as_others_do_waits_for_none() -> None:
    fair_share = FairShare()
    for turn in range(20):
        fair_share.add("normal", 7.0, turn * 15.0)
        assert fair_share.delay("normal", turn * 15.0) == 0.0


def test_the_deadlines_of_a_monologue_move_back_and_recover() -> None:
    fair_share = FairShare()
    for part in range(10):
        fair_share.add("monologue", 15.0, part * 15.0)
    now = 9 * 15.0
    assert fair_share.delay("monologue", now) > 0.2
    assert fair_share.delay("other", now) == 0.0
    for _ in range(100):
        fair_share.add("flood", 30.0, now)
    assert fair_share.delay("flood", now) == FairShare.MAX_DELAY_S
    assert fair_share.delay("flood", now + 120.0) == 0.0


def test_work_of_no_session_is_charged_to_none() -> None:
    fair_share = FairShare()
    fair_share.add("", 1e6, 0.0)
    assert fair_share.delay("", 0.0) == 0.0


def test_balances_are_kept_for_so_many_sessions_and_the_oldest_go_first() -> None:
    fair_share = FairShare()
    for n in range(FairShare.MAX_OWNERS + 1):
        fair_share.add(f"s{n}", 100.0, 0.0)
    assert fair_share.delay("s0", 0.0) == 0.0
    assert fair_share.delay("s1", 0.0) > 0.0


@pytest.mark.anyio
async def test_a_task_knows_whose_work_it_does() -> None:
    async def whose() -> str:
        return OWNER.get()

    first = asyncio.create_task(whose(), context=owned_by("a"))
    second = asyncio.create_task(whose(), context=owned_by("b"))
    assert list(await asyncio.gather(first, second, whose())) == ["a", "b", ""]


def test_the_share_of_the_time_that_threads_work_is_of_the_last_seconds() -> None:
    utilization = Utilization(threads=2)
    for n in range(1000):
        utilization.note(0.05, n / 10)
    assert utilization.at(100.0) == pytest.approx(0.25, rel=0.1)
    assert utilization.at(130.0) < 0.01
