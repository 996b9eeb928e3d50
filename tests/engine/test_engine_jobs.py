"""When the next step of a continuous batch may begin."""

import asyncio
from typing import Any

import pytest

from duologue.engine.jobs import MAX_WAIT_S, MIN_BATCH, ContinuousBatch, Job, padding

pytestmark = pytest.mark.anyio


class Model:
    name = "model"
    max_batch = 8

    def size(self, item: Any) -> float:
        return 1.0

    def run(self, items: Any) -> Any:
        return items


def job(rank: float, since: float) -> Job:
    one = Job(rank, 0, Model(), None, 1.0, 1.0, rank, asyncio.get_running_loop().create_future())
    one.go_on(Model(), None, since)
    return one


async def test_nothing_begins_where_nothing_waits_or_a_run_goes_on() -> None:
    batch = ContinuousBatch()
    assert batch.begins_in(5.0, is_crowded=False) is None
    batch.add([job(1.0, 5.0)])
    batch.is_running = True
    assert batch.begins_in(99.0, is_crowded=False) is None


async def test_where_there_is_room_it_begins_at_once() -> None:
    batch = ContinuousBatch()
    batch.add([job(1.0, 5.0)])
    assert batch.begins_in(5.0, is_crowded=False) == 0.0


async def test_where_it_is_crowded_it_begins_when_the_first_has_waited() -> None:
    batch = ContinuousBatch()
    batch.add([job(1.0, 5.5)])
    batch.add([job(2.0, 5.0)])
    assert batch.begins_in(5.0 + MAX_WAIT_S / 4, is_crowded=True) == pytest.approx(MAX_WAIT_S * 3 / 4)
    assert batch.begins_in(5.0 + MAX_WAIT_S * 2, is_crowded=True) == 0.0


async def test_it_begins_when_enough_are_there() -> None:
    batch = ContinuousBatch()
    batch.add([job(float(k), 5.0) for k in range(MIN_BATCH)])
    assert batch.begins_in(5.0, is_crowded=True) == 0.0


async def test_what_has_been_written_on_before_has_waited_already() -> None:
    one = job(1.0, 5.0)
    one.go_on(Model(), None, 9.0)
    assert one.since == 5.0


async def test_what_is_shorter_is_filled_up_to_the_longest() -> None:
    jobs = [job(1.0, 5.0) for _ in range(3)]
    for one, length in zip(jobs, (2.0, 5.0, 3.0), strict=True):
        one.length = length
    assert padding(jobs) == 5.0
    assert padding(jobs[:1]) == 0.0
