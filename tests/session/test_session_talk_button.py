"""The button to talk takes effect where it was pressed, though the audio before it waits to be scored."""

from __future__ import annotations

import pytest

from duologue.conversation import inputs
from duologue.conversation.config import ConversationConfig
from duologue.conversation.conversation import Conversation
from duologue.conversation.events import SpeechStopped
from duologue.conversation.inputs import Now
from duologue.errors import InvalidStateError, OverloadedError
from duologue.session import SessionConfig
from duologue.session.input_buffer import InputBuffer
from duologue.session.talk_button import MAX_WAITING, TalkButton
from duologue.testing.agents import ScriptedAgent
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

WINDOW = 512


class Rules:
    """Gets what a session would hand to the rules."""

    def __init__(self) -> None:
        self.hearing = InputBuffer(window=WINDOW, max_bytes=200_000, max_lag=80_000)
        self.rules = Conversation(ConversationConfig(turns="manual"))
        self.told: list[tuple[int, bool]] = []
        """The position of each press (True) and release."""
        self.button = TalkButton(self, self.rules, self.hearing, WINDOW)  # type: ignore[arg-type]
        self.tell_rules(inputs.CallRequested())

    def tell_rules(self, input_: inputs.Input) -> None:
        self.rules.handle(input_, Now(self.hearing.position, 0.0))
        if isinstance(input_, inputs.TurnBegun | inputs.TurnEnded):
            self.told.append((self.hearing.position, isinstance(input_, inputs.TurnBegun)))

    def hear(self, windows: int) -> None:
        self.hearing.write(bytes(2 * WINDOW * windows))

    def score(self, windows: int) -> None:
        for _ in range(windows):
            self.hearing.position += WINDOW
            self.button.advance()


@pytest.fixture
def call() -> Rules:
    return Rules()


def test_it_takes_effect_at_once_where_no_audio_waits(call: Rules) -> None:
    call.button.press()
    call.hearing.write(bytes(600))  # less than a window
    call.button.release()
    assert call.told == [(0, True), (0, False)]
    with pytest.raises(InvalidStateError):
        call.button.release()


def test_it_waits_for_the_audio_before_it(call: Rules) -> None:
    call.hear(2)
    call.button.press()
    call.hear(3)
    call.button.release()
    call.hear(2)
    call.button.press()
    assert call.told == []
    call.score(7)
    assert call.told == [(2 * WINDOW, True), (5 * WINDOW, False), (7 * WINDOW, True)]


def test_mistakes_are_told_at_once_though_it_waits(call: Rules) -> None:
    call.hear(2)
    with pytest.raises(InvalidStateError, match="No turn has begun"):
        call.button.release()
    call.button.press()
    with pytest.raises(InvalidStateError, match="has begun already"):
        call.button.press()
    for n in range(1, MAX_WAITING):
        call.button.release() if n % 2 else call.button.press()
    with pytest.raises(OverloadedError):
        call.button.press()
    call.button.clear()
    call.score(2)
    assert call.told == []


def test_a_release_whose_turn_was_cleared_is_left_out(call: Rules) -> None:
    call.button.press()
    call.hear(2)
    call.button.release()
    call.tell_rules(inputs.ClearRequested())
    call.score(2)
    assert call.told == [(0, True)]


def test_audio_that_is_taken_back_does_not_keep_it_waiting(call: Rules) -> None:
    call.hear(4)
    call.button.press()
    call.score(1)
    assert call.hearing.take_back(WINDOW)
    call.score(3)
    assert call.told == [(3 * WINDOW, True)]


async def test_words_that_wait_to_be_scored_are_in_the_turn() -> None:
    agent = ScriptedAgent("Yes.")
    config = SessionConfig(rules=ConversationConfig(turns="manual"))
    async with VirtualCall(agent, config=config) as call:
        call.session.begin_turn()
        call.session.process_audio(speak("One two."))
        call.session.end_turn()
        call.session.process_audio(speak("Three."))
        await call.settle()
        assert [turn.text for turn in agent.turns] == ["One two."]


async def test_audio_that_never_came_is_waited_for_no_longer() -> None:
    config = SessionConfig(rules=ConversationConfig(turns="manual"))
    async with VirtualCall(ScriptedAgent("Yes."), config=config) as call:
        call.session.begin_turn()
        call.session.process_audio(bytes(2 * WINDOW))
        call.session.skip_audio(8_000)
        call.session.end_turn()
        await call.settle()
        assert call.one(SpeechStopped).pos >= 8_000
