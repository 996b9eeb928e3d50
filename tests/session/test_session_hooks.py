"""Hooks run in order and one at a time; whatever they do, the call goes on."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from duologue.errors import DuologueError
from duologue.session import ErrorRaised, TurnMeasured, VoiceSession, hooks
from duologue.session.hooks import MAX_WAITING, Hooks
from duologue.testing.agents import ScriptedAgent
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio


class Told:
    """Keeps errors."""

    def __init__(self) -> None:
        self.errors: list[DuologueError] = []

    def __call__(self, error: DuologueError) -> None:
        self.errors.append(error)


async def test_plain_and_async_hooks_run_in_order_and_one_at_a_time() -> None:
    order: list[str] = []
    told = Told()

    async def slow(n: int) -> None:
        order.append(f"begin {n}")
        await asyncio.sleep(0)
        order.append(f"end {n}")

    def plain(n: int) -> None:
        order.append(f"plain {n}")

    run = Hooks(told)
    run.call(slow, 1)
    run.call(None, 2)
    run.call(plain, 3)
    run.call(slow, 4)
    assert order == []
    await run.close()
    assert order == ["begin 1", "end 1", "plain 3", "begin 4", "end 4"]
    assert told.errors == []


async def test_a_hook_that_raises_is_told_of_and_the_next_runs() -> None:
    told = Told()
    order: list[str] = []

    def broken() -> None:
        raise ZeroDivisionError

    async def also_broken() -> None:
        raise asyncio.CancelledError

    run = Hooks(told)
    for hook in (broken, also_broken, lambda: order.append("next")):
        run.call(hook)
    await run.close()
    assert [e.message for e in told.errors] == [
        "The hook broken failed: ZeroDivisionError.",
        "The hook also_broken failed: CancelledError.",
    ]
    assert {e.code for e in told.errors} == {"hook_error"}
    assert isinstance(told.errors[0].__cause__, ZeroDivisionError)
    assert order == ["next"]


@pytest.mark.parametrize("fault", [SystemExit(2), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
async def test_a_hook_that_exits_fails_alone(fault: BaseException) -> None:
    called: list[str] = []

    async def leaves() -> None:
        raise fault

    told = Told()
    run = Hooks(told)
    run.call(leaves)
    run.call(called.append, "next")
    await run.close()
    assert [e.message for e in told.errors] == [f"The hook leaves failed: {type(fault).__name__}."]
    assert called == ["next"]


async def test_a_hook_that_cancels_its_own_task_keeps_no_other_from_being_called() -> None:
    told, called = Told(), []

    async def cancels() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:  # as libraries do whose deadlines cancel the task
            raise TimeoutError from None

    run = Hooks(told)
    run.call(cancels)
    run.call(lambda: called.append("while it waited"))
    await asyncio.sleep(0.01)
    run.call(cancels)
    run.call(lambda: called.append("at the end"))
    await run.close()
    assert called == ["while it waited", "at the end"]
    assert [error.message for error in told.errors] == ["A hook cancelled the task that ran it."] * 2


async def test_a_hook_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "DEADLINE", 0.01)
    told = Told()
    run = Hooks(told)

    async def stuck() -> None:
        await asyncio.get_running_loop().create_future()

    run.call(stuck)
    await run.close()
    assert [e.message for e in told.errors] == ["The hook stuck took more than 0.01 s."]


async def test_who_gives_up_waiting_for_hooks_gives_them_up() -> None:
    told = Told()
    order: list[str] = []

    async def stuck() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            order.append("let go")

    run = Hooks(told)
    run.call(stuck)
    run.call(order.append, "next")
    before = asyncio.all_tasks()
    closing = asyncio.create_task(run.close())
    for _ in range(3):
        await asyncio.sleep(0)
    closing.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert (closing.cancelled(), order, told.errors) == (True, ["let go"], [])
    assert len(asyncio.all_tasks()) == len(before) - 1


async def test_only_so_many_hooks_wait() -> None:
    told = Told()
    run = Hooks(told)
    called: list[int] = []
    for n in range(MAX_WAITING + 3):
        run.call(called.append, n)
    await run.close()
    assert called == list(range(MAX_WAITING))
    assert [e.code for e in told.errors] == ["overloaded"] * 3


async def test_there_is_a_task_only_while_a_hook_waits() -> None:
    run = Hooks(Told())
    before = asyncio.all_tasks()
    run.call(None)
    assert asyncio.all_tasks() == before
    called: list[int] = []
    for n in range(2):
        run.call(called.append, n)
        assert len(asyncio.all_tasks()) == len(before) + 1
        await run.close()
        assert asyncio.all_tasks() == before
    assert called == [0, 1]


# --- of a session ---


async def test_a_session_calls_its_hooks_at_the_start_after_each_turn_and_at_the_end() -> None:
    order: list[Any] = []

    async def on_start(session: Any) -> None:
        order.append(("start", session.id))

    def on_turn(session: Any, measured: TurnMeasured) -> None:
        order.append(("turn", measured.turn))

    async def on_end(session: Any, record: Any) -> None:
        order.append(("end", record.reason, len(record.turns)))

    agent = ScriptedAgent("Yes.", [], "No.")
    async with VirtualCall(agent, on_start=on_start, on_turn=on_turn, on_end=on_end) as call:
        for text in ("One.", "Two.", "Three."):
            await call.say(text)
    assert order == [("start", call.session.id), ("turn", 1), ("turn", 3), ("end", "closed", 3)]


async def test_the_last_hook_sees_what_was_heard_last() -> None:
    heard: list[str] = []
    async with VirtualCall(
        ScriptedAgent("This is a thing. And this is another thing."),
        on_end=lambda _, record: heard.append(record.turns[-1].heard_text),
    ) as call:
        await call.speak("Hello.")
        await call.silence(2.5)
    assert heard == ["This is a thing."]


async def test_a_hook_that_fails_is_an_event_and_the_call_goes_on() -> None:
    def on_start(session: Any) -> None:
        raise ZeroDivisionError

    async with VirtualCall(ScriptedAgent("Yes."), on_start=on_start) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).code == "hook_error"
        assert call.heard == ["Yes."]


async def test_the_end_is_told_once() -> None:
    ends: list[str] = []
    async with VirtualCall(ScriptedAgent("Yes."), on_end=lambda _, record: ends.append(record.reason)) as call:
        await call.session.close("first")
        await call.session.close("second")
    assert ends == ["first"]


async def test_hooks_that_hold_on_are_given_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "DEADLINE", 0.005)
    monkeypatch.setattr(hooks, "CLOSING", 0.02)
    told = Told()
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()

    run = Hooks(told)
    run.call(stubborn)
    await run.close()
    assert [e.message for e in told.errors] == ["The hooks took more than 0.02 s when the call had ended."]
    release.set()
    await asyncio.sleep(0)


async def test_a_hook_may_close_its_own_session() -> None:
    async def end(session: VoiceSession, _: TurnMeasured) -> None:
        await session.close("enough")

    async with VirtualCall(ScriptedAgent("Yes."), on_turn=end) as call:
        await call.say("Hello.")
        assert call.session.record.reason == "enough"
        assert not call.session.record.errors
