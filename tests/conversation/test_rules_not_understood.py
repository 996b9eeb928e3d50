"""Audible speech without words: it is transcribed again with more of the audio, then the user is asked to repeat it."""

from __future__ import annotations

import pytest

from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig, Endpointing
from duologue.testing.conversation import Script

SORRY = ConversationConfig(not_understood="Sorry?")


def misheard(
    *texts: str, config: ConversationConfig = SORRY, seconds: float = 0.4, probability: float = 0.95
) -> Script:
    s = Script(config)
    s.silence(1.024)
    s.understand(*texts)
    s.speech(seconds, probability)
    s.silence(1.0)
    return s


def test_a_second_attempt_hears_more_before_and_after() -> None:
    s = misheard("", "Seven.")
    first, second = s.of(effects.RequestTranscript)
    assert second.start == first.start - 8000
    assert second.end > first.end
    assert s.one(events.TurnDecided).text == "Seven."
    assert s.of(events.SpeechIgnored) == []


def test_the_user_is_asked_to_repeat_what_had_no_words_twice() -> None:
    s = misheard("")
    assert len(s.of(effects.RequestTranscript)) == 2
    assert s.one(events.SpeechIgnored).reason == "not_understood"
    assert s.one(effects.StartSpeech).text == "Sorry?"
    assert s.of(events.TurnDecided) == []


@pytest.mark.parametrize(("seconds", "probability"), [(0.1, 0.95), (0.64, 0.7)])
def test_what_is_hardly_speech_is_dropped(seconds: float, probability: float) -> None:
    s = misheard("", seconds=seconds, probability=probability)
    assert len(s.of(effects.RequestTranscript)) == 1
    assert s.one(events.SpeechIgnored).reason == "no_words"
    assert s.of(effects.StartSpeech) == []


@pytest.mark.parametrize(
    "config", [ConversationConfig(not_understood="Sorry?", audible_after=0.0), ConversationConfig(not_understood="")]
)
def test_it_can_be_turned_off(config: ConversationConfig) -> None:
    s = misheard("", config=config)
    assert s.of(effects.StartSpeech) == []
    assert len(s.of(effects.RequestTranscript)) == (2 if config.audible_after else 1)


def test_the_user_is_asked_twice_at_most_until_a_turn_is_decided() -> None:
    s = misheard("")
    s.play("Sorry?", seconds=0.3)
    for _ in range(3):
        s.silence(0.6)
        s.speech(0.4)
        s.silence(1.0)
        if s.playing is None:
            s.play("Sorry?", seconds=0.3)
    assert [e.text for e in s.of(effects.StartSpeech)] == ["Sorry?", "Sorry?"]
    s.say_turn("Hello.", pause=1.5)
    s.fail_reply("empty")
    s.understand("")
    s.speech(0.4)
    s.silence(1.0)
    assert len(s.of(effects.StartSpeech)) == 3


def test_a_user_who_goes_on_meanwhile_is_heard() -> None:
    s = Script(SORRY)
    s.silence(0.5)
    s.understand("", after=0.0)
    s.speech(0.4)
    s.silence(0.16)
    s.understand("Seven.")
    s.speech(0.4)
    s.silence(1.0)
    assert s.one(events.TurnDecided).text == "Seven."
    assert s.of(effects.StartSpeech) == []


def test_a_sound_over_the_agent_is_transcribed_once_and_an_answer_twice() -> None:
    requests = []
    for question in ("That is a long story.", "Shall I book it?"):
        s = Script(SORRY)
        s.say_turn(pause=1.5)
        s.play(question, "And it begins in the spring.", seconds=1.5)
        s.silence(1.2)
        s.log.clear()
        s.understand("")
        s.speech(0.4)
        s.silence(1.5)
        requests.append(len(s.of(effects.RequestTranscript)))
        assert s.of(events.Interrupted) == []
        assert [e.text for e in s.of(effects.StartSpeech)] == []
    assert requests == [1, 2]


def test_a_failure_while_it_is_asked_again_is_apologized_for() -> None:
    s = Script(ConversationConfig(not_understood="Sorry?", apology="Something went wrong."))
    s.silence(0.5)
    s.understand("")
    s.speech(0.4)
    s.silence(0.128)
    s.fail_words("provider_error")
    s.silence(1.0)
    assert s.one(events.SpeechIgnored).reason == "provider_error"
    assert s.one(effects.StartSpeech).text == "Something went wrong."


def test_a_turn_that_is_open_again_is_answered_as_it_was() -> None:
    s = Script(SORRY)
    s.say_turn("A table for two.", pause=1.0)
    s.understand("")
    s.speech(0.4)
    s.silence(1.5)
    assert s.of(effects.StartSpeech) == []
    assert s.last(events.TurnDecided).text == "A table for two."


def test_the_button_is_let_go_and_there_were_no_words() -> None:
    s = Script(SORRY)
    s.understand("")
    s.give(inputs.TurnBegun())
    s.speech(0.64)
    s.give(inputs.TurnEnded())
    s.silence(1.0)
    assert s.one(effects.StartSpeech).text == "Sorry?"
    assert not s.last(effects.RequestTranscript).may_go_on


@pytest.mark.parametrize(("after", "end", "silence"), [("", 20, 0.896), ("please", 43, 0.832)])
def test_a_noise_after_the_words_does_not_have_them_waited_for_again(after: str, end: int, silence: float) -> None:
    s = Script(ConversationConfig(endpointing=Endpointing(opening=0.0)))
    s.understand("A table for two", after, probability=0.4)
    s.speech(0.64)
    s.silence(0.64)
    s.speech(0.1)
    s.silence(2.5)
    decided = s.one(events.TurnDecided)
    assert decided.text == f"A table for two {after}".strip()
    assert (decided.end // 512, decided.silence) == (end, silence)
