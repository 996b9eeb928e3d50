"""Taps observe every input to the rules before the rules do, and can do no harm."""

from typing import Any

import pytest

from duologue.conversation import inputs
from duologue.conversation.inputs import Input, Now
from duologue.errors import InvalidStateError
from duologue.session import ErrorRaised
from duologue.testing.agents import ScriptedAgent
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio


async def test_a_tap_receives_each_input_with_its_position_and_time() -> None:
    call = VirtualCall(ScriptedAgent("Yes."))
    seen: list[tuple[Input, Now]] = []
    other: list[Input] = []
    call.session.tap(lambda input_, now: seen.append((input_, now)))
    call.session.tap(lambda input_, _: other.append(input_))
    async with call:
        await call.say("Hello.")
    assert [input_ for input_, _ in seen] == other
    assert isinstance(other[0], inputs.CallRequested)
    assert isinstance(other[-1], inputs.EndRequested)
    windows = [(input_, now) for input_, now in seen if isinstance(input_, inputs.VadScored)]
    assert all(now.pos == window.end for window, now in windows)
    assert {inputs.WordsArrived, inputs.SpeechQueued, inputs.PlayoutStarted, inputs.PlayoutFinished} <= set(
        map(type, other)
    )
    walls = [now.wall for _, now in seen]
    assert walls == sorted(walls)
    assert walls[-1] == call.clock.now()


async def test_taps_are_registered_before_the_start() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        with pytest.raises(InvalidStateError, match="has been started"):
            call.session.tap(lambda *_: None)


@pytest.mark.parametrize("fault", [ZeroDivisionError("a secret"), SystemExit("a secret")])
async def test_a_tap_that_raises_is_removed_and_the_call_goes_on(fault: BaseException) -> None:
    called = 0

    def broken(*_: Any) -> None:
        nonlocal called
        called += 1
        if called == 20:
            raise fault

    seen: list[Input] = []
    call = VirtualCall(ScriptedAgent("Yes."))
    call.session.tap(broken)
    call.session.tap(lambda input_, _: seen.append(input_))
    async with call:
        await call.say("Hello.")
        assert called == 20
        assert len(seen) > 20
        assert call.heard == ["Yes."]
        error = call.one(ErrorRaised)
        assert error.code == "hook_error"
        assert type(fault).__name__ in error.message
        assert "secret" not in error.message + error.hint
