"""A call goes on in another session from its checkpoint, and where it was suspended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from duologue.agent import CallInfo, Turn
from duologue.conversation import events
from duologue.errors import AgentError, InputError, InvalidStateError
from duologue.session.checkpoint import (
    MAX_CHECKPOINT_BYTES,
    CallCheckpoint,
    agent_state,
    json_or_none,
    load_agent_state,
)
from duologue.session.responder import Responder, ResponderCapabilities, ResponseItem, ResponseRequest, SpokenAudio
from duologue.testing.agents import ScriptedAgent
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

LONG = "The first thing is this one here. The second thing is that one there. The third is gone."


class Counting:
    """Counts its answers."""

    speculative = False

    def __init__(self) -> None:
        self.answers = 0

    async def reply(self, turn: Turn) -> AsyncIterator[str]:
        self.answers += 1
        yield f"Answer {self.answers}."

    def dump_state(self) -> Any:
        return {"answers": self.answers}

    def load_state(self, state: Any) -> None:
        self.answers = state["answers"]


class Beep(Responder):
    """Answers with a sound, without an agent."""

    name = "beep"
    rate = 16_000
    capabilities = ResponderCapabilities()

    async def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
        yield SpokenAudio(speak("Beep.", self.rate))


async def test_a_call_goes_on_where_it_was() -> None:
    async with VirtualCall(Counting(), call=CallInfo(id="one", user_data={"table": 4})) as call:
        await call.say("Hello.")
        stored = call.session.checkpoint().as_json()
    checkpoint = CallCheckpoint.from_json(stored)
    assert checkpoint.user_data == {"table": 4}
    assert checkpoint.output_s > 0
    call = VirtualCall(Counting())
    call.session.restore(checkpoint)
    async with call:
        await call.say("And again.")
        assert call.heard == ["Answer 1.", "Answer 2."]
        assert [turn.turn for turn in call.turns] == [2]
        with pytest.raises(InvalidStateError, match="has been started"):
            call.session.restore(checkpoint)


async def test_a_responder_without_an_agent_has_no_state() -> None:
    async with VirtualCall(responder=Beep()) as call:
        checkpoint = call.session.checkpoint()
    assert checkpoint.agent_state is None
    VirtualCall(responder=Beep()).session.restore(checkpoint)


@pytest.mark.parametrize("stored", [None, {"turn": "many"}, {"history": [{"role": "nobody"}]}])
def test_what_is_no_checkpoint_is_refused(stored: Any) -> None:
    with pytest.raises(InputError, match="stored call cannot be read"):
        CallCheckpoint.from_json(stored)


class Unequal(float):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = float.__hash__


@pytest.mark.parametrize("value", [object(), float("nan"), (1, 2), "x" * MAX_CHECKPOINT_BYTES, Unequal(1.0)])
def test_what_json_cannot_hold_is_left_out(value: Any) -> None:
    assert json_or_none(value) is None


def failing(error: BaseException) -> Any:
    class Failing(Counting):
        def dump_state(self) -> Any:
            raise error

        def load_state(self, state: Any) -> None:
            raise error

    return Failing()


def test_an_agent_that_cannot_tell_its_state_has_none(caplog: pytest.LogCaptureFixture) -> None:
    assert agent_state(ScriptedAgent(), "call-1") is None
    assert agent_state(failing(SystemExit("secret")), "call-1") is None
    assert "The agent failed to dump its state" in caplog.text
    assert "secret" not in caplog.text


async def a_coroutine() -> Any:
    raise AssertionError("nobody awaits it")


@pytest.mark.parametrize("make", [object, a_coroutine])
def test_an_agent_whose_state_is_not_kept_is_named(make: Callable[[], Any], caplog: pytest.LogCaptureFixture) -> None:
    class Odd(Counting):
        def dump_state(self) -> Any:
            return make()

    assert agent_state(Odd(), "call-1") is None
    assert f"dumped a state that is not kept: {'object' if make is object else 'coroutine'}" in caplog.text


def test_an_agent_without_anything_to_keep_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    class Empty(Counting):
        def dump_state(self) -> Any:
            return None

    assert (agent_state(Empty(), "call-1"), caplog.text) == (None, "")


def test_a_state_is_loaded_at_once() -> None:
    class Later(Counting):
        def load_state(self, state: Any) -> Any:
            return a_coroutine()

    with pytest.raises(AgentError, match="must not be async"):
        load_agent_state(Later(), {"answers": 1})


def test_an_agent_that_cannot_use_its_state_is_an_error() -> None:
    load_agent_state(Counting(), None)
    load_agent_state(ScriptedAgent(), {"answers": 1})
    with pytest.raises(AgentError, match="cannot go on from its state: KeyError"):
        load_agent_state(failing(KeyError("secret")), {"answers": 1})


def test_a_cancellation_is_passed_on() -> None:
    cancelled = failing(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        agent_state(cancelled, "call-1")
    with pytest.raises(asyncio.CancelledError):
        load_agent_state(cancelled, {})


async def test_no_time_passes_while_the_client_is_away() -> None:
    call = VirtualCall(ScriptedAgent("Yes."))
    call.session.suspend()  # before the start there is nothing to suspend
    async with call:
        await call.session.say(LONG)
        await call.silence(1.0)
        sent = call.session._output.playout.position
        call.session.suspend()
        call.session.suspend()
        for _ in range(300):
            call.engine.advance(0.02)
        assert call.session._output.playout.position == sent
        call.session.unsuspend(1.0)
        call.session.unsuspend()
        await call.settle()
        assert call.heard == [LONG]


async def test_what_was_heard_before_the_client_went_is_all_that_was_heard() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        await call.session.say(LONG)
        await call.silence(3.0)
        call.session.suspend()
        for _ in range(300):
            call.engine.advance(0.02)
        call.session.interrupt()
        heard = call.one(events.AgentHeard)
        assert heard.interrupted
        assert 0 < len(heard.text) < len(LONG) // 2


async def test_a_call_that_is_suspended_can_be_hung_up() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        call.session.suspend()
        await call.session.hang_up("gone")
    assert call.session.record.reason == "gone"
