"""Typed text by itself: when it is a turn, and which turn it joins."""

from __future__ import annotations

import pytest

from duologue.audio.format import RATE
from duologue.conversation import events, inputs
from duologue.conversation.config import ConversationConfig
from duologue.conversation.context import Context
from duologue.conversation.ending import PendingEnd
from duologue.conversation.endpointer import Endpointer
from duologue.conversation.floor import Floor
from duologue.conversation.history import History, Message
from duologue.conversation.keyboard import Keyboard
from duologue.conversation.speculation import Speculation
from duologue.conversation.timers import CallTimers
from duologue.conversation.typed import TypedText
from duologue.conversation.user_turn import UserTurn
from duologue.conversation.utterance import Utterance


class Stage:
    """A keyboard with its surroundings."""

    def __init__(self) -> None:
        config = ConversationConfig(text_settle=0.5, keys_settle=1.0)
        self.context = context = Context(config)
        self.history, timers, self.typed = History(config.max_history), CallTimers(config), TypedText(config)
        self.floor = Floor(context, self.history, timers)
        speculation = Speculation(context, self.floor, self.history)
        self.turn = UserTurn(context, self.floor, speculation, self.history, timers)
        endpointer = Endpointer(
            context, self.turn, self.floor, speculation, self.typed, PendingEnd(), self.history, timers
        )
        self.keyboard = Keyboard(context, self.typed, endpointer, self.turn, self.floor, self.history)

    def type(self, text: str) -> None:
        self.context.effects = []
        self.keyboard.take(inputs.TextArrived(text))
        self.keyboard.answer()

    def wait(self, seconds: float) -> None:
        self.context.pos += round(seconds * RATE)
        self.context.effects = []
        self.keyboard.answer()

    @property
    def decided(self) -> list[str]:
        return [e.text for e in self.context.effects if isinstance(e, events.TurnDecided)]

    @property
    def continued(self) -> list[int]:
        return [e.turn for e in self.context.effects if isinstance(e, events.TurnContinued)]


def test_a_text_is_a_turn_at_once() -> None:
    s = Stage()
    s.type("Hello.")
    assert s.decided == ["Hello."]
    s.wait(1.0)
    assert s.decided == []


def test_keys_are_a_turn_after_the_last_of_them() -> None:
    s = Stage()
    s.type("4")
    s.type("2")
    assert s.decided == []
    s.wait(1.0)
    assert s.decided == ["42"]


def test_text_waits_while_the_user_speaks() -> None:
    s = Stage()
    s.turn.utterance = Utterance(1, 0, 0)
    s.type("Hello.")
    assert s.decided == []
    s.turn.utterance = None
    s.wait(0.0)
    assert s.decided == ["Hello."]


def test_text_continues_the_turn_that_the_agent_is_thinking_about() -> None:
    s = Stage()
    s.type("A table.")
    s.type("For two.")
    assert (s.decided, s.continued) == ([], [1])
    assert s.history.snapshot() == ()
    s.wait(0.5)
    assert s.decided == ["A table. For two."]
    assert s.history.snapshot() == (Message("user", "A table. For two."),)


def test_text_continues_the_same_turn_as_what_is_being_said() -> None:
    s = Stage()
    s.type("A table.")
    s.turn.press()
    s.type("For two.")
    assert s.continued == [1]
    assert s.turn.utterance
    assert s.turn.utterance.base == "A table."
    assert s.typed.texts == ["For two."]


@pytest.mark.parametrize("interruptible", [True, False])
def test_text_cuts_off_what_is_said_if_that_may_be(interruptible: bool) -> None:
    s = Stage()
    s.floor.queue_say(inputs.SayRequested("One moment.", interruptible, 7))
    s.floor.say_next()
    s.floor.playout_started(inputs.PlayoutStarted(1))
    s.type("Hello.")
    assert s.floor.reply
    assert s.floor.reply.dropped is interruptible
    assert s.decided == []
