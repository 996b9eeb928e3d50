"""When a joint run may begin."""

import asyncio
from typing import Any

import pytest

from duologue.engine.jobs import COMPANY, GATHER, Job, Joint, padding

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
    joint = Joint()
    assert joint.begins_in(5.0, crowded=False) is None
    joint.add([job(1.0, 5.0)])
    joint.runs = True
    assert joint.begins_in(99.0, crowded=False) is None


async def test_where_there_is_room_it_begins_at_once() -> None:
    joint = Joint()
    joint.add([job(1.0, 5.0)])
    assert joint.begins_in(5.0, crowded=False) == 0.0


async def test_where_it_is_crowded_it_begins_when_the_first_has_waited() -> None:
    joint = Joint()
    joint.add([job(1.0, 5.5)])
    joint.add([job(2.0, 5.0)])
    assert joint.begins_in(5.0 + GATHER / 4, crowded=True) == pytest.approx(GATHER * 3 / 4)
    assert joint.begins_in(5.0 + GATHER * 2, crowded=True) == 0.0


async def test_it_begins_when_enough_are_there() -> None:
    joint = Joint()
    joint.add([job(float(k), 5.0) for k in range(COMPANY)])
    assert joint.begins_in(5.0, crowded=True) == 0.0


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
