from __future__ import annotations

from itertools import pairwise

import pytest

from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig
from duologue.conversation.history import History, Message, Segment, heard_text
from duologue.testing.conversation import Script

PLAIN = (Segment("Sure, a table for two.", 0.0, 2.0), Segment("At what time?", 2.0, 3.0))
TIMED = (Segment("Sure thing now", 0.0, 1.5, (("Sure", 0.0, 0.4), ("thing", 0.4, 0.8), ("now", 0.9, 1.3))),)
SPELLED = (
    Segment(
        "It costs €3 now",
        0.0,
        0.9,
        (("It", 0, 0.1), ("costs", 0.1, 0.2), ("three", 0.2, 0.3), ("euros", 0.3, 0.5), ("now", 0.6, 0.9)),
    ),
)
LATER = (Segment("Sure thing now.", 3.2, 4.5, (("Sure", 3.2, 3.6), ("thing", 3.6, 4.0), ("now", 4.1, 4.5))),)


@pytest.mark.parametrize(
    ("segments", "played", "heard", "certain"),
    [
        pytest.param(PLAIN, 0.0, "", True, id="nothing played"),
        pytest.param(PLAIN, -1.0, "", True, id="less than nothing played"),
        pytest.param(PLAIN, 0.2, "", False, id="inside the first clause"),
        pytest.param(PLAIN, 0.5, "Sure,", False, id="one clause"),
        pytest.param(PLAIN, 1.8, "Sure,", False, id="rounded down to the last whole clause"),
        pytest.param(PLAIN, 1.9, "Sure, a table for two.", True, id="all but the trailing silence"),
        pytest.param(PLAIN, 2.0, "Sure, a table for two.", True, id="exactly one segment"),
        pytest.param(PLAIN, 2.5, "Sure, a table for two.", False, id="half a segment more"),
        pytest.param(PLAIN, 3.0, "Sure, a table for two. At what time?", True, id="all"),
        pytest.param(PLAIN, 9.0, "Sure, a table for two. At what time?", True, id="more than all"),
        pytest.param(TIMED, 0.79, "Sure", True, id="exact timings give whole words"),
        pytest.param(TIMED, 0.8, "Sure thing", True, id="a word at its end"),
        pytest.param(LATER, 3.1, "", True, id="in the silence before a segment"),
        pytest.param(LATER, 4.05, "Sure thing", True, id="words that begin later"),
        pytest.param(LATER, 4.45, "Sure thing", True, id="exact timings need no trailing silence"),
        pytest.param(LATER, 4.5, "Sure thing now.", True, id="the last word with its mark"),
        pytest.param((*PLAIN, *LATER), 3.7, "Sure, a table for two. At what time? Sure", True, id="mixed"),
        pytest.param(SPELLED, 0.5, "It costs three euros", True, id="words that the voice writes otherwise"),
        pytest.param(
            (Segment("Hi.", 0.0, 0.05),), 0.0, "", True, id="a short segment is not heard before it is played"
        ),
        pytest.param(
            (Segment("...", 0.0, 0.0), Segment("Hi.", 0.0, 1.0)), 0.0, "", True, id="no sound, nothing played"
        ),
        pytest.param((Segment("...", 0.0, 0.0), Segment("Hi.", 0.0, 1.0)), 1.0, "... Hi.", True, id="no sound in it"),
        pytest.param(
            (Segment("It costs 3.50 euros", 0.0, 2.0),), 1.5, "", False, id="a point in a number ends no clause"
        ),
        pytest.param((Segment("He said “yes.” Then", 0.0, 2.0),), 1.6, "He said “yes.”", False, id="quotes"),
        pytest.param((), 1.0, "", True, id="no segments"),
    ],
)
def test_heard_text(segments: tuple[Segment, ...], played: float, heard: str, certain: bool) -> None:
    assert heard_text(segments, played) == (heard, certain)


def test_all_words_of_a_segment_are_the_part_that_was_heard_at_its_end() -> None:
    assert TIMED[0].heard_part(1.5) == "Sure thing now"


def test_what_was_heard_only_grows_with_what_was_played() -> None:
    heard = [heard_text((*PLAIN, *LATER), tenths / 20)[0] for tenths in range(100)]
    assert all(later.startswith(earlier) for earlier, later in pairwise(heard))


def test_the_oldest_messages_make_room() -> None:
    history = History(2)
    for text in "abc":
        history.add(Message("user", text))
    assert [m.text for m in history.snapshot()] == ["b", "c"]
    assert history.dropped == 1


def test_only_the_users_last_message_is_taken_back() -> None:
    history = History(9)
    history.reopen("a")
    history.add(Message("user", "a"))
    history.add(Message("agent", "b"))
    history.reopen("a")
    assert len(history.messages) == 2
    history.messages.pop()
    history.reopen("other")
    assert len(history.messages) == 1
    history.reopen("a")
    assert len(history.messages) == 0


def test_a_snapshot_does_not_change() -> None:
    history = History(9)
    before = history.snapshot()
    history.add(Message("user", "a"))
    assert before == ()


# --- in a conversation ---


def test_the_agent_is_given_all_turns_before_this_one_as_heard() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.play("Hi there.", seconds=0.64)
    s.silence(0.64)
    s.say_turn("A table, please.")
    history = s.last(effects.StartReply).history
    assert history == (Message("user", "Hello."), Message("agent", "Hi there.", "Hi there."))


def test_an_interrupted_reply_is_remembered_as_it_was_heard() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.play("Hi there, how are you doing today?", "I can do a lot.", seconds=2.0)
    s.silence(0.96)
    s.give(inputs.InterruptRequested())
    heard = s.one(events.AgentHeard)
    assert (heard.text, heard.interrupted, heard.estimated) == ("Hi there,", True, True)
    assert heard.said == "Hi there, how are you doing today? I can do a lot."
    said = s.conversation.history.messages[-1]
    assert said == Message("agent", heard.text, heard.said, interrupted=True, estimated=True)


def test_a_reply_of_which_nothing_was_heard_is_not_in_the_history() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.play("Hello to you too.", seconds=2.0)
    s.give(inputs.InterruptRequested())
    assert s.one(events.AgentHeard).text == ""
    assert [m.role for m in s.conversation.history.messages] == ["user"]


def test_what_is_known_only_by_estimate_is_marked() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.play("Hi.")
    s.playing = None
    s.give(inputs.PlayoutFinished(s.on_order, 1.0, estimated=True))
    assert s.one(events.AgentHeard).estimated
    assert s.conversation.history.messages[-1].text == "Hi."


def test_the_history_is_bounded() -> None:
    s = Script(ConversationConfig(max_history=3))
    for text in ("One.", "Two.", "Three."):
        s.say_turn(text)
        s.play(f"Heard {text}", seconds=0.32)
        s.silence(0.32)
    assert [m.text for m in s.conversation.history.messages] == ["Heard Two.", "Three.", "Heard Three."]
    assert s.conversation.history.dropped == 3
