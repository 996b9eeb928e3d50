"""A task that an agent starts cannot end the event loop, and with it all other calls."""

from __future__ import annotations

import asyncio
import contextvars
from typing import NoReturn

import pytest

from duologue.engine.accounting import OWNER, owned_by
from duologue.errors import AgentError
from duologue.server.contained_tasks import contained_tasks


async def exits(error: BaseException) -> NoReturn:
    await asyncio.sleep(0)
    raise error


async def greets() -> str:
    await asyncio.sleep(0)
    return OWNER.get()


@pytest.mark.parametrize("error", [SystemExit(2), KeyboardInterrupt()])
@pytest.mark.parametrize("inherited", [True, False])
def test_a_task_of_a_call_fails_and_the_loop_goes_on(error: BaseException, inherited: bool) -> None:
    async def serve() -> str:
        with contained_tasks(asyncio.get_running_loop()):
            if inherited:
                OWNER.set("c1")
                task = asyncio.create_task(exits(error), name="mine")
            else:
                task = asyncio.create_task(exits(error), name="mine", context=owned_by("c1"))
            assert task.get_name() == "mine"
            with pytest.raises(AgentError, match=f"raised {type(error).__name__}") as caught:
                await task
            assert caught.value.__cause__ is error
            return await asyncio.create_task(greets(), context=owned_by("c2"))

    assert asyncio.run(serve()) == "c2"


def test_a_task_of_no_call_ends_the_loop_as_ever() -> None:
    async def serve() -> None:
        with contained_tasks(asyncio.get_running_loop()):
            await asyncio.create_task(exits(SystemExit(2)), context=contextvars.Context())

    with pytest.raises(SystemExit):
        asyncio.run(serve())


def test_a_factory_that_was_there_is_used_and_comes_back() -> None:
    made = []

    def make(loop: asyncio.AbstractEventLoop, work: object, **options: object) -> asyncio.Task[str]:
        task: asyncio.Task[str] = asyncio.Task(work, loop=loop, **options)  # type: ignore[arg-type]  # as asyncio has it
        made.append(task)
        return task

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(make)  # type: ignore[arg-type]  # as asyncio has it
        with contained_tasks(loop):
            task = asyncio.create_task(greets())
            assert await task == ""
        assert made == [task]
        assert loop.get_task_factory() is make
        loop.set_task_factory(None)

    asyncio.run(serve())
