"""What a model leaves unfinished goes on with whatever else waits, one run at a time."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from duologue.engine import jobs
from duologue.engine.model_threads import ModelThreads
from duologue.errors import ProviderError
from duologue.stt.steps import Pending

pytestmark = pytest.mark.anyio

PATIENCE = 10.0


class Countdown:
    """Counts each number down to zero, by one a run, and notes who was in each run."""

    name = "countdown"
    max_batch = 4

    def __init__(self) -> None:
        self.runs: list[list[str]] = []
        self.at_once = 0
        self.most_at_once = 0
        self.entered = threading.Event()
        self.opened = threading.Event()

    def size(self, item: Any) -> float:
        return 0.0

    def run(self, items: Sequence[tuple[str, int]]) -> list[str | Pending]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.entered.set()
        assert self.opened.wait(PATIENCE)
        self.runs.append(sorted(name for name, _ in items))
        self.at_once -= 1
        if any(left < 0 for _, left in items):
            raise ValueError("below zero")
        return [Pending(self, (name, left - 1)) if left else f"{name} done" for name, left in items]


class Start:
    """The first step: hands over to the countdown."""

    name = "countdown"
    max_batch = 1

    def __init__(self, countdown: Countdown) -> None:
        self.countdown = countdown

    def size(self, item: Any) -> float:
        return 15.0 if item[0].isupper() else 1.0

    def run(self, items: Sequence[tuple[str, int]]) -> list[Pending]:
        return [Pending(self.countdown, item) for item in items]


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


@asynccontextmanager
async def at_work(general: int) -> AsyncIterator[ModelThreads]:
    threads = ModelThreads(asyncio.get_running_loop(), general=general)
    try:
        yield threads
    finally:
        await asyncio.to_thread(threads.close)


async def test_what_comes_meanwhile_joins_the_next_run_and_no_two_go_on_at_once() -> None:
    countdown = Countdown()
    async with at_work(3) as threads:
        first = threads.submit(Start(countdown), ("a", 2), 1.0)
        await asyncio.to_thread(countdown.entered.wait, PATIENCE)
        others = [threads.submit(Start(countdown), (name, 1), 2.0) for name in "bc"]
        await until(lambda: len(threads._queue.continuous.waiting) == 2)
        countdown.opened.set()
        assert await asyncio.gather(first, *others) == ["a done", "b done", "c done"]
    assert countdown.most_at_once == 1
    assert countdown.runs[:3] == [["a"], ["a", "b", "c"], ["a", "b", "c"]]
    assert threads.counters.done == 3


async def test_what_is_much_longer_has_a_run_of_its_own() -> None:
    countdown = Countdown()
    async with at_work(3) as threads:
        first = threads.submit(Start(countdown), ("a", 0), 1.0)
        await asyncio.to_thread(countdown.entered.wait, PATIENCE)
        others = [threads.submit(Start(countdown), (name, 0), 3.0 if name == "L" else 2.0) for name in "Lbcd"]
        await until(lambda: len(threads._queue.continuous.waiting) == 4)
        countdown.opened.set()
        assert await asyncio.gather(first, *others) == [f"{name} done" for name in "aLbcd"]
    assert countdown.runs == [["a"], ["b", "c", "d"], ["L"]]


async def test_where_it_is_crowded_a_joint_run_waits_for_company(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_WAIT_S", PATIENCE)
    countdown = Countdown()
    countdown.opened.set()
    async with at_work(1) as threads:
        threads._utilization.note(1e6, time.monotonic())
        names = "abcd"
        assert len(names) == jobs.MIN_BATCH
        futures = [threads.submit(Start(countdown), (name, 0), k) for k, name in enumerate(names)]
        assert await asyncio.gather(*futures) == [f"{name} done" for name in names]
    assert countdown.runs == [list(names)]


async def test_one_without_company_goes_on_after_a_moment() -> None:
    countdown = Countdown()
    countdown.opened.set()
    async with at_work(1) as threads:
        threads._utilization.note(1e6, time.monotonic())
        assert await threads.submit(Start(countdown), ("a", 2), 1.0) == "a done"
    assert countdown.runs == [["a"]] * 3


async def test_other_work_is_done_while_a_joint_run_goes_on() -> None:
    countdown = Countdown()
    async with at_work(2) as threads:
        slow = threads.submit(Start(countdown), ("a", 0), 1.0)
        await asyncio.to_thread(countdown.entered.wait, PATIENCE)
        behind = threads.submit(Start(countdown), ("b", 0), 1.0)
        await until(lambda: len(threads._queue.continuous.waiting) == 1)  # begun, and held up by the first
        countdown.opened.set()
        assert [await slow, await behind] == ["a done", "b done"]


async def test_an_item_that_fails_in_a_later_step_spoils_no_other() -> None:
    countdown = Countdown()
    async with at_work(1) as threads:
        good = threads.submit(Start(countdown), ("good", 2), 1.0)
        await asyncio.to_thread(countdown.entered.wait, PATIENCE)
        bad = threads.submit(Start(countdown), ("bad", -1), 1.0)
        countdown.opened.set()
        assert await good == "good done"
        with pytest.raises(ProviderError, match="failed: ValueError"):
            await bad
    assert threads.counters.failed == 1


async def test_one_that_nobody_waits_for_any_more_does_not_go_on() -> None:
    countdown = Countdown()
    async with at_work(1) as threads:
        dropped = threads.submit(Start(countdown), ("a", 5), 1.0)
        await asyncio.to_thread(countdown.entered.wait, PATIENCE)
        dropped.cancel()
        countdown.opened.set()
        await until(lambda: threads.counters.dropped == 1)
    assert countdown.runs == [["a"]]


async def test_what_is_unfinished_when_the_threads_close_fails() -> None:
    countdown = Countdown()
    threads = ModelThreads(asyncio.get_running_loop(), general=1)
    left = threads.submit(Start(countdown), ("a", 5), 1.0)
    await asyncio.to_thread(countdown.entered.wait, PATIENCE)
    closing = asyncio.create_task(asyncio.to_thread(threads.close))
    await until(lambda: threads._closed)
    countdown.opened.set()
    await closing
    with pytest.raises(ProviderError, match="closed"):
        await left


async def test_what_a_second_of_sound_takes_is_counted_over_all_steps() -> None:
    countdown = Countdown()
    countdown.opened.set()
    async with at_work(1) as threads:
        await threads.submit(Start(countdown), ("a", 3), 1.0)
    cost = threads.costs.of["countdown"]
    assert (cost.runs, cost.items, cost.size) == (5, 1, 1.0)
    assert threads.costs.expect("countdown", 2.0) == pytest.approx(2 * cost.wall)
