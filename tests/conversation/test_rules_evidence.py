from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Literal

import pytest
from plain import PLAIN, script

from duologue.audio.format import RATE, WINDOW
from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig
from duologue.conversation.context import Context
from duologue.conversation.evidence import Answer, PendingRequests

WORDS = inputs.WordsArrived(1, "Hello.", 0.9)


def requests() -> tuple[PendingRequests, Context]:
    context = Context(ConversationConfig(endpointing=PLAIN))
    return PendingRequests(context), context


def ask(r: PendingRequests, *kinds: Literal["words", "segment", "check", "sound"], extra: float = 0.032) -> None:
    for kind in kinds:
        if kind == "sound":
            r.request_end_of_turn(0, 16000, None, 1)
        else:
            r.request_transcript(kind, 0, 0, 1, extra=extra)


def test_the_due_position_is_a_whole_number_of_windows_ahead() -> None:
    r, context = requests()
    context.pos = 1000
    r.request_transcript("words", 200, 200 + 2 * RATE, 3, extra=0.064, part=1, may_go_on=True, before="Well.")
    r.request_end_of_turn(200, 1000, 0.5, 3)
    due = 1000 + ceil((0.064 + 2 * 0.03) * RATE / WINDOW) * WINDOW
    assert context.effects == [
        effects.RequestTranscript(1, 200, 200 + 2 * RATE, due, True, "Well.", 3),
        effects.RequestEndOfTurn(2, 200, 1000, 1000 + ceil(0.192 * RATE / WINDOW) * WINDOW, 0.5, 3),
    ]


def test_an_answer_is_due_at_its_position_and_never_before() -> None:
    r, context = requests()
    ask(r, "words")
    request = r.answer(WORDS)
    assert request
    context.pos = WINDOW - 1
    assert r.take_due() == []
    context.pos = WINDOW
    assert r.take_due() == [request]
    assert r.take_due() == []


def test_what_is_due_comes_in_the_order_in_which_it_was_due() -> None:
    r, context = requests()
    ask(r, "segment", extra=0.3)
    ask(r, "segment", "segment", extra=0.1)
    late, early, twin = r.open.values()
    for request in (late, twin, early):
        r.answer(inputs.WordsArrived(request.id, "", 1.0))
    context.pos = RATE
    assert r.take_due() == [early, twin, late]


def test_a_request_without_an_answer_is_never_due_and_is_waited_for() -> None:
    r, context = requests()
    ask(r, "words")
    context.pos = RATE
    assert r.take_due() == []
    assert not r.is_waiting(WINDOW - 1)
    assert r.is_waiting(WINDOW)
    r.answer(WORDS)
    assert not r.is_waiting(WINDOW)


def test_an_answer_after_its_due_position_is_reported_as_late() -> None:
    r, context = requests()
    ask(r, "words")
    context.pos, context.effects = WINDOW + 160, []
    r.answer(WORDS)
    assert context.effects == [events.EvidenceLate(WINDOW + 160, 0.0, "words", WINDOW, 0.01)]


def test_a_refused_judgment_is_not_late_and_can_be_forgotten() -> None:
    r, context = requests()
    ask(r, "sound")
    context.pos, context.effects = RATE, []
    refused = r.answer(inputs.EvidenceFailed(1, "overloaded"))
    assert refused
    assert refused.is_refused
    r.forget(refused)
    assert r.open == {}
    assert context.effects == []


def test_dropped_requests_take_no_answer_and_are_late_if_overdue() -> None:
    r, context = requests()
    ask(r, "words", "sound")
    context.pos, context.effects = WINDOW + 160, []
    r.drop("words", "segment")
    assert context.effects == [
        events.EvidenceLate(WINDOW + 160, 0.0, "words", WINDOW, 0.01),
        effects.DropAsk(1),
    ]
    assert r.answer(WORDS) is None
    assert list(r.open) == [2]
    r.drop_all()
    assert context.effects[2:] == [effects.DropAsk(2)]
    assert r.open == {}


def test_a_request_dropped_at_its_due_position_is_not_late() -> None:
    r, context = requests()
    ask(r, "words")
    context.pos, context.effects = WINDOW, []
    r.drop("words")
    assert context.effects == [effects.DropAsk(1)]


def test_a_request_for_the_last_part_can_become_one_for_an_earlier_part() -> None:
    r, _ = requests()
    assert not r.keep_words_as_part()
    ask(r, "words", "sound")
    assert r.keep_words_as_part()
    assert [request.kind for request in r.open.values()] == ["segment", "sound"]


def test_a_part_in_which_nothing_was_said_is_answered_without_a_request() -> None:
    r, context = requests()
    r.note_no_words(0, 160, extra=0.032, part=2)
    assert context.effects == []
    context.pos = 2 * WINDOW
    (request,) = r.take_due()
    assert (request.part, request.answer) == (2, inputs.WordsArrived(1, "", 1.0, "no_words"))


def test_a_partial_has_an_id_of_its_own_and_is_not_waited_for() -> None:
    r, context = requests()
    ask(r, "words")
    assert r.request_partial(0, RATE) == 2
    assert context.effects[-1] == effects.RequestPartial(2, 0, RATE)
    assert r.answer(inputs.WordsArrived(2, "Hello.", 1.0)) is None


@pytest.mark.parametrize(
    ("kind", "answer", "taken"),
    [
        ("words", inputs.WordsArrived(1, "", 1.0), True),
        ("segment", inputs.WordsArrived(1, "", 1.0), True),
        ("sound", inputs.SoundScored(1, 0.5), True),
        ("words", inputs.EvidenceFailed(1, "x"), True),
        ("sound", inputs.EvidenceFailed(1, "x"), True),
        ("words", inputs.SoundScored(1, 0.5), False),
        ("sound", inputs.WordsArrived(1, "", 1.0), False),
        ("words", inputs.WordsArrived(7, "", 1.0), False),
    ],
)
def test_only_an_answer_of_the_right_kind_and_id_is_taken(
    kind: Literal["words", "segment", "sound"], answer: Answer, taken: bool
) -> None:
    r, _ = requests()
    ask(r, kind)
    assert (r.answer(answer) is not None) is taken


def test_the_first_answer_counts() -> None:
    r, _ = requests()
    ask(r, "words")
    request = r.answer(WORDS)
    assert r.answer(inputs.EvidenceFailed(1, "late")) is None
    assert request
    assert request.answer is WORDS


# --- in a conversation ---


@pytest.mark.parametrize("seconds", [0.32, 2.56, 9.6])
def test_words_are_due_after_a_budget_that_grows_with_the_speech(seconds: float) -> None:
    s = script()
    s.speech(seconds)
    s.silence(0.128)
    ask, c = s.one(effects.RequestTranscript), PLAIN
    budget = c.words_budget + c.words_budget_per_s * (ask.end - ask.start) / 16000
    assert ask.due == s.pos + ceil(budget * 16000 / WINDOW) * WINDOW


@pytest.mark.parametrize("after", [0.0, 0.032, 0.064, 0.096])
def test_words_are_applied_exactly_when_due_however_early_they_come(after: float) -> None:
    s = script()
    s.understand("Hello.", after=after)
    s.speech(0.64)
    s.silence(0.64)
    assert s.one(events.TurnScored).pos == s.one(effects.RequestTranscript).due
    assert not s.of(events.EvidenceLate)


def test_late_words_are_applied_when_they_come_and_logged() -> None:
    s = script()
    s.understand("Hello.", after=0.48)
    s.speech(0.64)
    s.silence(0.96)
    late, due = s.one(events.EvidenceLate), s.one(effects.RequestTranscript).due
    assert (late.kind, late.due, late.late) == ("words", due, (late.pos - due) / 16000)
    assert s.one(events.TurnScored).pos == late.pos > due
    assert s.one(events.TurnDecided).pos == late.pos


def test_words_that_are_late_when_the_user_goes_on_are_logged() -> None:
    """In time they might have decided the turn, as the same audio does where it is played faster."""
    s = script(ConversationConfig(split_after=1.0))
    s.lose_words()
    s.speech(0.64)
    s.silence(0.48)
    due = s.one(effects.RequestTranscript).due
    assert s.pos > due
    s.speech(0.64)
    late, dropped = s.one(events.EvidenceLate), s.one(effects.DropAsk)
    assert (late.kind, late.due, late.late) == ("words", due, (late.pos - due) / 16000)
    assert late.pos == s.of(events.SpeechStarted)[1].pos
    assert dropped.ask == s.one(effects.RequestTranscript).ask


def test_a_shell_that_runs_faster_than_real_time_can_wait() -> None:
    s = script()
    s.lose_words()
    s.speech(0.64)
    s.silence(0.128)
    ask = s.one(effects.RequestTranscript)
    assert not s.conversation.waits_for_evidence(ask.due - 1)
    assert s.conversation.waits_for_evidence(ask.due)
    s.give(inputs.WordsArrived(ask.ask, "Hello.", 0.9))
    assert not s.conversation.waits_for_evidence(ask.due)


def test_answers_that_nobody_waits_for_are_nothing() -> None:
    s = script()
    s.say_turn("Hello.")
    done = s.one(effects.RequestTranscript).ask
    for answer in (
        inputs.WordsArrived(done, "Again.", 1.0),
        inputs.SoundScored(99, 1.0),
        inputs.EvidenceFailed(98, "timeout"),
    ):
        assert s.give(answer) == []


def test_words_that_never_come_are_given_up_and_the_speech_is_reported() -> None:
    s = script(ConversationConfig(endpointing=replace(PLAIN, words_timeout=4.0)))
    s.lose_words()
    s.speech(0.64)
    s.silence(0.128 + 4.0)
    assert s.one(events.SpeechIgnored).reason == "timeout"
    assert s.one(events.SpeechIgnored).pos == s.one(effects.RequestTranscript).due - 3 * WINDOW + round(4.0 * 16000)
    assert s.one(effects.DropAsk).ask == s.one(effects.RequestTranscript).ask


def test_a_gap_longer_than_the_patience_does_not_lose_words_that_could_not_come_yet() -> None:
    s = script()
    s.understand("I was cut off.")
    s.speech(0.64)
    s.gap(20.0)
    s.gap(0.2)
    assert s.one(events.TurnDecided).text == "I was cut off."


def test_words_that_fail_leave_speech_that_is_reported_with_the_code() -> None:
    s = script()
    s.fail_words("rate_limited")
    s.speech(0.64)
    s.silence(0.64)
    assert s.one(events.SpeechIgnored).reason == "rate_limited"
    assert not s.of(events.TurnDecided)


def test_evidence_for_speech_that_went_on_is_dropped() -> None:
    s = script()
    s.understand("I would like", "I would like a table.", after=0.25)
    s.speech(0.64)
    s.silence(0.192)
    s.speech(0.64)
    s.silence(0.96)
    first, second = s.of(effects.RequestTranscript)
    assert s.one(effects.DropAsk).ask == first.ask
    assert (second.start, s.one(events.TurnDecided).text) == (first.start, "I would like a table.")


def test_speech_after_a_pause_is_understood_by_itself_and_joined() -> None:
    s = script()
    s.understand("A table for two", probability=0.05)
    s.speech(0.96)
    s.silence(0.64)
    s.understand("tomorrow at seven.", probability=0.95)
    s.speech(0.96)
    s.silence(0.64)
    first, second = s.of(effects.RequestTranscript)
    assert (first.before, second.before) == ("", "A table for two")
    assert second.start > first.end - WINDOW
    assert s.one(events.TurnDecided).text == "A table for two tomorrow at seven."


def test_speech_after_a_short_silence_is_understood_with_what_came_before() -> None:
    s = script()
    s.understand("A table for two", "A table for two tomorrow.", probability=0.05)
    s.speech(0.96)
    s.silence(0.16)
    s.speech(0.96)
    s.silence(2.5)
    first, second = s.of(effects.RequestTranscript)
    assert (first.start, first.before) == (second.start, second.before)
    assert s.one(events.TurnDecided).text == "A table for two tomorrow."
