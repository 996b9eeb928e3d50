"""What tests say of a call: what counts as said, by when, and what they are told otherwise."""

import re
from pathlib import Path

import pytest

import duologue.testing
from duologue import ConversationConfig, SessionConfig, Turn
from duologue.testing import ScriptedAgent, VirtualCall, said_in
from recorded_call import record

pytestmark = pytest.mark.anyio

GREETED = SessionConfig(rules=ConversationConfig(greeting="Welcome to the line."))


async def talk(call: VirtualCall) -> None:
    await call.settle()
    await call.say("Hello.")
    await call.say("Ada.")


async def test_words_are_found_in_their_turns() -> None:
    async with VirtualCall(ScriptedAgent("What is your Name?", "Renamed to Ada."), config=GREETED) as call:
        await talk(call)
        assert call.agent_said("your name", within=1) == "What is your Name?"
        assert call.agent_said(re.compile("Ada|Grace"), after=1) == "Renamed to Ada."
        assert call.agent_said("welcome", within=0) == "Welcome to the line."
        call.agent_never_said("rename")
        for refused, told in (
            (lambda: call.agent_said("Ada", within=1), "The user did not hear 'Ada' within 1 turn. It was:"),
            (lambda: call.agent_said("name", within=2, after=1), "'name' after turn 1 within 2 turns. It was:"),
            (lambda: call.agent_said("name", within=0), "did not hear 'name' before the first turn. It was:"),
            (
                lambda: call.agent_said(re.compile("x+y")),
                "did not hear /x+y/. It was:\n  turn 0: 'Welcome to the line.'",
            ),
            (lambda: call.agent_never_said("ada"), "The user heard 'ada' in turn 2: 'Renamed to Ada.'"),
            (lambda: call.tool_called("look_up"), "The tool 'look_up' was not called. No tool was called."),
        ):
            with pytest.raises(AssertionError, match=re.escape(told)):
                refused()


async def test_a_silent_agent_is_told_as_one() -> None:
    async with VirtualCall(ScriptedAgent("Hello.")) as call:
        with pytest.raises(AssertionError, match="The agent was not heard at all"):
            call.agent_said("hello")


async def test_tools_are_found_in_their_turns() -> None:
    async def agent(text: str, turn: Turn) -> str:
        with turn.tool("look_up" if text == "Ada." else "greet"):
            return "Done."

    async with VirtualCall(agent) as call:
        await talk(call)
        assert call.tool_called("look_up", within=2).outcome == "done"
        with pytest.raises(
            AssertionError, match=r"within 1 turn. These were called:\n  turn 1: greet\n  turn 2: look_up"
        ):
            call.tool_called("look_up", within=1)


async def test_words_that_were_cut_off_were_not_said() -> None:
    async with VirtualCall(
        ScriptedAgent("First, the terrace is closed. Second, the kitchen is closed.", "Yes.")
    ) as call:
        await call.speak("Are you open?")
        await call.silence(2.5)
        await call.say("Wait a moment please.")
        call.agent_said("First", within=1)
        call.agent_never_said("kitchen")


async def test_a_recorded_call_is_said_again(tmp_path: Path) -> None:
    recorded = await record(tmp_path)
    said = said_in(recorded.path)
    assert said == [turn.user_text for turn in recorded.turns]
    async with VirtualCall(ScriptedAgent("Fine.")) as call:
        for text in said:
            await call.say(text)
        assert [turn.user_text for turn in call.turns] == said


@pytest.mark.parametrize("name", duologue.testing.__all__)
def test_each_name_of_the_package_is_there(name: str) -> None:
    assert getattr(duologue.testing, name) is not None
    assert name in dir(duologue.testing)
