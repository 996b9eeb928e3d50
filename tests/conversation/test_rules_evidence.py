from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Literal

import pytest
from plain import PLAIN, script

from duologue.conversation import effects as do
from duologue.conversation import events as tell
from duologue.conversation import inputs as got
from duologue.conversation.config import ConversationConfig
from duologue.conversation.conversation import WINDOW
from duologue.conversation.evidence import Answer, Orders

WORDS = got.WordsArrived(1, "Hello.", 0.9)


def test_an_answer_is_ripe_at_its_due_position_and_never_before() -> None:
    orders = Orders()
    ask = orders.place("words", 500, 1000)
    assert orders.answer(WORDS) is ask
    assert orders.ripe(999) == []
    assert orders.ripe(1000) == [ask]
    assert orders.ripe(1000) == []


def test_what_is_ripe_comes_in_the_order_in_which_it_was_due() -> None:
    orders = Orders()
    late, early, twin = (orders.place("segment", 0, due) for due in (300, 100, 100))
    for ask in (late, twin, early):
        orders.answer(got.WordsArrived(ask.id, "", 1.0))
    assert orders.ripe(1000) == [early, twin, late]


def test_an_ask_without_an_answer_is_never_ripe_and_is_waited_for() -> None:
    orders = Orders()
    orders.place("words", 500, 1000)
    assert orders.ripe(5000) == []
    assert not orders.waiting_until(999)
    assert orders.waiting_until(1000)
    orders.answer(WORDS)
    assert not orders.waiting_until(1000)


def test_dropped_asks_are_nobodys() -> None:
    orders = Orders()
    words, sound = orders.place("words", 0, 10), orders.place("sound", 0, 10)
    assert orders.drop("words", "segment") == [words]
    assert orders.answer(WORDS) is None
    assert list(orders.open) == [sound.id]


def test_words_on_order_can_become_those_of_a_part() -> None:
    orders = Orders()
    assert not orders.keep_words()
    words, sound = orders.place("words", 0, 10), orders.place("sound", 0, 10)
    assert orders.keep_words()
    assert (words.kind, sound.kind) == ("segment", "sound")


@pytest.mark.parametrize(
    ("kind", "answer", "taken"),
    [
        ("words", got.WordsArrived(1, "", 1.0), True),
        ("segment", got.WordsArrived(1, "", 1.0), True),
        ("sound", got.SoundScored(1, 0.5), True),
        ("words", got.EvidenceFailed(1, "x"), True),
        ("sound", got.EvidenceFailed(1, "x"), True),
        ("words", got.SoundScored(1, 0.5), False),
        ("sound", got.WordsArrived(1, "", 1.0), False),
        ("words", got.WordsArrived(7, "", 1.0), False),
    ],
)
def test_only_an_answer_of_the_right_kind_and_id_is_taken(
    kind: Literal["words", "segment", "sound"], answer: Answer, taken: bool
) -> None:
    orders = Orders()
    orders.place(kind, 0, 10)
    assert (orders.answer(answer) is not None) is taken


def test_the_first_answer_counts() -> None:
    orders = Orders()
    ask = orders.place("words", 0, 10)
    orders.answer(WORDS)
    assert orders.answer(got.EvidenceFailed(1, "late")) is None
    assert ask.answer is WORDS


# --- in a conversation ---


@pytest.mark.parametrize("seconds", [0.32, 2.56, 9.6])
def test_words_are_due_after_a_budget_that_grows_with_the_speech(seconds: float) -> None:
    s = script()
    s.speech(seconds)
    s.silence(0.128)
    ask, c = s.one(do.AskWords), PLAIN
    budget = c.words_budget + c.words_budget_per_s * (ask.end - ask.start) / 16000
    assert ask.due == s.pos + ceil(budget * 16000 / WINDOW) * WINDOW


@pytest.mark.parametrize("after", [0.0, 0.032, 0.064, 0.096])
def test_words_are_applied_exactly_when_due_however_early_they_come(after: float) -> None:
    s = script()
    s.understand("Hello.", after=after)
    s.speech(0.64)
    s.silence(0.64)
    assert s.one(tell.TurnScored).pos == s.one(do.AskWords).due
    assert not s.of(tell.EvidenceLate)


def test_late_words_are_applied_when_they_come_and_logged() -> None:
    s = script()
    s.understand("Hello.", after=0.48)
    s.speech(0.64)
    s.silence(0.96)
    late, due = s.one(tell.EvidenceLate), s.one(do.AskWords).due
    assert (late.kind, late.due, late.late) == ("words", due, (late.pos - due) / 16000)
    assert s.one(tell.TurnScored).pos == late.pos > due
    assert s.one(tell.TurnDecided).pos == late.pos


def test_words_that_are_late_when_the_user_goes_on_are_logged() -> None:
    """In time they might have decided the turn, as the same audio does where it is played faster."""
    s = script(ConversationConfig(split_after=1.0))
    s.lose_words()
    s.speech(0.64)
    s.silence(0.48)
    due = s.one(do.AskWords).due
    assert s.pos > due
    s.speech(0.64)
    late, dropped = s.one(tell.EvidenceLate), s.one(do.DropAsk)
    assert (late.kind, late.due, late.late) == ("words", due, (late.pos - due) / 16000)
    assert late.pos == s.of(tell.SpeechStarted)[1].pos
    assert dropped.ask == s.one(do.AskWords).ask


def test_a_shell_that_runs_faster_than_real_time_can_wait() -> None:
    s = script()
    s.lose_words()
    s.speech(0.64)
    s.silence(0.128)
    ask = s.one(do.AskWords)
    assert not s.conversation.waits_for_evidence(ask.due - 1)
    assert s.conversation.waits_for_evidence(ask.due)
    s.give(got.WordsArrived(ask.ask, "Hello.", 0.9))
    assert not s.conversation.waits_for_evidence(ask.due)


def test_answers_that_nobody_waits_for_are_nothing() -> None:
    s = script()
    s.say_turn("Hello.")
    done = s.one(do.AskWords).ask
    for answer in (got.WordsArrived(done, "Again.", 1.0), got.SoundScored(99, 1.0), got.EvidenceFailed(98, "timeout")):
        assert s.give(answer) == []


def test_words_that_never_come_are_given_up_and_the_speech_is_reported() -> None:
    s = script(ConversationConfig(endpointing=replace(PLAIN, words_timeout=4.0)))
    s.lose_words()
    s.speech(0.64)
    s.silence(0.128 + 4.0)
    assert s.one(tell.SpeechIgnored).reason == "timeout"
    assert s.one(tell.SpeechIgnored).pos == s.one(do.AskWords).due - 3 * WINDOW + round(4.0 * 16000)
    assert s.one(do.DropAsk).ask == s.one(do.AskWords).ask


def test_a_gap_longer_than_the_patience_does_not_lose_words_that_could_not_come_yet() -> None:
    s = script()
    s.understand("I was cut off.")
    s.speech(0.64)
    s.gap(20.0)
    s.gap(0.2)
    assert s.one(tell.TurnDecided).text == "I was cut off."


def test_words_that_fail_leave_speech_that_is_reported_with_the_code() -> None:
    s = script()
    s.fail_words("rate_limited")
    s.speech(0.64)
    s.silence(0.64)
    assert s.one(tell.SpeechIgnored).reason == "rate_limited"
    assert not s.of(tell.TurnDecided)


def test_evidence_for_speech_that_went_on_is_dropped() -> None:
    s = script()
    s.understand("I would like", "I would like a table.", after=0.25)
    s.speech(0.64)
    s.silence(0.192)
    s.speech(0.64)
    s.silence(0.96)
    first, second = s.of(do.AskWords)
    assert s.one(do.DropAsk).ask == first.ask
    assert (second.start, s.one(tell.TurnDecided).text) == (first.start, "I would like a table.")


def test_speech_after_a_pause_is_understood_by_itself_and_joined() -> None:
    s = script()
    s.understand("A table for two", probability=0.05)
    s.speech(0.96)
    s.silence(0.64)
    s.understand("tomorrow at seven.", probability=0.95)
    s.speech(0.96)
    s.silence(0.64)
    first, second = s.of(do.AskWords)
    assert (first.before, second.before) == ("", "A table for two")
    assert second.start > first.end - WINDOW
    assert s.one(tell.TurnDecided).text == "A table for two tomorrow at seven."


def test_speech_after_a_short_silence_is_understood_with_what_came_before() -> None:
    s = script()
    s.understand("A table for two", "A table for two tomorrow.", probability=0.05)
    s.speech(0.96)
    s.silence(0.16)
    s.speech(0.96)
    s.silence(2.5)
    first, second = s.of(do.AskWords)
    assert (first.start, first.before) == (second.start, second.before)
    assert s.one(tell.TurnDecided).text == "A table for two tomorrow."
