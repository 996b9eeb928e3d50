"""Words over the agent that are much quieter than the caller's are not theirs: a second voice, or a television."""

from __future__ import annotations

import math

import numpy as np
import pytest

from duologue.audio.format import RATE
from duologue.audio.level import speech_level
from duologue.conversation import events
from duologue.conversation.caller_level import CallerLevel
from duologue.conversation.config import BargeIn, ConversationConfig
from duologue.conversation.state import AgentState
from duologue.testing.conversation import Script

ANSWER = "Well, that is a long story, and it begins in the spring."


def over_the_agent(level: float | None, seconds: float, *, margin: float = 12.0, first: float | None = -25.0) -> Script:
    """A first turn at the level `first`, then words over the answer for so many seconds."""
    s = Script(ConversationConfig(barge_in=BargeIn(background_margin=margin)))
    s.understand("Tell me a story.", level=first)
    s.speech(0.64)
    s.silence(0.64)
    s.play(ANSWER, seconds=20.0)
    s.silence(1.0)
    assert s.conversation.agent.state is AgentState.SPEAKING
    s.understand("And now the weather.", "And now the weather.", "And now the weather.", level=level)
    s.speech(seconds)
    s.silence(1.2)
    return s


@pytest.mark.parametrize("seconds", [0.64, 3.2])
def test_a_quiet_voice_in_the_room_does_not_interrupt(seconds: float) -> None:
    s = over_the_agent(-40.0, seconds)
    assert s.conversation.agent.state is AgentState.SPEAKING
    assert s.reasons(events.SpeechIgnored) == ["background"]
    assert s.reasons(events.FalseInterruption) == ["background"]
    assert s.conversation.user_turn.utterance is None


@pytest.mark.parametrize("seconds", [0.64, 3.2])
@pytest.mark.parametrize(
    ("level", "margin", "first"),
    [(-36.0, 12.0, -25.0), (-20.0, 12.0, -25.0), (None, 12.0, -25.0), (-40.0, 0.0, -25.0), (-40.0, 12.0, None)],
)
def test_the_caller_does(level: float | None, margin: float, first: float | None, seconds: float) -> None:
    s = over_the_agent(level, seconds, margin=margin, first=first)
    assert s.reasons(events.SpeechIgnored) == []
    assert s.one(events.Interrupted).reason == "words"


def test_a_caller_who_moves_away_is_known_again_after_one_turn() -> None:
    caller = CallerLevel(12.0)
    assert not caller.is_background(-60.0)
    caller.learn(-20.0)
    assert caller.is_background(-35.0)
    caller.learn(None)
    caller.learn(-35.0)
    assert not caller.is_background(-35.0)


def test_the_level_of_speech_does_not_depend_on_the_pauses_in_it() -> None:
    tone = np.sin(2 * math.pi * 440 * np.arange(RATE) / RATE) * 3276.8 * math.sqrt(2)
    speech = tone.astype(np.int16)
    silence = np.zeros(RATE, np.int16)
    assert speech_level(speech) == pytest.approx(-20.0, abs=0.1)
    assert speech_level(np.concatenate([silence, speech, silence, silence])) == pytest.approx(-20.0, abs=0.1)
    assert speech_level(silence) is None
    assert speech_level(speech[: RATE // 10 - 1]) is None
