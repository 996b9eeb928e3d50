"""The endpointer by itself: what evidence makes of an utterance, and when its turn is decided."""

from __future__ import annotations

import pytest

from duologue.audio.format import RATE
from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig
from duologue.conversation.context import Context
from duologue.conversation.effects import Effect
from duologue.conversation.ending import PendingEnd
from duologue.conversation.endpointer import Endpointer
from duologue.conversation.floor import Floor
from duologue.conversation.history import History, Message, Segment
from duologue.conversation.inputs import Response
from duologue.conversation.speculation import Speculation
from duologue.conversation.timers import CallTimers
from duologue.conversation.typed import TypedText
from duologue.conversation.user_turn import UserTurn


class Stage:
    """An endpointer with its surroundings, and an utterance that ended just now."""

    def __init__(self, *, judges_sound: bool = False) -> None:
        config = ConversationConfig(apology="Sorry.")
        self.context = Context(config)
        self.context.capabilities = inputs.CallRequested(True, judges_sound)
        self.history, self.timers = History(config.max_history), CallTimers(config)
        self.typed, self.ending = TypedText(config), PendingEnd()
        self.floor = Floor(self.context, self.history, self.timers)
        speculation = Speculation(self.context, self.floor, self.history)
        self.turn = UserTurn(self.context, self.floor, speculation, self.history, self.timers)
        self.endpointer = Endpointer(
            self.context,
            self.turn,
            self.floor,
            speculation,
            self.typed,
            self.ending,
            self.history,
            self.timers,
        )
        self.context.pos = RATE
        self.u = self.turn.utterance = self.turn.new_utterance(0, 0)
        self.u.last_speech = self.u.asked_at = RATE

    def understand(self, text: str, probability: float = 0.95, response: Response = "") -> None:
        """Let the transcript come when it is due."""
        self.turn.requests.request_transcript("words", 0, RATE, 1)
        ask = max(self.turn.requests.open)
        self.turn.requests.answer(inputs.WordsArrived(ask, text, probability, "sentence", 1.0, response))
        self.context.pos, self.context.effects = self.context.pos + 4096, []
        self.endpointer.apply_due()

    def wait(self, seconds: float) -> None:
        self.context.pos += round(seconds * RATE)
        self.context.effects = []
        self.endpointer.evaluate()

    def of(self, kind: type[Effect]) -> list[Effect]:
        return [effect for effect in self.context.effects if isinstance(effect, kind)]


def test_words_that_sound_finished_decide_the_turn_after_the_action_delay() -> None:
    s = Stage()
    s.understand("Hello.", 0.98)
    assert len(s.of(events.TurnScored)) == 1
    s.wait(0.0)
    assert s.of(events.TurnDecided) == []
    s.wait(0.2)
    assert [type(e).__name__ for e in s.context.effects] == [
        "TurnDecided",
        "CommitReply",
        "AgentChanged",
    ]
    assert s.history.snapshot() == (Message("user", "Hello."),)
    assert s.turn.utterance is None


def test_a_turn_without_words_is_ignored() -> None:
    s = Stage()
    s.understand("")
    assert s.of(events.SpeechIgnored) == [events.SpeechIgnored(s.context.pos, 0.0, 1, "no_words")]
    assert s.turn.utterance is None
    assert s.floor.is_free


def test_a_failure_is_apologized_for() -> None:
    s = Stage()
    s.turn.requests.request_transcript("words", 0, RATE, 1)
    s.turn.requests.answer(inputs.EvidenceFailed(1, "provider_error"))
    s.context.pos += 4096
    s.endpointer.apply_due()
    assert [say.text for say in s.floor.says] == ["Sorry."]


def test_words_that_never_come_are_given_up() -> None:
    s = Stage()
    s.turn.requests.request_transcript("words", 0, RATE, 1)
    s.wait(9.0)
    assert s.of(effects.DropAsk) == [effects.DropAsk(1)]
    assert s.of(events.SpeechIgnored) != []


@pytest.mark.parametrize(("response", "is_turn"), [("", True), ("assent", False), ("goodbye", True), ("filler", False)])
def test_short_responses_over_the_agent_are_no_turn(response: Response, is_turn: bool) -> None:
    s = Stage()
    s.floor.answer(0, "Before.", 0, ())
    assert s.floor.reply
    s.floor.speech_queued(inputs.SpeechQueued(1, Segment("Well, yes.", 0.0, 2.0)))
    s.floor.playout_started(inputs.PlayoutStarted(1))
    s.understand("Yeah.", 0.9, response)
    assert (s.of(events.Backchannel) == []) is is_turn
    assert s.floor.reply.dropped is is_turn


@pytest.mark.parametrize("reason", ["", "agent_done"])
def test_a_short_response_takes_no_turn_of_a_call_that_is_about_to_end(reason: str) -> None:
    s = Stage()
    s.ending.unless_a_turn_follows(reason)
    s.understand("Bye.", 0.9, "goodbye")
    assert (s.of(events.Backchannel) != []) is bool(reason)


def test_doubtful_words_have_the_audio_judged_once() -> None:
    s = Stage(judges_sound=True)
    s.understand("I would", 0.5)
    s.wait(0.5)
    (asked,) = s.of(effects.RequestEndOfTurn)
    s.wait(0.032)
    assert s.of(effects.RequestEndOfTurn) == []
    assert isinstance(asked, effects.RequestEndOfTurn)
    s.turn.requests.answer(inputs.SoundScored(asked.ask, 0.9))
    s.context.pos = asked.due
    s.endpointer.apply_due()
    assert s.u.evidence
    assert s.u.evidence.sound == 0.9


def test_a_judgment_that_was_refused_is_asked_for_again() -> None:
    s = Stage(judges_sound=True)
    s.wait(0.25)
    (asked,) = s.of(effects.RequestEndOfTurn)
    assert isinstance(asked, effects.RequestEndOfTurn)
    refused = s.turn.requests.answer(inputs.EvidenceFailed(asked.ask, "overloaded"))
    assert refused
    s.endpointer.retry_sound(refused)
    assert (s.u.scores, s.u.put_off) == (0, True)


def test_a_turn_that_is_decided_revokes_the_end_and_takes_typed_text_along() -> None:
    s = Stage()
    s.ending.unless_a_turn_follows("agent_done")
    s.typed.add("Two.", s.context.pos, at_once=True)
    s.understand("Hello.")
    s.wait(0.2)
    assert s.ending.reason == ""
    assert s.history.snapshot() == (Message("user", "Hello. Two."),)


def test_the_longest_turn_is_answered_and_what_follows_is_the_next() -> None:
    s = Stage()
    s.turn.set_user("speech_start", "speech")
    s.u.parts, s.u.responses, s.u.full = ["So much."], [""], True
    s.wait(0.0)
    assert len(s.of(events.TurnDecided)) == 1
    assert s.turn.utterance
    assert s.turn.utterance.turn == 2


def test_what_an_answer_closes_takes_the_others_with_it() -> None:
    s = Stage()
    s.turn.requests.request_transcript("segment", 0, 0, 1)
    s.turn.requests.request_transcript("segment", 0, 0, 1)
    s.u.parts, s.u.responses, s.u.final = ["", ""], ["", ""], inputs.WordsArrived(0, "", 1.0)
    for ask in (1, 2):
        s.turn.requests.answer(inputs.WordsArrived(ask, "", 1.0))
    s.endpointer.apply_due()
    assert len(s.of(events.SpeechIgnored)) == 1


@pytest.mark.parametrize(("text", "wordless"), [("", True), ("Wait", False)])
def test_speech_that_goes_on_is_checked_for_words(text: str, wordless: bool) -> None:
    s = Stage()
    s.turn.set_user("speech_start", "speech")
    s.floor.queue_say(inputs.SayRequested("One moment."))
    s.context.pos = 3 * RATE
    s.u.run_start = s.u.checked = RATE
    s.context.effects = []
    s.endpointer.check_waiting(s.context.pos)
    s.endpointer.check_waiting(s.context.pos)
    (asked,) = s.of(effects.RequestTranscript)
    assert isinstance(asked, effects.RequestTranscript)
    s.turn.requests.answer(inputs.WordsArrived(asked.ask, text, 1.0))
    s.context.pos = asked.due
    s.endpointer.apply_due()
    assert s.u.wordless is wordless


def test_speech_whose_words_cannot_be_had_interrupts_in_the_end() -> None:
    s = Stage()
    s.floor.answer(0, "Before.", 0, ())
    s.floor.speech_queued(inputs.SpeechQueued(1, Segment("Well, yes.", 0.0, 9.0)))
    s.floor.playout_started(inputs.PlayoutStarted(1))
    s.endpointer.check_words(s.u)
    s.context.pos += 3 * RATE
    s.endpointer.check_words(s.u)
    assert [e.reason for e in s.context.effects if isinstance(e, events.Interrupted)] == ["duration"]


def test_nothing_is_decided_without_an_utterance_or_while_the_button_is_down() -> None:
    s = Stage()
    s.u.held = True
    s.wait(20.0)
    s.turn.utterance = None
    s.wait(20.0)
    s.endpointer.check_waiting(s.context.pos)
    assert s.context.effects == []
