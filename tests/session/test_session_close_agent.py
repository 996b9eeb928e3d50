"""An agent that has something to close is closed with its session, and cannot keep it from closing."""

import asyncio
from contextlib import suppress

import pytest

from duologue.session import replies
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
    monkeypatch.setattr(replies, "RESPONDER_CLOSING", 0.01)
    agent = ClosingAgent("Yes.")
    agent.takes = FOREVER
    async with VirtualCall(agent) as call:
        await call.say("Hello.")
    assert [error.code for error in call.session.record.errors] == ["agent_error"]


async def test_nor_one_that_does_not_let_itself_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stubborn(ScriptedAgent):
        async def aclose(self) -> None:
            while not release.is_set():
                with suppress(asyncio.CancelledError):
                    await release.wait()

    monkeypatch.setattr(replies, "RESPONDER_CLOSING", 0.01)
    release = asyncio.Event()
    async with VirtualCall(Stubborn("Yes.")) as call:
        await call.say("Hello.")
    assert [error.message for error in call.session.record.errors] == ["The agent did not close within 0.01 s."]
    release.set()
    await asyncio.sleep(0)


async def test_an_agent_that_cancels_its_own_closing_is_told_of() -> None:
    class Cancelling(ScriptedAgent):
        async def aclose(self) -> None:
            raise asyncio.CancelledError

    async with VirtualCall(Cancelling("Yes.")) as call:
        await call.say("Hello.")
    assert [error.message for error in call.session.record.errors] == ["The agent failed to close: CancelledError."]
