"""The call by itself: how it begins, and the ways in which it ends."""

from __future__ import annotations

import pytest

from duologue.audio.format import RATE
from duologue.conversation import effects, events, inputs
from duologue.conversation.call import Call
from duologue.conversation.config import ConversationConfig
from duologue.conversation.context import Context
from duologue.conversation.effects import Effect
from duologue.conversation.ending import PendingEnd
from duologue.conversation.floor import Floor
from duologue.conversation.history import History
from duologue.conversation.speculation import Speculation
from duologue.conversation.state import CallState
from duologue.conversation.timers import CallTimers
from duologue.conversation.typed import TypedText
from duologue.conversation.user_turn import UserTurn
from duologue.conversation.utterance import Utterance

CONFIG = ConversationConfig(timeout=100.0, idle_timeout=30.0, away_after=10.0, closing_timeout=5.0)


class Stage:
    """A call with its surroundings."""

    def __init__(self, config: ConversationConfig = CONFIG) -> None:
        self.context = Context(config)
        history, timers = History(config.max_history), CallTimers(config)
        self.floor, self.ending, self.typed = Floor(self.context, history, timers), PendingEnd(), TypedText(config)
        self.turn = UserTurn(self.context, self.floor, Speculation(self.context, self.floor, history), history, timers)
        self.timers = timers
        self.call = Call(self.context, self.floor, self.turn, self.typed, self.ending, timers)

    def at(self, seconds: float) -> None:
        self.context.pos, self.context.effects = round(seconds * RATE), []
        self.call.check_timers()

    def of(self, kind: type[Effect]) -> list[Effect]:
        return [effect for effect in self.context.effects if isinstance(effect, kind)]


def live(config: ConversationConfig = CONFIG) -> Stage:
    s = Stage(config)
    s.call.start(inputs.CallRequested())
    return s


def test_it_starts_once_and_greets() -> None:
    s = live(ConversationConfig(greeting="Welcome.", greeting_interruptible=False))
    assert s.call.state is CallState.LIVE
    assert list(s.floor.says) == [inputs.SayRequested("Welcome.", False)]


def test_it_ends_at_once_even_before_it_began() -> None:
    s = Stage()
    s.call.request_end(inputs.EndRequested("refused"))
    s.call.request_end(inputs.EndRequested("again"))
    assert s.of(effects.EndCall) == [effects.EndCall("refused")]


@pytest.mark.parametrize("owed", [True, False])
def test_it_ends_after_the_agent_has_finished(owed: bool) -> None:
    s = live()
    if owed:
        s.floor.queue_say(inputs.SayRequested("Bye."))
    s.call.request_end(inputs.EndRequested("closed", after_speech=True))
    s.call.request_end(inputs.EndRequested("again", after_speech=True))
    assert s.call.is_closing is owed
    if owed:
        s.at(1.0)
        assert s.call.state is CallState.LIVE
        s.floor.says.clear()
        s.at(2.0)
    assert s.call.state is CallState.ENDED


def test_it_waits_only_so_long_for_the_agent() -> None:
    s = live()
    s.floor.queue_say(inputs.SayRequested("Bye."))
    s.call.request_end(inputs.EndRequested("closed", after_speech=True))
    s.at(5.0)
    assert s.of(effects.EndCall) == [effects.EndCall("closed")]


def test_an_end_that_a_turn_revokes_waits_for_the_user() -> None:
    s = live()
    s.ending.unless_a_turn_follows("agent_done")
    s.turn.utterance = Utterance(1, 0, 0)
    s.at(1.0)
    assert s.call.state is CallState.LIVE
    s.turn.utterance = None
    s.at(2.0)
    assert s.of(effects.EndCall) == [effects.EndCall("agent_done")]


def test_it_ends_when_it_has_lasted_too_long_or_after_the_agent() -> None:
    s = live()
    s.floor.queue_say(inputs.SayRequested("Well."))
    s.at(100.0)
    assert (s.ending.reason, s.call.state) == ("timeout", CallState.LIVE)
    s = live()
    s.at(100.0)
    assert s.of(effects.EndCall) == [effects.EndCall("timeout")]


def test_the_user_is_away_again_and_again_and_then_the_call_ends() -> None:
    s = live()
    s.at(9.9)
    assert s.context.effects == []
    assert s.timers.next_at == 10 * RATE
    s.at(10.0)
    assert [e.reason for e in s.context.effects if isinstance(e, events.UserChanged)] == ["silence"]
    s.at(30.0)
    assert s.of(effects.EndCall) == [effects.EndCall("idle_timeout")]


def test_no_timer_runs_out_while_something_is_open() -> None:
    s = live()
    s.typed.add("Hello.", 0, at_once=True)
    s.at(30.0)
    assert s.context.effects == []


def test_a_turn_revokes_an_end_that_is_not_final() -> None:
    ending = PendingEnd()
    ending.unless_a_turn_follows("agent_done")
    assert not ending.is_final
    ending.revoke()
    assert ending.reason == ""
    ending.after_speech("closed", 100)
    assert ending.is_final
