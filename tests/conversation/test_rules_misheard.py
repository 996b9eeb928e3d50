"""A short sound over the agent in which other words than a backchannel were understood is transcribed again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from duologue.conversation import effects, events
from duologue.conversation.config import BargeIn, ConversationConfig
from duologue.testing.conversation import Script

STORY = "That is a long story, and it begins in the spring."
AUDIO = 800
"""Samples that each further transcript leaves out: 0.05 s."""


def over_the_agent(
    *texts: str, seconds: float = 0.32, clauses: tuple[str, ...] = (STORY,), config: ConversationConfig | None = None
) -> Script:
    """The user makes a sound over the agent, and each transcript of it is the next of `texts`."""
    s = Script(config)
    s.say_turn("Hello.", pause=1.5)
    s.play(*clauses, seconds=10.0 / len(clauses))
    s.silence(1.024)
    s.log.clear()
    s.understand(*texts)
    s.speech(seconds)
    s.silence(0.96)
    return s


def starts(s: Script) -> list[int]:
    """Where each requested transcript begins, from the beginning of the first."""
    asked = [ask.start for ask in s.of(effects.RequestTranscript)]
    return [start - asked[0] for start in asked]


def test_a_backchannel_that_was_misheard_at_first_lets_the_agent_go_on() -> None:
    s = over_the_agent("Thor.", "Sure.")
    assert starts(s) == [0, AUDIO]
    assert s.one(events.Backchannel).text == "Sure."
    assert s.of(events.Interrupted) == s.of(events.TurnDecided) == []  # type: ignore[comparison-overlap]
    assert len(s.of(effects.Resume)) == 1


def test_it_is_transcribed_three_times_at_most() -> None:
    s = over_the_agent("L.", "", "Oh.")
    assert starts(s) == [0, AUDIO, 2 * AUDIO]
    assert len({ask.end for ask in s.of(effects.RequestTranscript)}) == 1
    assert s.one(events.Backchannel).text == "Oh."


def test_an_interruption_takes_the_floor_with_the_words_that_were_understood_first() -> None:
    s = over_the_agent("Stop.", "Step.", "")
    assert s.one(events.Interrupted).pos == s.last(effects.RequestTranscript).due
    assert s.one(events.TurnDecided).text == "Stop."
    assert s.one(events.TurnDecided).silence <= 0.4


def test_two_transcripts_that_agree_are_believed() -> None:
    s = over_the_agent("Stop.", "stop", "Uh?")
    assert starts(s) == [0, AUDIO]
    assert s.one(events.Interrupted).pos == s.last(effects.RequestTranscript).due
    assert s.one(events.TurnDecided).text == "Stop."


def test_what_is_an_answer_or_a_goodbye_is_not_taken_from_a_later_transcript() -> None:
    s = over_the_agent("By.", "Bye.")
    assert s.one(events.TurnDecided).text == "By."


@pytest.mark.parametrize("text", ["Yeah.", ""])
def test_a_backchannel_and_silence_are_transcribed_once(text: str) -> None:
    s = over_the_agent(text, "Stop.")
    assert starts(s) == [0]
    assert s.of(events.Interrupted) == []


def test_longer_sounds_and_more_words_are_no_backchannels() -> None:
    assert starts(over_the_agent("Stop.", seconds=0.8)) == [0]
    assert starts(over_the_agent("I said Friday.")) == [0]


def test_where_an_answer_is_due_the_first_transcript_counts() -> None:
    s = over_the_agent("Note.", "Okay.", clauses=("Shall I book that?", STORY), seconds=0.32)
    assert len(starts(s)) == 2
    s = Script()
    s.say_turn("Hello.", pause=1.5)
    s.play("Shall I book it?", seconds=2.0)
    s.silence(1.6)
    s.log.clear()
    s.understand("Note.", "Okay.")
    s.speech(0.32)
    s.silence(0.96)
    assert starts(s) == [0]
    assert s.one(events.TurnDecided).text == "Note."


def test_it_is_not_transcribed_again_where_the_agent_may_not_be_interrupted() -> None:
    s = over_the_agent("Thor.", config=ConversationConfig(barge_in=BargeIn(enabled=False)))
    assert starts(s) == [0]


def test_a_stream_is_not_asked_again() -> None:
    s = Script()
    s.say_turn("Hello.", pause=1.5)
    s.play(STORY, seconds=10.0)
    s.silence(1.024)
    s.conversation.context.capabilities = replace(s.conversation.context.capabilities, streams_words=True)
    s.log.clear()
    s.understand("Thor.")
    s.speech(0.32)
    s.silence(0.96)
    assert starts(s) == [0]
    assert s.one(events.Interrupted).reason == "words"


def test_an_answer_that_comes_too_late_for_another_is_final() -> None:
    s = Script()
    s.say_turn("Hello.", pause=1.5)
    s.play(STORY, seconds=10.0)
    s.silence(1.024)
    s.log.clear()
    s.understand("Thor.", after=1.2)
    s.speech(0.32)
    s.silence(1.6)
    assert starts(s) == [0]
    assert s.one(events.Interrupted).reason == "words"


def misheard_once(config: ConversationConfig | None = None) -> Script:
    """The first transcript of a short sound over the agent has come, and the second was requested."""
    s = Script(config)
    s.say_turn("Hello.", pause=1.5)
    s.play(STORY, seconds=20.0)
    s.silence(1.024)
    s.log.clear()
    s.understand("Wait.")
    s.speech(0.32)
    s.silence(0.096)
    return s


def test_a_failure_counts_as_a_transcript_without_words() -> None:
    s = misheard_once()
    s.fail_words()
    s.silence(0.96)
    assert starts(s) == [0, AUDIO, 2 * AUDIO]
    assert s.one(events.TurnDecided).text == "Wait."
    assert s.of(events.SpeechIgnored) == []


@pytest.mark.parametrize(
    ("pause", "then", "text"), [(0.128, "Wait a moment.", "Wait a moment."), (0.288, "a moment.", "Wait. a moment.")]
)
def test_one_who_goes_on_meanwhile_is_heard_in_full(pause: float, then: str, text: str) -> None:
    s = misheard_once()
    s.lose_words()
    s.silence(pause)
    assert len(starts(s)) == 2
    s.understand(then)
    s.speech(0.64)
    s.silence(0.96)
    assert s.one(events.TurnDecided).text == text


def test_where_the_second_transcript_never_comes_the_first_counts() -> None:
    s = misheard_once()
    s.lose_words()
    s.silence(12.0)
    assert s.one(events.TurnDecided).text == "Wait."
