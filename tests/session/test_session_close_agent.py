"""An agent that has something to close is closed with its session, and cannot keep it from closing."""

import pytest

from duologue.session import speaker
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FOREVER, pause
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio


class ClosingAgent(ScriptedAgent):
    closings = 0
    takes = 0.0
    error: Exception | None = None

    async def aclose(self) -> None:
        await pause(self.takes)
        if self.error:
            raise self.error
        self.closings += 1


async def test_the_agent_is_closed_with_its_session() -> None:
    agent = ClosingAgent("Yes.")
    async with VirtualCall(agent) as call:
        await call.say("Hello.")
        before = agent.closings
    assert (before, agent.closings) == (0, 1)
    assert not call.session.record.errors


async def test_an_agent_is_closed_once_however_often_its_session_is() -> None:
    agent = ClosingAgent("Yes.")
    async with VirtualCall(agent) as call:
        await call.session.close("client_end")
        await call.session.close()
    assert agent.closings == 1


async def test_an_agent_that_fails_to_close_is_told_of() -> None:
    agent = ClosingAgent("Yes.")
    agent.error = ValueError("no")
    async with VirtualCall(agent) as call:
        await call.say("Hello.")
    assert [error.code for error in call.session.record.errors] == ["agent_error"]


async def test_an_agent_that_does_not_close_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker, "AGENT_CLOSING", 0.01)
    agent = ClosingAgent("Yes.")
    agent.takes = FOREVER
    async with VirtualCall(agent) as call:
        await call.say("Hello.")
    assert [error.code for error in call.session.record.errors] == ["agent_error"]
