"""The user's turn by itself: how an utterance opens, grows, stops, and what it turns out to be."""

from __future__ import annotations

import pytest

from duologue.audio.format import RATE, WINDOW
from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig, SpeechDetection
from duologue.conversation.context import Context
from duologue.conversation.effects import Effect
from duologue.conversation.floor import Floor
from duologue.conversation.history import History, Message
from duologue.conversation.speculation import Speculation
from duologue.conversation.state import UserState
from duologue.conversation.timers import CallTimers
from duologue.conversation.user_turn import UserTurn
from duologue.conversation.utterance import Utterance
from duologue.errors import InvalidStateError


class Stage:
    """A user's turn with its surroundings."""

    def __init__(self, config: ConversationConfig | None = None) -> None:
        config = config or ConversationConfig(speech=SpeechDetection(hangover=0.128))
        self.context = Context(config)
        self.history = History(config.max_history)
        timers = CallTimers(config)
        self.floor = Floor(self.context, self.history, timers)
        speculation = Speculation(self.context, self.floor, self.history)
        self.turn = UserTurn(self.context, self.floor, speculation, self.history, timers)

    def hear(self, seconds: float, probability: float = 0.9) -> None:
        for _ in range(round(seconds * RATE / WINDOW)):
            start, self.context.pos = self.context.pos, self.context.pos + WINDOW
            self.turn.hear(start, self.context.pos, probability)
            self.turn.follow(self.context.pos, probability)

    @property
    def utterance(self) -> Utterance:
        assert self.turn.utterance
        return self.turn.utterance

    def of(self, kind: type[Effect]) -> list[Effect]:
        return [effect for effect in self.context.effects if isinstance(effect, kind)]

    def decided(self, text: str) -> None:
        """Decide the open turn, and have the agent think of an answer."""
        u = self.utterance
        self.turn.close(u)
        self.history.add(Message("user", text))
        self.floor.answer(u.turn, text, u.start, ())
        self.floor.set_agent("turn_decided", "words")
        self.context.effects = []


def test_speech_opens_an_utterance_and_silence_asks_for_its_words() -> None:
    s = Stage()
    before = s.turn.has_floor
    s.hear(0.32)
    assert (before, s.turn.has_floor) == (False, True)
    assert s.turn.user.state is UserState.SPEAKING
    s.hear(0.16, 0.0)
    assert [type(e).__name__ for e in s.context.effects] == [
        "UserChanged",
        "SpeechStarted",
        "UserChanged",
        "SpeechStopped",
        "RequestTranscript",
    ]
    assert s.utterance.last_speech == round(0.32 * RATE)


def test_a_gap_ends_speech() -> None:
    s = Stage()
    s.hear(0.32)
    s.turn.hear_gap(s.context.pos, s.context.pos + RATE)
    assert s.turn.user.state is UserState.SILENT


def test_what_follows_a_short_silence_is_the_same_part() -> None:
    s = Stage()
    s.hear(0.32)
    s.hear(0.16, 0.0)
    s.hear(0.32)
    assert s.utterance.parts == []
    assert s.of(effects.DropAsk) == [effects.DropAsk(1)]


def test_what_follows_a_long_silence_is_another_part_and_its_request_is_kept() -> None:
    s = Stage()
    s.hear(0.32)
    s.hear(0.64, 0.0)
    s.hear(0.32)
    assert s.utterance.parts == [None]
    assert s.of(effects.DropAsk) == []
    assert [r.kind for r in s.turn.requests.open.values()] == ["segment"]


def test_words_over_an_answer_that_was_not_played_reopen_its_turn() -> None:
    s = Stage()
    s.hear(0.32)
    s.hear(0.32, 0.0)
    s.decided("A table.")
    s.hear(0.32)
    assert s.of(effects.Hold) == [effects.Hold(1)]
    assert (s.utterance.turn, s.utterance.continues) == (1, True)
    s.turn.take_floor(s.utterance, "words")
    assert s.utterance.base == "A table."
    assert s.history.snapshot() == ()
    assert [e.reason for e in s.context.effects if isinstance(e, events.TurnContinued)] == ["went_on"]


def test_sound_without_words_over_an_answer_that_was_not_played_is_a_turn_of_its_own() -> None:
    s = Stage()
    s.hear(0.32)
    s.decided("A table.")
    s.turn.press()
    s.turn.separate()
    s.turn.separate()
    assert (s.utterance.turn, s.utterance.continues) == (2, False)


def test_a_turn_continues_after_a_failure_only_if_the_user_goes_on() -> None:
    s = Stage()
    s.hear(0.32)
    s.decided("A table.")
    r = s.floor.reply
    assert r
    assert not s.turn.reopen_after_failure(r, "agent_error")
    s.turn.press()
    assert s.turn.reopen_after_failure(r, "agent_error")


def test_an_utterance_that_was_nothing_is_forgotten() -> None:
    s = Stage()
    s.hear(0.32)
    s.turn.close_as_nothing(s.utterance, "no_words")
    assert s.turn.utterance is None
    assert s.turn.requests.open == {}


def test_a_turn_that_was_open_again_is_over_if_nothing_follows() -> None:
    s = Stage()
    s.hear(0.32)
    u = s.utterance
    u.base = "A table."
    s.turn.close_as_nothing(u, "no_words")
    assert s.utterance is u
    assert (u.complete, u.text) == ("reopened", "A table.")


def test_closing_an_older_utterance_keeps_the_newer() -> None:
    s = Stage()
    s.hear(0.32)
    u = s.utterance
    s.turn.close(Utterance(9, 0, 0))
    assert s.utterance is u


def test_the_button_opens_a_turn_and_its_release_asks_for_the_words() -> None:
    s = Stage()
    with pytest.raises(InvalidStateError, match="No turn has begun"):
        s.turn.release()
    s.turn.press()
    down = s.turn.listens
    with pytest.raises(InvalidStateError, match="has begun already"):
        s.turn.press()
    s.context.pos = RATE
    s.turn.release()
    assert (down, s.turn.listens) == (False, True)
    assert [e.may_go_on for e in s.context.effects if isinstance(e, effects.RequestTranscript)] == [False]


def test_a_partial_is_shown_if_it_is_the_newest_and_has_words() -> None:
    s = Stage(ConversationConfig(partial_every=0.5))
    s.turn.show_partial(inputs.PartialArrived(1, "A"))
    s.hear(0.64)
    s.turn.show_partial(inputs.PartialArrived(1, ""))
    s.turn.show_partial(inputs.PartialArrived(2, "A"))
    s.turn.show_partial(inputs.PartialArrived(1, "A table"))
    assert [e.text for e in s.context.effects if isinstance(e, events.PartialTranscript)] == ["A table"]


def test_a_reset_listens_afresh() -> None:
    s = Stage()
    s.hear(0.32)
    s.turn.reset("request")
    assert s.turn.user.state is UserState.SILENT
    assert not s.turn.detector.speaking
    s.turn.reset("request")
    assert s.turn.utterance is None
