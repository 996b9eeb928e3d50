"""What makes no difference: when evidence comes, so long as it is not late, and in how many pieces a gap is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import script

from duologue.audio.format import WINDOW
from duologue.conversation import events
from duologue.conversation.config import ConversationConfig
from duologue.testing.conversation import Script

repeatable = settings(derandomize=True, deadline=None, database=None, max_examples=100)


@dataclass(frozen=True)
class Breath:
    """The user says something and pauses; lengths in windows."""

    speech: int
    text: str
    probability: float
    pause: int
    reply: bool
    """The agent begins to answer in the pause, if it has been asked to."""


breaths = st.lists(
    st.builds(
        Breath,
        speech=st.integers(1, 60),
        text=st.sampled_from(["", "mhm", "Hello there.", "I would like to", "A table for two"]),
        probability=st.sampled_from([0.05, 0.3, 0.6, 0.95]),
        pause=st.integers(3, 80),
        reply=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)
SETTINGS = ConversationConfig(greeting="Welcome.", greeting_interruptible=False, max_utterance=2.0)


def talk(plot: list[Breath], *, words_after: float = 0.0, sound_after: float = 0.0, judges: bool = True) -> Script:
    s = script(SETTINGS, speculates=True, judges_sound=judges)
    s.judge(0.3, 0.9, after=sound_after)
    for breath in plot:
        s.understand(breath.text, probability=breath.probability, after=words_after)
        s.speech(breath.speech * 0.032)
        s.silence(breath.pause * 0.032)
        answer(s, breath)
    s.silence(1.5)
    return s


def answer(s: Script, breath: Breath) -> None:
    if breath.reply and s.conversation.speech_owed:
        s.play("Yes, that is possible.", seconds=1.5)


@repeatable
@given(
    plot=breaths,
    words_after=st.floats(0.0, 0.063),
    sound_after=st.floats(0.0, 0.19),
)
@pytest.mark.no_cover
def test_evidence_that_is_not_late_may_come_at_any_time(
    plot: list[Breath], words_after: float, sound_after: float
) -> None:
    at_once, later = talk(plot), talk(plot, words_after=words_after, sound_after=sound_after)
    assert later.log == at_once.log
    assert later.of(events.EvidenceLate) == []


def decisions(s: Script) -> list[tuple[Any, ...]]:
    return [
        (type(e).__name__, e.turn, getattr(e, "text", ""), e.reason)
        for e in s.log
        if isinstance(e, events.TurnDecided | events.SpeechIgnored | events.TurnContinued)
    ]


def talk_with_gaps(plot: list[Breath], *, pieces: int) -> Script:
    """The beginning of each pause is missing, and told in so many pieces; meanwhile nothing else happens."""
    s = script(ConversationConfig(max_utterance=2.0))
    for breath in plot:
        s.understand(breath.text, probability=breath.probability)
        s.speech(breath.speech * 0.032)
        missing = breath.pause * WINDOW
        told = [missing * (i + 1) // pieces - missing * i // pieces for i in range(pieces)]
        for samples in told:
            s.gap(samples / 16_000)
        s.silence(0.7)
    s.silence(1.5)
    return s


@repeatable
@given(plot=breaths, pieces=st.integers(2, 7))
@pytest.mark.no_cover
def test_a_gap_may_be_told_in_any_number_of_pieces(plot: list[Breath], pieces: int) -> None:
    whole, split = talk_with_gaps(plot, pieces=1), talk_with_gaps(plot, pieces=pieces)
    assert decisions(split) == decisions(whole)
    assert split.conversation.history.snapshot() == whole.conversation.history.snapshot()


def test_the_same_again_is_the_same_again() -> None:
    plot = [Breath(20, "I would like to", 0.3, 10, False), Breath(30, "A table for two", 0.95, 20, True)]
    assert talk(plot).log == talk(plot).log
