"""One reply by itself: what of it was heard, and what may be done to it at a moment."""

from __future__ import annotations

import pytest

from duologue.audio.format import RATE
from duologue.conversation import inputs
from duologue.conversation.history import Segment
from duologue.conversation.reply import HeardPart, Reply


def reply(*segments: Segment, played: float = 0.0) -> Reply:
    r = Reply(1, 1, "Hello.", played=round(played * RATE))
    for segment in segments:
        r.add(segment)
    return r


@pytest.mark.parametrize(("turn", "started", "thinking"), [(1, False, True), (1, True, False), (0, False, False)])
def test_an_answer_that_was_not_played_is_thought_of(turn: int, started: bool, thinking: bool) -> None:
    assert Reply(1, turn, "", started=started).is_thinking is thinking


@pytest.mark.parametrize(("played", "asked"), [(0.0, False), (1.3, False), (1.5, True), (2.2, True), (2.8, False)])
def test_a_question_was_asked_once_enough_of_it_was_heard_and_little_of_what_follows(
    played: float, asked: bool
) -> None:
    r = reply(
        Segment("Fine.", 0.0, 1.0),
        Segment("And you?", 1.0, 2.0, asks_from=1.0),
        Segment("Well.", 2.0, 3.0),
        played=played,
    )
    assert (r.asked is not None) is asked


@pytest.mark.parametrize(("played", "protected"), [(0.5, False), (1.5, True), (2.5, False)])
def test_only_the_part_that_is_being_played_is_protected(played: float, protected: bool) -> None:
    r = reply(Segment("One.", 0.0, 1.0), Segment("Note.", 1.0, 2.0, say=7, interruptible=False), played=played)
    assert r.is_protected is protected


def test_a_text_is_unspoken_until_audio_of_it_is_ready() -> None:
    one, two = inputs.SayRequested("One.", True, 1), inputs.SayRequested("Two.", True, 2)
    assert reply(Segment("One.", 0.0, 1.0, say=1)).unspoken([one, two]) == [two]


def test_each_say_inside_a_reply_is_a_part_that_is_taken_once() -> None:
    r = reply(Segment("Let me look.", 0.0, 1.0), Segment("Note.", 1.0, 2.0, say=7), Segment("It is free.", 2.0, 3.0))
    parts, heard, estimated = r.take_heard(2.0, False, finished=False)
    assert parts == [
        HeardPart(None, "Let me look.", "Let me look.", False, False),
        HeardPart(7, "Note.", "Note.", False, False),
    ]
    assert (heard, estimated) == ("Let me look. Note.", False)
    parts, heard, _ = r.take_heard(3.0, False, finished=True)
    assert [part.text for part in parts] == ["It is free."]
    assert heard == "Let me look. Note. It is free."


def test_what_was_cut_off_is_heard_in_part() -> None:
    r = reply(Segment("Yes, it is free on Monday.", 0.0, 2.0))
    r.dropped = True
    parts, heard, estimated = r.take_heard(1.0, False, finished=True)
    assert parts == [HeardPart(None, "Yes, it is free on Monday.", "Yes,", True, True)]
    assert (heard, estimated) == ("Yes,", True)


def test_text_beyond_the_audio_that_was_played_was_not_heard() -> None:
    r = reply(Segment("Yes.", 0.0, 1.0), Segment("It is free.", 5.0, 6.0))
    parts, heard, _ = r.take_heard(1.0, False, finished=True)
    assert parts == [HeardPart(None, "Yes. It is free.", "Yes.", True, False)]
    assert heard == "Yes."


def test_a_segment_replaces_the_one_with_its_id() -> None:
    r = reply()
    assert r.add(Segment("Yes.", 0.0, 2.0, id=1))
    assert r.add(Segment("It is.", 2.0, 4.0, id=2))
    assert not r.add(Segment("Yes.", 0.0, 1.0, id=1))
    assert r.add(Segment("Final.", 4.0, 5.0)), "without an id it replaces none"
    assert [(s.text, s.end) for s in r.segments] == [("Yes.", 1.0), ("It is.", 4.0), ("Final.", 5.0)]


def test_a_segment_that_becomes_protected_is_protected() -> None:
    r = reply(Segment("One", 0.0, 1.0, id=1))
    assert not r.is_protected
    r.add(Segment("One.", 0.0, 1.0, interruptible=False, id=1))
    assert r.is_protected
