"""No dead air: a filler is said before the user has waited for `max_dead_air`."""

import pytest

from duologue.audio.format import RATE
from duologue.conversation import effects, inputs
from duologue.conversation.config import ConversationConfig
from duologue.testing.conversation import Script

FILLERS = ("One moment.", "Still here.")


def script(limit: float = 2.5, *, fillers: tuple[str, ...] = FILLERS) -> Script:
    s = Script(ConversationConfig(max_dead_air=limit, fillers=fillers, endpointing=ConversationConfig().endpointing))
    s.speech(1.0)
    while not s.of(effects.StartReply):
        s.silence(0.032)
    return s


@pytest.mark.parametrize("limit", [1.0, 2.5])
def test_a_filler_is_said_before_the_limit_and_again_if_the_answer_stays_away(limit: float) -> None:
    s = script(limit)
    decided = s.pos
    while not s.of(effects.Fill):
        s.silence(0.032)
    assert (s.pos - decided) / RATE == pytest.approx(limit - 0.3, abs=0.033)
    s.silence(limit)
    assert [e.text for e in s.of(effects.Fill)] == list(FILLERS)


@pytest.mark.parametrize("options", [{"limit": 0.0}, {"fillers": ()}])
def test_without_a_limit_or_fillers_the_agent_stays_silent(options: dict[str, object]) -> None:
    s = script(**options)  # type: ignore[arg-type]  # one option of each kind
    s.silence(6.0)
    assert not s.of(effects.Fill)


def test_an_answer_that_sounds_needs_no_filler_until_it_has_been_dry_for_as_long() -> None:
    s = script()
    s.silence(2.0)
    generation = s.on_order
    s.give(inputs.PlayoutStarted(generation))
    s.silence(3.0)
    assert not s.of(effects.Fill)
    s.give(inputs.SpeechStarved(generation, 0.2))
    s.silence(1.9)
    s.give(inputs.SpeechResumed(generation))
    s.silence(3.0)
    assert not s.of(effects.Fill)
    s.give(inputs.SpeechStarved(generation, 0.2))
    s.silence(2.1)
    assert len(s.of(effects.Fill)) == 1


def test_words_that_are_late_are_waited_for_with_a_filler() -> None:
    s = Script(ConversationConfig(fillers=FILLERS))
    s.understand("A table for two.", after=6.0)
    s.speech(1.0)
    spoke = s.pos
    while not s.of(effects.StartSpeech):
        s.silence(0.032)
    assert 2.0 < (s.pos - spoke) / RATE <= 2.5
    assert s.one(effects.StartSpeech).text == FILLERS[0]


def test_what_is_told_of_a_reply_that_is_over_changes_nothing() -> None:
    s = script()
    s.play("Yes.", seconds=1.0)
    s.silence(3.0)
    told = len(s.log)
    s.give(inputs.SpeechStarved(99, 5.0))
    s.give(inputs.SpeechResumed(99))
    assert len(s.log) == told
