"""What the agent has asked: what is expected of the user's next turn, and how an answer shortens the wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig, Endpointing
from duologue.conversation.endpointing import Evidence, decide
from duologue.conversation.question import ANSWER_KINDS, AnswerState, Expected, expected_answer
from duologue.errors import ConfigError
from duologue.testing.conversation import Script

NAME, YES = Expected("name"), Expected("yes_no")
PHONE = Expected("digits", (7, 10, 11, 12, 13))
MANY = settings(derandomize=True, deadline=None, database=None, max_examples=100)


def asked(*clauses: str, seconds: float = 1.0, **config: Any) -> Script:
    """A call in which the agent has answered a first turn with these clauses."""
    s = Script(ConversationConfig(**config))
    s.say_turn(pause=2.0)
    s.play(*clauses, seconds=seconds)
    return s


def expected_by(s: Script) -> Expected | None:
    s.speech(0.32)
    s.silence(0.32)
    return s.last(effects.RequestTranscript).expects


@pytest.mark.parametrize(
    ("clauses", "expected"),
    [
        (("Good. ", "What's your name?"), NAME),
        (("What's your name?", "It is for the list."), None),
        (("It is done.",), None),
        (("Shall I book it?",), YES),
    ],
)
def test_what_was_asked_last_is_expected(clauses: tuple[str, ...], expected: Expected | None) -> None:
    s = asked(*clauses)
    s.silence(1.0 * len(clauses) + 0.2)
    assert expected_by(s) == expected


def test_nothing_is_expected_of_the_first_words_of_a_call() -> None:
    assert expected_by(Script()) is None


def test_a_question_that_is_cut_off_before_it_is_asked_is_not_expected_to_be_answered() -> None:
    s = asked("All is well.", "What's your name?", seconds=1.5)
    s.understand("No, stop it.")
    s.speech(0.64)
    s.silence(0.96)
    assert s.of(events.Interrupted)
    s.fail_reply("agent_error")
    s.silence(0.5)
    assert expected_by(s) is None


def test_a_user_who_goes_on_still_answers_the_question_before() -> None:
    s = asked("What's your name?")
    s.silence(1.2)
    s.say_turn("It's Anna.", pause=0.64)
    assert len(s.of(events.TurnDecided)) == 2
    assert expected_by(s) == NAME


def test_one_who_is_asked_again_still_answers_the_question_before() -> None:
    s = asked("What's your name?", apology="Sorry, could you say that again?")
    s.silence(1.2)
    s.fail_words()
    s.speech(0.64)
    s.silence(0.64)
    assert s.last(effects.StartSpeech).text == "Sorry, could you say that again?"
    s.play("Sorry, could you say that again?")
    s.silence(1.2)
    s.understand("Anna.")
    assert expected_by(s) == NAME


def test_the_agent_declares_what_it_asks_for() -> None:
    s = asked()
    s.give(inputs.AnswerExpected(PHONE, s.on_order))
    s.queue("How can we reach you?")
    s.silence(1.2)
    assert expected_by(s) == PHONE


def test_a_declaration_for_an_answer_that_is_over_changes_nothing() -> None:
    s = asked("What's your name?")
    s.silence(1.2)
    s.give(inputs.AnswerExpected(PHONE, s.on_order + 5))
    assert expected_by(s) == NAME


def test_an_application_declares_for_the_next_turn() -> None:
    s = asked("What's your name?")
    s.silence(1.2)
    s.give(inputs.AnswerExpected(PHONE))
    assert expected_by(s) == PHONE


def test_a_declaration_outlives_an_agent_that_stays_silent() -> None:
    s = Script()
    s.say_turn()
    s.give(inputs.AnswerExpected(PHONE, s.on_order))
    s.fail_reply("empty")
    assert expected_by(s) == PHONE


@pytest.mark.parametrize(("question", "floor"), [("Shall I book it?", True), ("What's your name?", False)])
@pytest.mark.parametrize("text", ["Yes.", "Mhm."])
def test_yes_takes_the_floor_where_it_is_an_answer(question: str, floor: bool, text: str) -> None:
    s = asked(question, "Please.", seconds=2.0)
    s.silence(1.4)
    s.understand(text)
    s.speech(0.32)
    s.silence(0.5)
    assert bool(s.of(events.Interrupted)) is floor
    assert bool(s.of(events.Backchannel)) is not floor


@pytest.mark.parametrize(
    ("answers", "probability", "silence"),
    [
        ("", 0.3, 1.056),
        ("complete", 0.3, 0.8),
        ("partial", 0.3, 1.6),
        ("complete", 0.1, 1.76),
        ("complete", 0.75, 0.352),
        ("", 0.75, 0.8),
    ],
)
def test_an_answer_is_waited_for_less_long(answers: AnswerState, probability: float, silence: float) -> None:
    s = asked("What's your number?")
    s.silence(1.2)
    s.understand("Five five five", probability=probability, answers=answers)
    s.speech(0.64)
    s.silence(2.0)
    decided = s.last(events.TurnDecided)
    assert decided.silence == pytest.approx(silence, abs=0.033)


def test_an_answer_in_the_first_turn_is_no_opening() -> None:
    waits = []
    for answers in ("", "complete"):
        s = Script(ConversationConfig(greeting="What's your name?"))
        s.play("What's your name?")
        s.silence(1.2)
        s.understand("Anna.", probability=0.7, answers=answers)
        s.speech(0.64)
        s.silence(2.0)
        waits.append(s.one(events.TurnDecided).silence)
    assert waits[1] < waits[0]


evidence = st.builds(
    Evidence,
    st.just("Five."),
    st.floats(0.02, 0.98),
    st.just("digits"),
    st.floats(0.3, 2.0),
    st.none() | st.floats(0.0, 1.0),
    st.floats(-4.0, 4.0),
    st.none() | st.floats(0.0, 1.0),
    st.sampled_from(["", "partial", "complete"]),
)


@MANY
@given(evidence, st.floats(0.0, 4.0), st.floats(0.0, 1.0))
@pytest.mark.no_cover
def test_more_silence_never_takes_an_end_back(e: Evidence, silence: float, more: float) -> None:
    config = Endpointing()
    if decide(e, silence, config):
        assert decide(e, silence + more, config)


@MANY
@given(evidence)
@pytest.mark.no_cover
def test_a_complete_answer_never_waits_longer_than_the_same_words_without_a_question(e: Evidence) -> None:
    plain, complete = replace(e, answers=""), replace(e, answers="complete")
    assert complete.probability >= plain.probability - 1e-9
    assert complete.effective_timeout_factor <= plain.effective_timeout_factor
    assert replace(e, answers="partial").probability <= plain.probability + 1e-9


@pytest.mark.parametrize("kind", ANSWER_KINDS)
def test_every_kind_can_be_declared(kind: Any) -> None:
    assert expected_answer(kind, [4]) == Expected(kind, (4,))


@pytest.mark.parametrize(
    ("kind", "lengths"),
    [("colour", ()), ("digits", (0,)), ("digits", (1.5,)), ("digits", (True,)), ("digits", (1,) * 17)],
)
def test_what_cannot_be_expected_is_refused(kind: Any, lengths: Any) -> None:
    with pytest.raises(ConfigError):
        expected_answer(kind, lengths)
