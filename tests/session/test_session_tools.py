"""Tool calls of an agent become events that are placed in time beside the stages of their turn."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from duologue.agent import Reply, ToolCall, Turn
from duologue.session import ToolCalled, TurnMeasured
from duologue.session.measure import MAX_ANSWERED, MAX_TOOLS, Stopwatch
from duologue.session.tool_reports import MAX_TOOL_NAME
from duologue.testing.fakes import FOREVER, pause
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio


class Caller:
    """Calls its tools before it answers."""

    def __init__(self, *tools: str, speculative: bool = False) -> None:
        self.speculative = speculative
        self.tools = tools

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        for name in self.tools:
            with turn.tool(name):
                await asyncio.sleep(0)
        yield "Here it is."


@pytest.mark.parametrize("speculative", [False, True])
async def test_a_tool_is_called_between_the_decision_and_the_first_text(speculative: bool) -> None:
    async with VirtualCall(Caller("find_table", "x" * 200, speculative=speculative)) as call:
        await call.say("Hello.")
        found, long = call.of(ToolCalled)
        measured = call.one(TurnMeasured)
    assert (found.turn, found.generation) == (measured.turn, measured.generation)
    assert (found.name, found.outcome) == ("find_table", "done")
    assert 0 <= found.started <= found.finished <= long.started <= long.finished <= measured.stages["first_text"]
    assert long.name == "x" * MAX_TOOL_NAME


async def test_a_tool_that_raises_has_failed() -> None:
    async def agent(turn: Turn) -> str:
        try:
            with turn.tool("find_table"):
                raise LookupError("This is not for the event.")
        except LookupError:
            return "There is none."

    async with VirtualCall(agent) as call:
        await call.say("Hello.")
        called = call.one(ToolCalled)
        assert (called.outcome, call.heard) == ("failed", ["There is none."])
        assert "not for the event" not in repr(called)


async def test_the_name_of_a_tool_is_text_that_can_be_shown() -> None:
    async def agent(text: str, turn: Turn) -> str:
        with turn.tool("look\ud800\x00up"):
            return "Done."

    async with VirtualCall(agent) as call:
        await call.say("Hello.")
        assert call.one(ToolCalled).name == "look\ufffdup"


async def test_a_tool_of_an_interrupted_reply_is_stopped() -> None:
    async def agent(turn: Turn) -> AsyncIterator[str]:
        yield "One moment, please."
        with turn.tool("find_table"):
            await pause(FOREVER)

    async with VirtualCall(agent) as call:
        await call.speak("Hello.")
        await call.silence(1.0)
        assert not call.of(ToolCalled)
        call.session.interrupt()
        await call.silence(0.1)
        assert call.one(ToolCalled).outcome == "stopped"


async def test_a_turn_that_outlives_its_session_reports_to_nobody() -> None:
    turns: list[Turn] = []

    async def agent(turn: Turn) -> str:
        turns.append(turn)
        return "Yes."

    async with VirtualCall(agent) as call:
        await call.say("Hello.")
        with turns[0].tool("send_mail"):
            pass
        assert call.one(ToolCalled).name == "send_mail"
        with turns[0].tool("late"):
            await call.session.close()
    assert [called.name for called in call.of(ToolCalled)] == ["send_mail"]
    del call
    with turns[0].tool("later"):
        pass


def test_what_is_kept_of_replies_that_are_never_answered_is_bounded() -> None:
    stopwatch = Stopwatch()
    call = ToolCall("look", 1.0, 2.0, "done")
    for generation in range(1, 100):
        for _ in range(100):
            assert stopwatch.place_tool(generation, call) is None
    assert len(stopwatch.tools) == MAX_ANSWERED
    assert {len(calls) for calls in stopwatch.tools.values()} == {MAX_TOOLS}
    assert len(list(stopwatch.answering(99, prepared=True))) == MAX_TOOLS
    assert not stopwatch.tools
    for generation in range(100, 200):
        assert list(stopwatch.answering(generation, prepared=False)) == []
    assert len(stopwatch.speech_ends) == MAX_ANSWERED
    assert stopwatch.place_tool(99, call) is None, "it is too old to be placed"
    assert not stopwatch.tools
    assert stopwatch.place_tool(199, call) == (1.0, 2.0)
