"""Jobs are run in order of deadline, in batches of like size; what fails, fails for its own job alone."""

import asyncio
import threading
import time
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import pytest

from duologue.engine.accounting import owned_by
from duologue.engine.job_queue import JobQueue
from duologue.engine.model_threads import ModelThreads
from duologue.errors import InvalidAudioError, OverloadedError, ProviderError, RateLimitedError

pytestmark = pytest.mark.anyio

PATIENCE = 10.0


class Doubler:
    """Doubles numbers, and notes each run."""

    name = "doubler"

    def __init__(self, max_batch: int = 1) -> None:
        self.max_batch = max_batch
        self.runs: list[list[float]] = []

    def size(self, item: float) -> float:
        return float(item)

    def run(self, items: Sequence[float]) -> list[float]:
        self.runs.append(list(items))
        return [2 * item for item in items]


class Watched(float):
    """A number that can be watched."""

    def __new__(cls) -> Self:
        return super().__new__(cls, 2.0)


class Gate:
    """Holds its thread until it is opened."""

    name = "gate"
    max_batch = 1

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def size(self, item: Any) -> float:
        return 0.0

    def run(self, items: Sequence[Any]) -> Sequence[Any]:
        self.entered.set()
        assert self.opened.wait(PATIENCE)
        return items


class Broken:
    """Raises, or gives what it is told to give."""

    name = "broken"

    def __init__(self, outcome: Any, max_batch: int = 1) -> None:
        self.outcome = outcome
        self.max_batch = max_batch

    def size(self, item: Any) -> float:
        return 1.0

    def run(self, items: Sequence[Any]) -> Any:
        if isinstance(self.outcome, Exception) and "bad" in items:
            raise self.outcome
        return items if isinstance(self.outcome, Exception) else self.outcome


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[ModelThreads]:
    threads = ModelThreads(asyncio.get_running_loop(), **options)
    try:
        yield threads
    finally:
        await asyncio.to_thread(threads.close)


@asynccontextmanager
async def held(threads: ModelThreads, *deadlines: float | None) -> AsyncIterator[None]:
    """Hold a thread for each deadline, so that what is submitted meanwhile waits."""
    gates = [Gate() for _ in deadlines]
    jobs = [threads.submit(gate, "held", deadline) for gate, deadline in zip(gates, deadlines, strict=True)]
    for gate in gates:
        assert await asyncio.to_thread(gate.entered.wait, PATIENCE)
    try:
        yield
    finally:
        for gate in gates:
            gate.opened.set()
    assert await asyncio.gather(*jobs) == ["held"] * len(jobs)


async def test_each_job_gets_its_own_result() -> None:
    model = Doubler(max_batch=4)
    async with running() as threads:
        assert await asyncio.gather(*(threads.submit(model, i, 1.0) for i in range(20))) == list(range(0, 40, 2))
        assert threads.waiting == 0
    assert threads.counters.done == 20
    assert threads.counters.batches == len(model.runs)


async def test_the_earliest_deadline_is_first_and_equals_keep_their_order() -> None:
    model = Doubler()
    async with running(general=1) as threads:
        async with held(threads, 0.0):
            jobs = [threads.submit(model, item, at) for item, at in ((1, 3.0), (2, 1.0), (3, 2.0), (4, 1.0))]
        await asyncio.gather(*jobs)
    assert model.runs == [[2], [4], [3], [1]]


async def test_urgent_work_has_a_thread_of_its_own() -> None:
    model = Doubler()
    async with running(general=1) as threads:
        async with held(threads, 0.0):
            waits = threads.submit(model, 1, 0.0)
            assert await threads.submit(model, 2, None) == 4
            assert not waits.done()
        assert await waits == 2
    assert model.runs == [[2], [1]]


async def test_urgent_work_comes_before_any_deadline() -> None:
    model, general, first = Doubler(), Gate(), Gate()
    async with running(general=1) as threads:
        for gate, deadline in ((general, 0.0), (first, None)):
            threads.submit(gate, "held", deadline)
            assert await asyncio.to_thread(gate.entered.wait, PATIENCE)
        jobs = [threads.submit(model, 1, 0.0), threads.submit(model, 2, None)]
        general.opened.set()
        await asyncio.gather(*jobs)
        first.opened.set()
    assert model.runs == [[2], [1]]


async def test_a_batch_holds_the_nearest_sizes_up_to_max_batch() -> None:
    model = Doubler(max_batch=3)
    async with running(general=1) as threads:
        async with held(threads, 0.0):
            jobs = [threads.submit(model, size, 1.0 + i) for i, size in enumerate((0.5, 1.5, 0.6, 1.4, 0.4, 1.6))]
        assert await asyncio.gather(*jobs) == [1.0, 3.0, 1.2, 2.8, 0.8, 3.2]
    assert [sorted(run) for run in model.runs] == [[0.4, 0.5, 0.6], [1.4, 1.5, 1.6]]


async def test_a_batch_holds_no_more_seconds_than_it_may() -> None:
    assert JobQueue.MAX_BATCH_SECONDS == 6
    model = Doubler(max_batch=8)
    async with running(general=1) as threads:
        async with held(threads, 0.0):
            jobs = [threads.submit(model, size, 1.0) for size in (3.0, 3.0, 3.0, 30.0)]
        await asyncio.gather(*jobs)
    assert model.runs == [[3.0, 3.0], [3.0], [30.0]]


async def test_models_do_not_share_a_batch() -> None:
    models = Doubler(max_batch=4), Doubler(max_batch=4)
    async with running(general=1) as threads:
        async with held(threads, 0.0):
            jobs = [threads.submit(models[i % 2], 1.0, 1.0) for i in range(4)]
        await asyncio.gather(*jobs)
    assert [model.runs for model in models] == [[[1.0, 1.0]], [[1.0, 1.0]]]


async def test_cancelled_jobs_are_dropped_before_they_run() -> None:
    model = Doubler(max_batch=4)
    async with running(general=1) as threads:
        async with held(threads, 0.0):
            jobs = [threads.submit(model, item, item) for item in (1.0, 2.0, 3.0)]
            jobs[0].cancel()
            jobs[2].cancel()
        assert await jobs[1] == 4.0
        assert await threads.submit(model, 5.0, 9.0) == 10.0
    assert model.runs == [[2.0], [5.0]]
    assert threads.counters.dropped == 2


async def test_nothing_is_kept_of_a_job_that_is_cancelled_while_it_waits() -> None:
    model = Doubler()
    async with running(general=1) as threads:
        threads.costs.note(model.name, 1, 1.0, 1.0, 1.0)  # a second for a second of sound
        async with held(threads, 0.0):
            sound = Watched()
            jobs = [threads.submit(model, item, 5.0) for item in (1.0, sound, 3.0)]
            there = weakref.ref(sound)
            del sound
            assert (threads.waiting, threads.backlog) == (3, 6.0)
            jobs[1].cancel()
            await asyncio.sleep(0)
            assert there() is None
            assert (threads.waiting, threads.backlog) == (2, 4.0)
        assert [await jobs[0], await jobs[2]] == [2.0, 6.0]
        assert (threads.waiting, threads.counters.dropped) == (0, 1)
        assert not threads.backlog


async def test_a_job_that_is_cancelled_while_it_runs_has_no_result() -> None:
    gate = Gate()
    async with running(general=1) as threads:
        job = threads.submit(gate, "item", 0.0)
        assert await asyncio.to_thread(gate.entered.wait, PATIENCE)
        job.cancel()
        gate.opened.set()
        assert await threads.submit(Doubler(), 1, 1.0) == 2
        assert job.cancelled()


async def test_errors_of_the_tree_come_as_they_are() -> None:
    error = RateLimitedError("Slow down.", retry_after=3.0)
    async with running() as threads:
        with pytest.raises(RateLimitedError) as caught:
            await threads.submit(Broken(error), "bad", None)
    assert caught.value is error
    assert threads.counters.failed == 1


async def test_other_errors_come_as_provider_errors() -> None:
    async with running() as threads:
        with pytest.raises(ProviderError, match="model broken failed: ZeroDivisionError") as caught:
            await threads.submit(Broken(ZeroDivisionError("by zero")), "bad", None)
    assert caught.value.provider == "broken"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_a_bad_item_spoils_none_of_its_batch() -> None:
    model = Broken(ValueError("bad"), max_batch=4)
    async with running(general=1) as threads:
        async with held(threads, 0.0):
            jobs = [threads.submit(model, item, 1.0) for item in ("a", "bad", "b")]
        results = await asyncio.gather(*jobs, return_exceptions=True)
    assert (results[0], results[2]) == ("a", "b")
    assert isinstance(results[1], ProviderError)
    assert (threads.counters.done, threads.counters.failed) == (4, 1)  # the job that held the thread is one


@pytest.mark.parametrize("outcome", [[], [1, 2], None, 7])
async def test_a_model_that_does_not_answer_each_item_fails(outcome: Any) -> None:
    async with running() as threads:
        with pytest.raises(ProviderError, match="model broken failed"):
            await threads.submit(Broken(outcome), "item", None)
        assert await threads.submit(Doubler(), 1, None) == 2  # the thread lives


async def test_an_item_that_the_model_cannot_take_is_refused_at_once() -> None:
    class Picky(Doubler):
        def size(self, item: Any) -> float:
            return float(len(item))

    async with running() as threads:
        with pytest.raises(ProviderError, match="doubler failed: TypeError"):
            threads.submit(Picky(), 5, None)


async def test_a_model_may_refuse_an_item_with_an_error_of_its_own() -> None:
    class Strict(Doubler):
        def size(self, item: Any) -> float:
            raise InvalidAudioError("Too long.")

    async with running() as threads:
        with pytest.raises(InvalidAudioError, match="Too long"):
            threads.submit(Strict(), 5, None)


async def test_too_much_work_is_refused() -> None:
    model = Doubler()
    async with running(general=1, max_waiting=2) as threads:
        async with held(threads, 0.0):
            jobs = [threads.submit(model, 1, 1.0), threads.submit(model, 2, 1.0)]
            with pytest.raises(OverloadedError, match="2 pieces of work") as caught:
                threads.submit(model, 3, 0.0)
        assert caught.value.retry_after == 1.0
        assert await asyncio.gather(*jobs) == [2, 4]
        assert threads.counters.refused == 1


async def test_close_waits_for_what_runs_and_fails_what_waits() -> None:
    gate, model = Gate(), Doubler()
    threads = ModelThreads(asyncio.get_running_loop(), general=1)
    runs = threads.submit(gate, "item", 0.0)
    assert await asyncio.to_thread(gate.entered.wait, PATIENCE)
    waits, forgotten = threads.submit(model, 1, 1.0), threads.submit(model, 1, 1.0)
    forgotten.cancel()
    closing = asyncio.create_task(asyncio.to_thread(threads.close))
    with pytest.raises(ProviderError, match="engine is closed, and doubler was not run"):
        await waits
    gate.opened.set()
    assert await runs == "item"
    await closing
    assert model.runs == []


async def test_close_leaves_a_run_behind_that_does_not_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("duologue.engine.model_threads.CLOSE_TIMEOUT_S", 0.0)
    gate = Gate()
    threads = ModelThreads(asyncio.get_running_loop(), general=1)
    runs = threads.submit(gate, "item", 0.0)
    assert await asyncio.to_thread(gate.entered.wait, PATIENCE)
    await asyncio.to_thread(threads.close)
    assert "duologue-model-0 is still in a run after 0 s, and is left behind." in caplog.messages
    gate.opened.set()
    assert await runs == "item"
    monkeypatch.undo()
    await asyncio.to_thread(threads.close)


async def test_nothing_is_taken_after_close() -> None:
    async with running() as threads:
        pass
    with pytest.raises(ProviderError, match="engine is closed"):
        threads.submit(Doubler(), 1, None)
    threads.close()


async def test_close_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    threads = ModelThreads(asyncio.get_running_loop(), general=3)
    assert len({t for t in threading.enumerate() if t.name.startswith("duologue-")} - before) == 4
    threads.close()
    assert {t for t in threading.enumerate() if t.name.startswith("duologue-")} <= before


def test_results_that_come_after_the_loop_has_closed_are_nobodys() -> None:
    loop = asyncio.new_event_loop()
    gate = Gate()
    threads = ModelThreads(loop, general=1)
    job = threads.submit(gate, "item", 0.0)
    assert gate.entered.wait(PATIENCE)
    loop.close()
    gate.opened.set()
    threads.close()
    assert not job.done()


async def test_what_waits_is_worth_the_seconds_that_it_is_expected_to_take() -> None:
    async with running(general=2) as threads:
        threads.costs.note("doubler", items=1, size=1.0, wall=0.5, cpu=0.5)
        idle = [threads.idle]
        async with held(threads, 0.0, 0.0):
            idle.append(threads.idle)
            jobs = [threads.submit(Doubler(), 2.0, 1.0) for _ in range(3)]
            assert threads.backlog == pytest.approx(3 * 2.0 * 0.5 / 2)
        await asyncio.gather(*jobs)
        assert idle == [True, False]
        assert threads.backlog == pytest.approx(0.0)
        assert threads.costs.of["doubler"].items == 4


async def test_a_session_beyond_its_fair_share_waits_for_the_others() -> None:
    model = Doubler()

    async def submit(item: float) -> Any:
        return await threads.submit(model, item, 1.0)

    async with running(general=1) as threads:
        async with held(threads, 0.0):
            jobs = []
            for owner, item in (("monologue", 40.0), ("monologue", 1.0), ("other", 2.0)):
                jobs.append(asyncio.create_task(submit(item), context=owned_by(owner)))
                await asyncio.sleep(0)
        await asyncio.gather(*jobs)
    assert model.runs == [[40.0], [2.0], [1.0]]


@pytest.mark.parametrize("counted", [True, False])
async def test_only_usage_that_counts_is_charged(counted: bool) -> None:
    async def submit() -> Any:
        return await threads.submit(Doubler(), 60.0, 1.0, count_usage=counted)

    async with running() as threads:
        await asyncio.create_task(submit(), context=owned_by("a"))
        assert (threads._fair_share.delay("a", time.monotonic()) > 0) is counted


async def test_what_was_dropped_before_its_turn_is_refunded() -> None:
    async def submit() -> Any:
        return await threads.submit(Doubler(), 60.0, 1.0)

    async with running(general=1) as threads, held(threads, 0.0):
        waits = asyncio.create_task(submit(), context=owned_by("a"))
        await asyncio.sleep(0)
        before = threads._fair_share.delay("a", time.monotonic())
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        await asyncio.sleep(0)
        after = threads._fair_share.delay("a", time.monotonic())
    assert before > 0 == after


async def test_speech_that_is_about_to_be_missed_may_use_the_thread_for_first_clauses() -> None:
    model = Doubler()
    async with running(general=1) as threads:
        async with held(threads, 0.0):
            late = threads.submit(model, 1, time.monotonic() + 3600.0, is_speech=True)
            assert await threads.submit(model, 2, time.monotonic(), is_speech=True) == 4
            assert not late.done()
        assert await late == 2
    assert model.runs == [[2], [1]]


async def test_threads_that_work_are_busy() -> None:
    async with running(general=1) as threads:
        assert not threads.busy
        async with held(threads, 0.0):
            threads._utilization.note(10.0, time.monotonic())
            busy = threads.busy
        assert busy


class Deadly(Doubler):
    """Ends the thread that runs it."""

    name = "deadly"

    def run(self, items: Sequence[float]) -> list[float]:
        raise SystemExit


@pytest.mark.parametrize("deadline", [0.0, None])  # A general thread, or the one for first clauses.
async def test_a_thread_that_died_fails_its_job_and_is_replaced(
    deadline: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(general=1) as threads:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ProviderError, match="The thread that ran deadly died"):
                await threads.submit(Deadly(), 1.0, deadline)
            while all(thread.is_alive() for thread in threads._threads):
                await asyncio.sleep(0.001)
        assert threads.running == 0
        threads.mend()
        threads.mend()
        assert threads.is_whole
        assert threads.counters.threads_replaced == 1
        assert "died, and is replaced" in caplog.text
        assert await threads.submit(Doubler(), 2.0, deadline) == 4.0
