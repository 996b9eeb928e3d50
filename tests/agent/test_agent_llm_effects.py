import asyncio
from typing import Any

import pytest

from duologue.agent.llm.effects import Effects, kind_of, read_only, side_effect

pytestmark = pytest.mark.anyio


class Work:
    def __init__(self, result: object = "reference A4") -> None:
        self.calls = 0
        self.result = result
        self.gate = asyncio.Event()

    async def __call__(self) -> Any:
        self.calls += 1
        await self.gate.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


async def abandon(effects: Effects, work: Work, **arguments: Any) -> None:
    """Start the work and be cancelled while it runs."""
    waiting = asyncio.create_task(effects.perform("book", arguments, work))
    while not work.calls:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_marks() -> None:
    assert [kind_of(f) for f in (side_effect(lambda: 1), read_only(lambda: 1), lambda: 1)] == [
        "side_effect",
        "read_only",
        "plain",
    ]


async def test_nothing_done_nothing_told() -> None:
    assert Effects(1.0).note() == ""


async def test_the_result_of_an_abandoned_effect_is_kept() -> None:
    effects, work = Effects(1.0), Work()
    await abandon(effects, work, people=4)
    assert "is still running" in effects.note()
    work.gate.set()
    await effects.aclose()
    assert 'book({"people": 4}) is done; its result was: reference A4' in effects.note()


async def test_the_same_effect_while_it_runs_is_joined_and_later_done_anew() -> None:
    effects, work = Effects(1.0), Work()
    await abandon(effects, work, people=4, day="Friday")
    second = asyncio.create_task(effects.perform("book", {"day": "Friday", "people": 4}, work))
    other = asyncio.create_task(effects.perform("book", {"people": 5}, work))
    await asyncio.sleep(0)
    work.gate.set()
    assert await second == "reference A4"
    await other
    assert work.calls == 2
    await effects.perform("book", {"day": "Friday", "people": 4}, work)
    assert work.calls == 3


async def test_a_failure_is_raised_and_told() -> None:
    effects, work = Effects(1.0), Work(ValueError("secret"))
    work.gate.set()
    with pytest.raises(ValueError, match="secret"):
        await effects.perform("book", {}, work)
    assert "failed with ValueError; whether it was done is unknown" in effects.note()
    assert "secret" not in effects.note()


async def test_an_abandoned_failure_is_not_lost() -> None:
    effects, work = Effects(1.0), Work(TimeoutError())
    await abandon(effects, work)
    work.gate.set()
    await effects.aclose()
    assert "failed with TimeoutError" in effects.note()


async def test_the_deadline_ends_it_and_the_model_is_told() -> None:
    effects, work = Effects(0.01), Work()
    assert "took longer than 0.01 s" in await effects.perform("book", {}, work)
    assert "took longer than 0.01 s and was stopped" in effects.note()


async def test_what_is_remembered_is_bounded() -> None:
    effects, work = Effects(1.0), Work("x" * 10_000)
    work.gate.set()
    for people in range(100):
        await effects.perform("book", {"people": people}, work)
    assert len(effects.note()) < 20 * 600
    assert '"people": 99' in effects.note()
    assert '"people": 79' not in effects.note()
