"""What a recognizer brings along: how long it takes, words while the user speaks, an opinion of its own on the turn."""

import pytest
from plain import script

from duologue.audio.format import RATE
from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig
from duologue.conversation.endpointing import Evidence
from duologue.testing.conversation import Script


def started(call: inputs.CallRequested, config: ConversationConfig | None = None) -> Script:
    s = script(config, start=False)
    s.give(call)
    return s


def budget(s: Script) -> float:
    ask = s.last(effects.RequestTranscript)
    return (ask.due - s.last(events.SpeechStopped).pos) / RATE


def ask(call: inputs.CallRequested, seconds: float = 1.92) -> float:
    s = started(call)
    s.speech(seconds)
    s.silence(0.256)
    return budget(s)


# --- when words are due ---


def test_words_are_due_when_the_recognizer_has_them() -> None:
    own = ask(inputs.CallRequested())
    assert ask(inputs.CallRequested(words_latency=0.3)) == 0.32, "in whole windows"
    assert ask(inputs.CallRequested(words_latency=0.0)) == own, "never sooner than the configured budget"
    assert ask(inputs.CallRequested(words_latency=0.3, words_latency_per_s=0.1)) > 0.48
    assert ask(inputs.CallRequested(words_latency=0.3, streams_words=True), 9.6) == 0.32, "it has heard them already"


def test_a_latency_that_is_measured_holds_from_then_on() -> None:
    s = started(inputs.CallRequested(words_latency=0.3))
    s.say_turn()
    s.play("Yes.", seconds=0.5)
    s.silence(1.0)
    s.give(inputs.WordsLatencyMeasured(0.6))
    s.speech(0.64)
    s.silence(0.256)
    assert budget(s) == 0.608


def test_an_answer_within_the_latency_is_not_late() -> None:
    s = started(inputs.CallRequested(words_latency=0.3))
    s.understand("Hello.", after=0.3)
    s.speech(0.64)
    s.silence(0.64)
    assert s.of(events.EvidenceLate) == []
    assert s.one(events.TurnDecided).text == "Hello."


def test_words_so_far_are_due_when_the_recognizer_has_them() -> None:
    s = started(inputs.CallRequested(words_latency=0.3, streams_words=True))
    s.say_turn()
    s.play("A long answer.", seconds=9.0)
    s.silence(1.0)
    s.speech(1.6)
    check = s.last(effects.RequestTranscript)
    assert not check.final
    assert (check.due - check.end) / RATE == 0.32


# --- words while the user speaks ---


def test_a_recognizer_that_streams_shows_words_from_the_beginning() -> None:
    first = [started(inputs.CallRequested(streams_words=streams)) for streams in (True, False)]
    for s in first:
        s.speech(2.0)
    shown = [s.of(effects.RequestPartial)[0].end for s in first]
    assert shown[0] < 0.2 * RATE
    assert shown[1] >= 1.0 * RATE


def test_partials_stay_off_where_they_are_turned_off() -> None:
    s = started(inputs.CallRequested(streams_words=True), ConversationConfig(partial_every=0.0))
    s.speech(3.0)
    assert s.of(effects.RequestPartial) == []


# --- its opinion ---


def test_an_opinion_is_a_term_in_the_log_odds() -> None:
    def probability(recognizer: float | None, sound: float | None = None, against: float = 0.0) -> float:
        return Evidence("", 0.6, "", 1.0, sound, against, recognizer).probability

    assert probability(0.5) == pytest.approx(probability(None))
    assert probability(0.1) < probability(None) < probability(0.9) < probability(0.99)
    assert probability(0.9, sound=0.3) < probability(0.9, sound=0.9)
    assert probability(0.9, against=0.8) < probability(0.9)
    assert probability(1.0) == probability(0.99), "nobody is believed beyond a limit"


def doubtful() -> Script:
    s = started(inputs.CallRequested(agent_speculates=True))
    s.understand("so I thought", probability=0.45)
    return s


@pytest.mark.parametrize("early", [True, False], ids=["before the words", "after the words"])
def test_an_opinion_decides_a_turn_that_words_leave_open(early: bool) -> None:
    s = doubtful()
    s.speech(0.96)
    s.silence(0.128 if early else 0.32)
    assert s.of(events.TurnDecided) == []
    s.give(inputs.TurnJudged(s.pos, 0.9))
    s.silence(0.256)
    assert s.one(events.TurnDecided).probability > 0.5
    assert s.last(events.TurnScored).probability > 0.5


def test_an_opinion_formed_before_the_user_went_on_is_void() -> None:
    s = doubtful()
    s.speech(0.96)
    s.silence(0.192)
    s.give(inputs.TurnJudged(s.pos, 0.98))
    s.speech(0.64)
    s.silence(0.448)
    assert s.of(events.TurnDecided) == []


def test_an_opinion_that_comes_before_the_silence_is_noticed_counts() -> None:
    s = doubtful()
    s.speech(0.96)
    s.give(inputs.TurnJudged(s.pos, 0.98))
    s.silence(0.448)
    assert s.one(events.TurnDecided).probability > 0.5


@pytest.mark.parametrize("position", [0, 10])
def test_an_opinion_of_nothing_changes_nothing(position: int) -> None:
    s = doubtful()
    s.silence(1.0)
    log = len(s.log)
    s.give(inputs.TurnJudged(position, 0.9))
    s.give(inputs.TurnJudged(position, 0.9, eager=True))
    assert len(s.log) == log
    s.speech(0.96)
    s.give(inputs.TurnJudged(position, 0.9))
    s.silence(0.448)
    assert s.of(events.TurnDecided) == []


def test_an_early_guess_prepares_a_reply_and_decides_nothing() -> None:
    s = started(inputs.CallRequested(agent_speculates=True))
    s.understand("so I thought", probability=0.1)
    s.speech(0.96)
    s.silence(0.32)
    assert s.of(events.SpeculationStarted) == []
    s.give(inputs.TurnJudged(s.pos, 0.9, eager=True))
    assert s.one(events.SpeculationStarted).text == "so I thought"
    s.silence(0.32)
    assert s.of(events.TurnDecided) == []
    s.silence(0.64)
    assert s.one(events.TurnDecided).reason == "timeout"
    assert s.one(effects.CommitReply).generation == 1


def test_an_early_guess_uses_words_that_are_not_due_yet() -> None:
    s = started(inputs.CallRequested(agent_speculates=True, words_latency=0.5))
    s.understand("so I thought", probability=0.1)
    s.speech(0.96)
    s.silence(0.16)
    s.give(inputs.TurnJudged(s.pos, 0.9, eager=True))
    started_at = s.one(events.SpeculationStarted).pos
    assert started_at < s.last(effects.RequestTranscript).due
    s.silence(1.6)
    assert s.one(effects.CommitReply).generation == 1


def test_an_early_guess_waits_for_the_words() -> None:
    s = started(inputs.CallRequested(agent_speculates=True, words_latency=0.5))
    s.understand("so I thought", probability=0.1, after=0.256)
    s.speech(0.96)
    s.silence(0.16)
    s.give(inputs.TurnJudged(s.pos, 0.9, eager=True))
    assert s.of(events.SpeculationStarted) == []
    s.silence(0.32)
    assert s.one(events.SpeculationStarted).pos < s.last(effects.RequestTranscript).due


def test_an_early_guess_prepares_nothing_for_a_short_response() -> None:
    s = started(inputs.CallRequested(agent_speculates=True, words_latency=0.5))
    s.understand("okay", probability=0.1)
    s.speech(0.64)
    s.silence(0.16)
    s.give(inputs.TurnJudged(s.pos, 0.9, eager=True))
    assert s.of(events.SpeculationStarted) == []
