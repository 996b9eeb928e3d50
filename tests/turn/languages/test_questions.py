"""What a question of the agent asks for, and whether words answer it, in English."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.conversation.question import ANSWER_KINDS, AnswerState, Expected
from duologue.turn.languages import language_pack

PACK = language_pack("en")
PHONE, CARD = (7, 10, 11, 12, 13), (15, 16)
QUESTIONS = {
    "What's your name?": Expected("name"),
    "May I have your full name, please?": Expected("name", (2, 3, 4)),
    "Who's calling?": Expected("name"),
    "Could you spell that for me?": Expected("spelling"),
    "What's your email address?": Expected("spelling"),
    "What's your phone number?": Expected("digits", PHONE),
    "What's the best number to reach you on?": Expected("digits", PHONE),
    "Could you read me your card number?": Expected("digits", CARD),
    "And the last four digits of your card?": Expected("digits", (4,)),
    "Please enter your 6 digit code.": Expected("digits", (6,)),
    "Could you tell me your booking reference number?": Expected("digits"),
    "What time would you like?": Expected("time"),
    "When would you like to come?": Expected("time"),
    "Could you confirm your date of birth?": Expected("time"),
    "For how many people?": Expected("number"),
    "Great, and which size?": Expected("number"),
    "Is that correct?": Expected("yes_no"),
    "So, shall I book it?": Expected("yes_no"),
    "Do you have an account number?": Expected("yes_no"),
    "Can I get you anything else?": Expected("yes_no"),
    "You'd like a table for two?": Expected("yes_no"),
    "That's four people, right?": Expected("yes_no"),
    "Please say yes or no.": Expected("yes_no"),
    "Would you like still or sparkling?": Expected("open"),
    "How can I help you?": Expected("open"),
    "So, on Friday?": Expected("open"),
    "": Expected("open"),
    "Can you repeat that?": Expected("same"),
    "Sorry?": Expected("same"),
    PACK.apology: Expected("same"),
}
ANSWERS: list[tuple[str, Expected, AnswerState]] = [
    ("Yes.", Expected("yes_no"), "complete"),
    ("No, that's all.", Expected("yes_no"), "complete"),
    ("Yeah, I'm here.", Expected("yes_no"), "complete"),
    ("Yes, I would.", Expected("yes_no"), "complete"),
    ("No, on Friday.", Expected("yes_no"), ""),
    ("Yes, but", Expected("yes_no"), ""),
    ("Yes, and I also need to change the time.", Expected("yes_no"), ""),
    ("Daniel Weber.", Expected("name"), "complete"),
    ("Sure. My last name is Fitilly.", Expected("name"), "complete"),
    ("My name is", Expected("name"), "partial"),
    ("Anna", Expected("name", (2, 3, 4)), "partial"),
    ("Anna Maria Louise von Stein", Expected("name"), ""),
    ("Can you hear me?", Expected("name"), ""),
    ("Anna Smith Weber", Expected("name", (2,)), ""),
    ("Seven.", Expected("number"), "complete"),
    ("Four people.", Expected("number"), "complete"),
    ("Four people-", Expected("number"), ""),
    ("Not sure.", Expected("number"), ""),
    ("Half past seven.", Expected("time"), "complete"),
    ("2:30 p.m.", Expected("time"), "complete"),
    ("Friday…", Expected("time"), ""),
    ("At", Expected("time"), ""),
    ("It's 555.", Expected("digits", PHONE), "partial"),
    ("It's five five five, oh one four two.", Expected("digits", PHONE), "complete"),
    ("079, 331, 8", Expected("digits", PHONE), "partial"),
    ("My number is 079, 331, 8526.", Expected("digits", PHONE), "complete"),
    ("4532, 7710, 1234, double nine 86.", Expected("digits", CARD), "complete"),
    ("4532 7710", Expected("digits", CARD), "partial"),
    ("Twenty five, eleven.", Expected("digits", (4,)), "complete"),
    ("Double five", Expected("digits", (4,)), "partial"),
    ("Triple five", Expected("digits", (4,)), ""),
    ("Five five five five five", Expected("digits", (4,)), ""),
    ("Five five", Expected("digits"), ""),
    ("I don't know.", Expected("digits", (4,)), ""),
    ("W E", Expected("spelling"), "partial"),
    ("W-E-B-E-R.", Expected("spelling"), ""),
    ("W-E-B-E-R.", Expected("spelling", (5,)), "complete"),
    ("M as in Mike", Expected("spelling", (3,)), "partial"),
    ("W-E-B-E-R-T.", Expected("spelling", (5,)), ""),
    ("Anna at gmail dot com.", Expected("spelling"), "complete"),
    ("It's a long one.", Expected("spelling"), ""),
    ("Anything.", Expected("open"), ""),
    ("", Expected("yes_no"), ""),
]


@pytest.mark.parametrize(("sentence", "expected"), QUESTIONS.items())
def test_what_a_question_asks_for(sentence: str, expected: Expected) -> None:
    assert PACK.read_question(sentence) == expected


@pytest.mark.parametrize(("text", "expected", "state"), ANSWERS)
def test_whether_words_answer_it(text: str, expected: Expected, state: AnswerState) -> None:
    assert PACK.answers(text, expected) == state


def test_another_language_expects_anything_and_cannot_tell() -> None:
    other = language_pack("pl")
    assert other.read_question("Jak się pan nazywa?") == Expected()
    assert other.answers("Kowalski.", Expected("name")) == ""


WORDS = st.sampled_from(["seven", "double", "a", "w", "yes", "my", "name", "is", "at", "-", ",", ".", "?"])


@settings(derandomize=True, deadline=None, database=None, max_examples=150)
@given(st.text(max_size=80) | st.lists(WORDS).map(" ".join))
def test_any_text_is_read_without_an_error(text: str) -> None:
    PACK.read_question(text)
    for kind in ANSWER_KINDS:
        assert PACK.answers(text, Expected(kind, (4, 7))) in ("", "partial", "complete")
