"""The floor by itself: replies, texts that wait, and what the user's speech does to them."""

from __future__ import annotations

import pytest

from duologue.audio.format import WINDOW
from duologue.conversation import effects, events, inputs
from duologue.conversation.config import BargeIn, ConversationConfig
from duologue.conversation.context import Context
from duologue.conversation.effects import Effect
from duologue.conversation.floor import Floor
from duologue.conversation.history import History, Message, Segment
from duologue.conversation.reply import Reply
from duologue.conversation.timers import CallTimers
from duologue.errors import InvalidStateError

NOTE = inputs.SayRequested("One moment.", True, 7)


class Stage:
    """A floor with its surroundings."""

    def __init__(self, config: ConversationConfig | None = None) -> None:
        config = config or ConversationConfig()
        self.context = Context(config)
        self.history = History(config.max_history)
        self.timers = CallTimers(config)
        self.floor = Floor(self.context, self.history, self.timers)

    def answer(self) -> Reply:
        """Answer a turn, and go past the effects of that."""
        self.floor.answer(1, "Hello.", 0, ())
        self.floor.set_agent("turn_decided", "words")
        assert self.floor.reply
        return self.floor.reply

    def play(self, *segments: Segment) -> Reply:
        """Answer a turn and start to play it."""
        r = self.answer()
        for segment in segments or (Segment("Yes.", 0.0, 1.0),):
            self.floor.speech_queued(inputs.SpeechQueued(r.generation, segment))
        self.floor.playout_started(inputs.PlayoutStarted(r.generation))
        self.context.effects = []
        return r

    def hear(self, *probabilities: float, wordless: bool = False) -> bool:
        return [self.floor.hear_user(WINDOW, p, 0.0, wordless=wordless) for p in probabilities][-1]

    def kinds(self) -> list[str]:
        return [type(effect).__name__ for effect in self.context.effects]

    def effects(self, kind: type[Effect]) -> list[Effect]:
        return [effect for effect in self.context.effects if isinstance(effect, kind)]


def test_a_text_is_said_when_its_turn_comes() -> None:
    s = Stage()
    before = s.floor.is_free, s.floor.owes_speech
    s.floor.queue_say(NOTE)
    assert before == (True, False)
    assert (s.floor.is_free, s.floor.owes_speech) == (False, True)
    s.floor.say_next()
    assert s.context.effects == [effects.StartSpeech(1, "One moment.", 7, True)]
    assert s.floor.current(1) is s.floor.reply
    assert s.floor.current(2) is None


def test_an_answer_begins_with_what_waits_to_be_said() -> None:
    s = Stage()
    s.floor.queue_say(NOTE)
    s.floor.answer(3, "Hello.", 160, ())
    assert s.context.effects == [effects.StartReply(1, 3, "Hello.", (), speculative=False, says=(NOTE,))]
    assert not s.floor.says


def test_a_prepared_reply_is_committed_with_the_words_that_it_answers() -> None:
    s = Stage()
    prepared = Reply(s.floor.next_generation(), 2, "Hello", segments=[Segment("Hi.", 0.0, 0.5)])
    s.context.pos = 500
    s.floor.commit(prepared, "Hello.", 100)
    assert s.context.effects == [effects.CommitReply(1), events.AgentSaid(500, 0.0, 1, "Hi.")]
    assert (prepared.text, prepared.began, prepared.asked_from) == ("Hello.", 500, 100)


def test_only_so_many_texts_may_wait() -> None:
    s = Stage(ConversationConfig(max_queued_says=1))
    s.floor.queue_say(NOTE)
    with pytest.raises(InvalidStateError, match="1 texts wait"):
        s.floor.queue_say(NOTE)


def test_what_was_heard_is_in_the_history_and_frees_the_floor() -> None:
    s = Stage()
    r = s.play(Segment("Yes.", 0.0, 1.0), Segment("It is.", 1.0, 2.0))
    s.floor.finish(inputs.PlayoutFinished(r.generation, 2.0, estimated=False))
    assert s.history.snapshot() == (Message("agent", "Yes. It is.", "Yes. It is."),)
    assert s.kinds() == ["AgentHeard", "AgentChanged"]
    assert s.floor.is_free


def test_what_ends_of_an_unknown_generation_is_nothing() -> None:
    s = Stage()
    s.play()
    s.floor.finish(inputs.PlayoutFinished(9, 2.0))
    s.floor.speech_played(inputs.SpeechPlayed(9, 1, 2.0))
    s.floor.playout_started(inputs.PlayoutStarted(9))
    s.floor.speech_queued(inputs.SpeechQueued(9, Segment("No.", 0.0, 1.0)))
    assert s.context.effects == []


def test_a_failed_answer_frees_the_floor_and_what_it_was_to_say_first_waits_again() -> None:
    s = Stage()
    s.floor.queue_say(NOTE)
    r = s.answer()
    s.floor.fail(r, "agent_error")
    assert list(s.floor.says) == [NOTE]
    assert s.floor.reply is None
    assert s.floor.generation == 2


def test_a_reply_is_held_and_released_once() -> None:
    s = Stage()
    r = s.answer()
    s.context.effects = []
    s.floor.hold(r)
    s.floor.hold(r)
    s.floor.go_on("no_words")
    s.floor.go_on("no_words")
    assert s.context.effects == [effects.Hold(1), effects.Release(1)]


def test_nothing_goes_on_where_nothing_is_open() -> None:
    s = Stage()
    s.floor.go_on("no_words")
    s.floor.drop("words")
    assert s.context.effects == []


def test_speech_ducks_pauses_and_is_to_be_checked() -> None:
    s = Stage(ConversationConfig(barge_in=BargeIn(confirm_after=0.2)))
    s.play()
    assert not s.hear(0.9)
    assert s.kinds() == ["AgentChanged", "Duck"]
    assert not s.hear(0.9)
    assert s.kinds()[2:] == ["AgentChanged", "Pause"]
    assert s.hear(*[0.9] * 5)


def test_silence_restores_what_was_ducked() -> None:
    s = Stage()
    s.play()
    s.hear(0.9, *[0.0] * 6)
    assert s.kinds() == ["AgentChanged", "Duck", "FalseInterruption", "AgentChanged", "Unduck"]


@pytest.mark.parametrize("config", [BargeIn(enabled=False), BargeIn()])
def test_speech_does_nothing_to_a_reply_that_may_not_be_interrupted_or_has_no_words(config: BargeIn) -> None:
    s = Stage(ConversationConfig(barge_in=config))
    r = s.play()
    assert not s.hear(*[0.9] * 50, wordless=config.enabled)
    assert s.context.effects == []
    assert r.played == 50 * WINDOW


def test_a_reply_that_was_played_is_cut_off_and_waits_for_the_report() -> None:
    s = Stage()
    r = s.play()
    s.floor.drop("words")
    s.floor.drop("words")
    assert s.context.effects == [events.Interrupted(0, 0.0, 1, "words"), effects.DiscardReply(1, rollback=False)]
    assert s.floor.reply is r
    assert not s.floor.owes_speech
    assert not s.hear(0.9)
    s.floor.finish(inputs.PlayoutFinished(1, 0.0))
    assert s.floor.is_free


def test_a_text_that_was_not_played_waits_again_unless_it_is_given_up() -> None:
    s = Stage()
    s.floor.queue_say(NOTE)
    s.floor.say_next()
    s.floor.drop("went_on")
    assert list(s.floor.says) == [NOTE]
    s.floor.say_next()
    s.floor.give_up("request")
    s.floor.cancel_says("request")
    assert s.effects(events.SayEnded) == [events.SayEnded(0, 0.0, 7, "One moment.", "", True, "request")]
    assert s.floor.is_free


def test_an_apology_comes_before_what_waits() -> None:
    s = Stage(ConversationConfig(apology="Sorry."))
    s.floor.queue_say(NOTE)
    s.floor.apologize()
    assert [say.text for say in s.floor.says] == ["Sorry.", "One moment."]
    silent = Stage(ConversationConfig(apology=""))
    silent.floor.apologize()
    assert silent.floor.is_free
