"""Observers are shown all of a call; one that raises is removed, and the call goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from duologue.conversation.inputs import Now, TurnBegun
from duologue.errors import DuologueError, InvalidStateError
from duologue.session.observer import Observers
from duologue.session.record import CallRecord
from duologue.testing.agents import ScriptedAgent
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

NOW = Now(0, 0.0)
SAMPLES = np.zeros(512, np.int16)
SHOW: dict[str, Callable[[Observers], None]] = {
    "told": lambda o: o.told(TurnBegun(), NOW, ()),
    "heard": lambda o: o.heard(0, SAMPLES),
    "cleaned": lambda o: o.cleaned(0, SAMPLES),
    "spoke": lambda o: o.spoke(b"", 0, 1, 0, 0.0),
    "ended": lambda o: o.ended(CallRecord("call-1")),
}


class Seen:
    """Notes what it is shown, and raises `error` at `fails`."""

    def __init__(self, fails: str = "", error: BaseException | None = None) -> None:
        self.calls: list[str] = []
        self._fails, self._error = fails, error

    def __getattr__(self, name: str) -> Callable[..., None]:
        def note(*shown: Any) -> None:
            self.calls.append(name)
            if name == self._fails and self._error is not None:
                raise self._error

        return note


class Told:
    """A host that keeps the errors."""

    id = "call-1"

    def __init__(self) -> None:
        self.errors: list[str] = []

    def failed(self, error: DuologueError, turn: int = 0) -> None:
        self.errors.append(error.message)


@pytest.mark.parametrize("which", SHOW)
def test_one_that_raises_is_removed_and_the_others_go_on(which: str) -> None:
    host: Any = Told()
    observers = Observers(host)
    broken: Any = Seen(which, SystemExit(1))
    other: Any = Seen()
    observers.add(broken)
    observers.add(other)
    for _ in range(2):
        SHOW[which](observers)
    assert host.errors == ["An observer of the call raised SystemExit, and is removed."]
    assert broken.calls == [which]
    assert other.calls == [which] * (1 if which == "ended" else 2)


@pytest.mark.parametrize("which", ["tap", "told"])
def test_a_cancellation_is_passed_on(which: str) -> None:
    host: Any = Told()
    observers = Observers(host)
    cancelled: Any = Seen(which, asyncio.CancelledError())
    observers.add(cancelled)
    observers.taps += (cancelled.tap,)
    with pytest.raises(asyncio.CancelledError):
        observers.tap(TurnBegun(), NOW) if which == "tap" else SHOW[which](observers)
    assert host.errors == []


async def test_an_observer_is_shown_both_sides_of_a_call_from_its_start() -> None:
    seen: Any = Seen()
    call = VirtualCall(ScriptedAgent("Yes."))
    call.session.observe(seen)
    async with call:
        await call.say("Hello.")
        with pytest.raises(InvalidStateError, match="has been started"):
            call.session.observe(seen)
        with pytest.raises(InvalidStateError, match="No turn has begun"):
            call.session.end_turn()  # what the rules refuse is shown, too
    assert {"told", "heard", "spoke"} <= set(seen.calls)
    assert seen.calls[-1] == "ended"
