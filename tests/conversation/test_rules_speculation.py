from __future__ import annotations

from typing import Literal

import pytest
from plain import script

from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig, Endpointing
from duologue.conversation.context import Context
from duologue.conversation.effects import Effect
from duologue.conversation.endpointing import Evidence
from duologue.conversation.floor import Floor
from duologue.conversation.history import History, Segment
from duologue.conversation.speculation import LONGEST_COMPARED, Speculation, keeps
from duologue.conversation.timers import CallTimers
from duologue.testing.conversation import Script

Strategy = Literal["off", "discard", "use_if_similar", "always_use"]
LONG = "table " * (LONGEST_COMPARED // 6 + 1)


@pytest.mark.parametrize(
    ("strategy", "prepared", "text", "kept"),
    [
        ("discard", "A table for two", "a table, for two!", True),
        ("discard", "A table for two", "A table for you", False),
        ("discard", "", "", True),
        ("use_if_similar", "A table for two, please", "A table for two please.", True),
        ("use_if_similar", "A table for two please", "A table for two pleas", True),
        ("use_if_similar", "A table for two", "A table for two at eight tonight", False),
        ("use_if_similar", LONG, LONG, True),
        ("use_if_similar", LONG, LONG + "x", False),
        ("always_use", "A table", "Nothing like it", True),
    ],
)
def test_which_replies_may_answer_other_words(strategy: str, prepared: str, text: str, kept: bool) -> None:
    assert keeps(strategy, prepared, text) is kept


def doubtful(strategy: Strategy = "discard", *, speculates: bool = True, probability: float = 0.4) -> Script:
    """Words that leave the turn open until the timeout: time for a reply to be prepared."""
    s = script(ConversationConfig(speculation=strategy, split_after=1.0), speculates=speculates)
    s.understand("A table for two", probability=probability)
    s.speech(0.64)
    s.silence(0.32)
    return s


def test_a_reply_is_prepared_while_the_turn_is_open_and_committed_when_it_is_decided() -> None:
    s = doubtful()
    started, reply = s.one(events.SpeculationStarted), s.one(effects.StartReply)
    assert (started.turn, started.generation, started.text) == (1, 1, "A table for two")
    assert reply == effects.StartReply(1, 1, "A table for two", (), speculative=True)
    assert s.conversation.agent.state == "idle"
    s.silence(0.96)
    assert s.one(effects.CommitReply) == effects.CommitReply(1)
    assert len(s.of(effects.StartReply)) == 1
    assert s.conversation.agent.state == "thinking"


def test_clauses_that_were_prepared_are_said_only_once_committed() -> None:
    s = doubtful()
    s.queue("For two.", "At what time?")
    assert s.of(events.AgentSaid) == []
    s.silence(0.96)
    assert [e.text for e in s.of(events.AgentSaid)] == ["For two.", "At what time?"]
    s.play()
    s.finish()
    assert s.one(events.AgentHeard).text == "For two. At what time?"


def test_a_turn_that_is_decided_at_once_is_no_speculation() -> None:
    s = script(speculates=True)
    s.understand("Hello.", after=0.32)
    s.speech(0.64)
    s.silence(0.64)
    assert s.of(events.SpeculationStarted) == []
    assert not s.one(effects.StartReply).speculative


def test_a_reply_is_prepared_while_the_sound_is_judged() -> None:
    s = script(speculates=True, judges_sound=True)
    s.understand("A table for two", probability=0.6)
    s.speech(0.64)
    s.silence(0.256)
    assert s.one(events.SpeculationStarted).pos == s.one(effects.RequestEndOfTurn).end
    s.silence(0.64)
    assert s.one(effects.CommitReply).generation == 1


@pytest.mark.parametrize(
    ("strategy", "speculates", "probability"), [("off", True, 0.4), ("discard", False, 0.4), ("discard", True, 0.1)]
)
def test_no_reply_is_prepared(strategy: Strategy, speculates: bool, probability: float) -> None:
    s = doubtful(strategy, speculates=speculates, probability=probability)
    assert s.of(events.SpeculationStarted) == []
    s.silence(0.96)
    assert not s.one(effects.StartReply).speculative


def test_discard_throws_the_reply_away_as_soon_as_the_user_goes_on() -> None:
    s = doubtful("discard")
    s.speech(0.064)
    discarded = s.one(events.SpeculationDiscarded)
    assert (discarded.turn, discarded.generation, discarded.reason) == (1, 1, "went_on")
    assert s.one(effects.DiscardReply) == effects.DiscardReply(1, rollback=True)
    assert s.conversation.generation == 2
    s.understand("A table for two at eight", probability=0.95)
    s.speech(0.64)
    s.silence(0.64)
    assert s.last(effects.StartReply).generation == 3


@pytest.mark.parametrize(
    ("strategy", "text", "kept"),
    [
        ("use_if_similar", "A table for two.", True),
        ("use_if_similar", "A table for two or rather for four", False),
        ("always_use", "Something else altogether", True),
    ],
)
def test_what_becomes_of_the_reply_when_the_user_goes_on(strategy: Strategy, text: str, kept: bool) -> None:
    s = doubtful(strategy)
    s.speech(0.64)
    assert s.of(events.SpeculationDiscarded) == []
    s.understand(text, probability=0.95)
    s.silence(0.96)
    if kept:
        assert s.one(effects.CommitReply).generation == 1
        assert len(s.of(effects.StartReply)) == 1
    else:
        assert s.one(events.SpeculationDiscarded).reason == "words_changed"
        assert s.last(effects.StartReply) == effects.StartReply(3, 1, text, (), speculative=False)
    assert s.one(events.TurnDecided).text == text
    assert s.conversation.history.messages[-1].text == text


def test_words_that_change_while_the_turn_stays_open_bring_another_speculation() -> None:
    s = doubtful("use_if_similar")
    s.speech(0.64)
    s.understand("A table for two or rather for four", probability=0.4)
    s.silence(0.32)
    assert [e.generation for e in s.of(events.SpeculationStarted)] == [1, 3]


def test_the_same_words_again_keep_the_reply() -> None:
    s = doubtful("use_if_similar")
    s.speech(0.64)
    s.silence(1.5)
    assert len(s.of(effects.StartReply)) == 1
    assert s.one(effects.CommitReply).generation == 1


def test_three_replies_a_turn_at_most_reopened_or_not() -> None:
    s = script(ConversationConfig(max_speculations=3), speculates=True)
    for words in ("one", "one two", "one two three", "one two three four", "one two three four five"):
        s.understand(words, probability=0.4)
        s.speech(0.64)
        s.silence(0.32)
    assert len(s.of(events.SpeculationStarted)) == 3
    s.silence(0.96)
    s.understand("six", probability=0.4)
    s.speech(0.64)
    s.silence(0.32)
    assert s.one(events.TurnContinued).turn == 1
    assert len(s.of(events.SpeculationStarted)) == 3
    s.silence(0.96)
    s.play("Yes.", seconds=0.32)
    s.silence(0.32)
    s.speech(0.64)
    s.silence(0.32)
    assert s.last(events.SpeculationStarted).turn == 2


def test_a_speculation_that_fails_is_dropped_and_the_turn_is_answered_when_it_is_decided() -> None:
    s = doubtful()
    s.fail_reply("timeout")
    assert s.one(events.SpeculationDiscarded).reason == "timeout"
    s.silence(0.96)
    assert [r.speculative for r in s.of(effects.StartReply)] == [True, False]


def test_speech_that_turns_out_to_be_nothing_discards_the_reply() -> None:
    s = doubtful("always_use")
    s.understand("")
    s.speech(0.64)
    s.silence(0.64)
    assert s.one(events.SpeechIgnored).reason == "not_understood"
    assert s.one(events.SpeculationDiscarded).reason == "no_turn"


def test_text_that_is_typed_meanwhile_belongs_to_the_turn() -> None:
    s = doubtful()
    s.give(inputs.TextArrived("Are you open today?"))
    s.silence(1.0)
    assert s.one(events.SpeculationDiscarded).reason == "words_changed"
    assert s.last(effects.StartReply).text.endswith("Are you open today?")


def test_no_reply_is_prepared_while_one_is_on_its_way() -> None:
    s = script(ConversationConfig(greeting="Welcome!", greeting_interruptible=False), speculates=True)
    s.play("Welcome!", seconds=2.0)
    s.understand("A table for two", probability=0.4)
    s.speech(0.32)
    s.silence(0.96)
    assert s.of(events.SpeculationStarted) == []


def test_after_an_interruption_by_words_a_reply_is_prepared_as_ever() -> None:
    s = script(speculates=True)
    s.say_turn("Hello.")
    s.play("Hello, how are you?", seconds=5.0)
    s.silence(0.64)
    s.understand("Stop, I would like", probability=0.4)
    s.speech(0.32)
    s.silence(0.32)
    assert s.reasons(events.Interrupted) == ["words"]
    assert s.last(events.SpeculationStarted).turn == 2


def test_clauses_of_an_older_generation_belong_to_no_reply() -> None:
    s = doubtful()
    s.give(inputs.SpeechQueued(99, Segment("Not mine.", 0.0, 1.0)))
    s.silence(0.96)
    assert s.of(events.AgentSaid) == []


def test_the_end_discards_what_is_prepared() -> None:
    s = doubtful(probability=0.4)
    s.give(inputs.EndRequested("closed"))
    assert s.one(effects.DiscardReply) == effects.DiscardReply(1, rollback=True)


def test_a_policy_without_a_delay_still_commits_what_it_prepared() -> None:
    s = script(ConversationConfig(endpointing=Endpointing(action_delay=0.64)), speculates=True)
    s.say_turn("Hello.", pause=0.96)
    assert s.one(effects.StartReply).speculative
    assert s.one(effects.CommitReply).generation == 1


# --- by itself ---


class Stage:
    """A speculation with its surroundings."""

    def __init__(self, config: ConversationConfig | None = None, *, speculates: bool = True) -> None:
        config = config or ConversationConfig()
        self.context = Context(config)
        self.context.capabilities = inputs.CallRequested(speculates)
        history = History(config.max_history)
        self.floor = Floor(self.context, history, CallTimers(config))
        self.speculation = Speculation(self.context, self.floor, history)

    def prepare(self, text: str = "Hello.", *, turn: int = 1, probability: float = 0.5) -> list[Effect]:
        self.context.effects = []
        self.speculation.prepare(turn, Evidence(text, probability, "sentence", 1.0))
        return self.context.effects


def test_it_is_prepared_taken_once_and_only_for_its_turn() -> None:
    s = Stage()
    started, asked = s.prepare()
    assert started == events.SpeculationStarted(0, 0.0, 1, 1, "Hello.", "sentence")
    assert asked == effects.StartReply(1, 1, "Hello.", (), speculative=True)
    assert s.prepare() == [], "it still fits"
    assert s.speculation.take(2, "Hello.") is None
    assert s.speculation.take(1, "Goodbye.") is None
    assert s.speculation.of(1)
    assert s.speculation.of(2) is None
    assert s.speculation.take(1, "Hello.")
    assert s.speculation.take(1, "Hello.") is None


def test_so_many_are_prepared_for_each_turn() -> None:
    s = Stage(ConversationConfig(max_speculations=1))
    s.prepare("One.")
    assert [type(e).__name__ for e in s.prepare("Two.")] == ["SpeculationDiscarded", "DiscardReply"]
    assert s.speculation.reply is None
    s.speculation.new_turn()
    assert s.prepare("Three.", turn=2) != []


@pytest.mark.parametrize("reason", ["agent", "floor", "unlikely"])
def test_none_is_prepared_where_it_would_be_no_use(reason: str) -> None:
    s = Stage(speculates=reason != "agent")
    if reason == "floor":
        s.floor.queue_say(inputs.SayRequested("One moment."))
    assert s.prepare(probability=0.1 if reason == "unlikely" else 0.5) == []


def test_discarding_twice_is_discarding_once() -> None:
    s = Stage()
    s.prepare()
    s.context.effects = []
    s.speculation.discard("went_on")
    s.speculation.discard("went_on")
    assert s.context.effects == [
        events.SpeculationDiscarded(0, 0.0, 1, 1, "went_on"),
        effects.DiscardReply(1, rollback=True),
    ]
