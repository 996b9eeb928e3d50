"""The turn model is asked only where its answer may change the decision, and no later than the answer is in time."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plain import SPEECH

from duologue.audio.format import RATE, WINDOW
from duologue.conversation import effects, events
from duologue.conversation.config import ConversationConfig, Endpointing
from duologue.conversation.endpointing import Evidence, decide, sound_matters, wait
from duologue.conversation.evidence import SOUND_WINDOW
from duologue.testing.conversation import Script

probabilities = st.floats(0.0, 1.0)
LEAST = Endpointing().least_sound
answers = st.floats(LEAST, 1.0)
repeatable = settings(derandomize=True, deadline=None, database=None, max_examples=300)
evidence = st.builds(
    Evidence,
    text=st.just("Hello."),
    words=probabilities,
    reason=st.just("sentence"),
    timeout_factor=st.floats(0.1, 3.0),
    against=st.floats(-4.0, 4.0),
    recognizer=st.none() | probabilities,
    answers=st.sampled_from(["", "partial", "complete"]),
    sound_share=st.floats(0.5, 1.0),
)
policies = st.builds(
    Endpointing,
    eagerness=st.sampled_from(["low", "medium", "high"]),
    threshold=probabilities,
    likely=probabilities,
    wait_below=probabilities,
    action_delay=st.floats(0.0, 1.0),
    likely_delay=st.floats(0.0, 1.5),
    timeout=st.floats(1.0, 3.0),
)


@repeatable
@given(e=evidence, sound=answers, config=policies)
@pytest.mark.no_cover
def test_no_answer_decides_outside_the_span(e: Evidence, sound: float, config: Endpointing) -> None:
    span = sound_matters(e, config)
    judged = replace(e, sound=sound)
    waited = wait(judged.probability, e.effective_timeout_factor, config)
    if span is None:
        assert waited == wait(replace(e, sound=1.0).probability, e.effective_timeout_factor, config)
    else:
        assert span[0] <= waited <= span[1]
        assert decide(judged, span[1], config)


@repeatable
@given(e=evidence, config=policies)
@pytest.mark.no_cover
def test_some_answer_decides_at_either_end_of_the_span(e: Evidence, config: Endpointing) -> None:
    span = sound_matters(e, config)
    assume(span is not None)
    assert span is not None
    assert decide(replace(e, sound=1.0), span[0], config)
    assert not decide(replace(e, sound=LEAST), span[0], config)


def ended(words: float, sound: float | None, **changes: Any) -> Script:
    """One turn of "Hello." after which there is silence; without a `sound` there is no turn model."""
    config = ConversationConfig(speech=SPEECH, endpointing=replace(Endpointing(words_budget_per_s=0.0), **changes))
    s = Script(config, judges_sound=sound is not None)
    s.judge(sound or 0.0)
    s.silence(0.96)
    s.understand("Hello.", probability=words)
    s.speech(2.016)
    s.silence(3.0)
    return s


@repeatable
@given(words=probabilities, sound=answers)
@pytest.mark.no_cover
def test_the_turn_is_decided_as_if_the_answer_had_been_known_all_along(words: float, sound: float) -> None:
    s = ended(words, sound, opening=0.0, doubt=(0.0, 1.0))
    decided, e = s.one(events.TurnDecided), Evidence("Hello.", words, "sentence", 1.0, sound)
    windows = ceil(round(wait(e.probability, 1.0, Endpointing()) * RATE / WINDOW, 6))
    assert round(decided.silence * RATE) == windows * WINDOW


@repeatable
@given(words=st.floats(0.001, 0.999))
@pytest.mark.no_cover
def test_nothing_is_asked_if_every_answer_leads_to_the_same_wait(words: float) -> None:
    s = ended(words, 0.5, opening=0.0, doubt=(0.0, 1.0))
    e = Evidence("Hello.", words, "sentence", 1.0)
    assert bool(s.of(effects.RequestEndOfTurn)) is (sound_matters(e, Endpointing()) is not None)


@pytest.mark.parametrize(
    ("words", "asked_after"),
    [
        (0.05, None),  # the timeout, whatever the audio says
        (0.5, 0.704),  # never before `likely_delay`, so in time for that
        (0.8, 0.224),  # an end after `action_delay`, unless the audio speaks against it
    ],
)
def test_the_audio_is_judged_as_late_as_its_answer_is_in_time(words: float, asked_after: float | None) -> None:
    s = ended(words, 0.9, opening=0.0)
    spoken = round((0.96 + 2.016) * RATE)
    asked = s.of(effects.RequestEndOfTurn)
    assert [ask.due - spoken - round(0.128 * RATE) for ask in asked] == (
        [round(asked_after * RATE)] if asked_after else []
    )
    assert all(ask.end == spoken + round(0.16 * RATE) for ask in asked), (
        "it hears the same silence whenever it is asked"
    )


def test_a_user_who_goes_on_costs_no_judgment_that_was_not_needed_yet() -> None:
    s = Script(ConversationConfig(speech=SPEECH, endpointing=Endpointing(opening=0.0)), judges_sound=True)
    s.understand("I would,", "I would like to,", "I would like to come.", probability=0.5)
    for _ in range(2):
        s.speech(0.96)
        s.silence(0.64)
    assert s.of(effects.RequestEndOfTurn) == []
    s.speech(0.96)
    s.silence(1.0)
    assert len(s.of(effects.RequestEndOfTurn)) == 1


def test_words_that_come_when_the_turn_is_over_anyway_ask_nothing() -> None:
    s = Script(ConversationConfig(endpointing=Endpointing(sound_after=9.0)), judges_sound=True)
    s.understand("Hello", probability=0.5, after=2.0)
    s.speech(0.96)
    s.silence(3.0)
    assert s.one(events.TurnDecided)
    assert s.of(effects.RequestEndOfTurn) == []


def test_the_audio_is_kept_until_it_is_judged() -> None:
    policy = Endpointing(opening=0.0, words_budget_per_s=0.0)
    s = Script(ConversationConfig(speech=SPEECH, endpointing=policy), judges_sound=True)
    s.understand("I would like to,", probability=0.12)
    s.speech(9.6)
    held = []
    while not s.of(effects.RequestEndOfTurn):
        held.append(s.conversation.needs_from)
        s.silence(0.032)
    asked = s.one(effects.RequestEndOfTurn)
    assert asked.due - asked.end > 0.9 * RATE
    assert held[-1] <= asked.end - SOUND_WINDOW
    s.silence(2.0)
    assert s.one(events.TurnDecided)
    assert s.conversation.needs_from > asked.end, "and then let go"
