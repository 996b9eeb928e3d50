"""A caller's call in virtual time: when it speaks, and what it measures from the sound that it is sent."""

import random
from datetime import date, time, timedelta

import pytest
from virtual_call import FRAME, QUIET, Table

from duologue.callers.call import ANSWER_TIMEOUT_S
from duologue.callers.goals import Goal, Habits
from duologue.callers.load import BRISK
from duologue.callers.script import Booker, Interrupter, Monologist, Silent
from duologue.errors import OverloadedError
from duologue.wire import messages as wire

TODAY = date(2026, 6, 10)
GOAL = Goal(4, TODAY + timedelta(days=1), "tomorrow", time(19), "seven o'clock", "Wilson")
PLAIN = Habits(volunteers=False, hesitates=False, slip=None)


def booker() -> Booker:
    return Booker(GOAL, PLAIN, today=TODAY)


def test_the_greeting_is_awaited_and_its_question_answered() -> None:
    table = Table(booker())
    table.wait(1.0)
    table.reply(1, "Hello. How many people shall I book for?")
    assert not table.log.turns
    assert table.until(speaking=True) >= 0.3 - FRAME
    assert [turn.act for turn in table.log.turns] == ["people"]
    assert table.log.greetings == 1


def test_voice_to_voice_is_from_the_last_sample_to_the_first_audible_one() -> None:
    table = Table(booker())
    table.reply(1, "How many people?")
    table.until(speaking=True)
    table.until(speaking=False)
    (turn,) = table.log.turns
    ended = table.clock.now() - FRAME  # the frame of silence after it has been sent
    assert turn.end_s == pytest.approx(ended - 100.0)
    table.wait(0.38)
    table.tell(wire.AgentText(generation=2, text="Sure."))
    table.sound(2, QUIET)
    table.sound(2)
    # The quiet frame sounds at once and the loud one after it.
    assert turn.voice_to_voice_s == pytest.approx(0.38 + FRAME + FRAME)
    assert turn.generation == 2


def test_no_answer_is_measured_for_a_reply_that_begins_while_the_caller_speaks() -> None:
    table = Table(booker())
    table.reply(1, "How many people?")
    table.until(speaking=True)
    table.wait(0.5)
    table.begin(2, "Sorry?")
    table.until(speaking=False)
    assert [turn.generation for turn in table.log.turns] == [None]
    table.tell(wire.Interrupted(generation=2))
    table.heard(2, "Sorry?", interrupted=True)
    table.begin(3, "Sure, four people. Which day?")
    assert [turn.generation for turn in table.log.turns] == [3]
    assert all(turn.voice_to_voice_s is not None for turn in table.log.turns)


def test_a_caller_without_an_answer_says_it_again_and_at_last_hangs_up() -> None:
    table = Table(booker())
    table.reply(1, "How many people?")
    for _ in range(4):
        table.until(speaking=True)
        table.until(speaking=False)
    assert [turn.act for turn in table.log.turns] == ["people"] * 4
    assert [turn.unanswered for turn in table.log.turns] == [True, True, True, False]
    table.wait(ANSWER_TIMEOUT_S + 1)
    assert table.sent[-1] == {"type": "end"}
    assert table.log.turns[-1].unanswered


def test_late_frames_are_starved_and_marks_tell_what_was_played() -> None:
    table = Table(booker())
    table.begin(1, "Hello.", lead=2)
    table.wait(0.1)
    table.sound(1)
    assert table.call._playback.starved == 3
    table.wait(0.4)
    marks = [message["position"] for message in table.sent if message["type"] == "mark"]
    assert marks == sorted(marks)
    assert marks[-1] == table.position


def test_an_interruption_is_timed_to_the_last_sample_of_the_agent() -> None:
    script = Interrupter(GOAL, PLAIN, today=TODAY, draw=random.Random(1))
    table = Table(script)
    table.reply(1, "How many people?")
    table.until(speaking=True)
    table.until(speaking=False)
    table.begin(2, "Sure, four people.")
    while not table.speaking:
        table.wait(FRAME, lambda: table.sound(2))
    turn = table.log.turns[-1]
    assert turn.interrupts
    table.wait(0.2, lambda: table.sound(2))
    table.tell(wire.Pause(generation=2))
    paused = table.clock.now() - 100.0
    table.wait(0.3)
    table.tell(wire.Interrupted(generation=2))
    table.heard(2, "Sure", interrupted=True)
    assert turn.yield_s == pytest.approx(paused - turn.onset_s)
    assert turn.paused_s is None, "the server has not told"
    table.until(speaking=False)
    table.reply(3, "Sure, take your time.")
    table.until(speaking=True)
    assert table.log.turns[-1].act == "people", "the question that was open is answered"


def test_the_servers_own_account_of_an_interruption_is_held_against_the_sound_that_was_sent() -> None:
    script = Interrupter(GOAL, PLAIN, today=TODAY, draw=random.Random(1))
    table = Table(script)
    table.reply(1, "How many people?")
    table.until(speaking=True)
    table.tell(yielded(0.0))
    assert table.log.turns[-1].paused_s is None, "it was no interruption"
    table.until(speaking=False)
    table.begin(2, "Sure, four people.")
    while not table.speaking:
        table.wait(FRAME, lambda: table.sound(2))
    turn = table.log.turns[-1]
    table.tell(yielded(turn.line_onset_s - 0.1))
    assert turn.paused_s is None, "it came before the interruption"
    table.tell(yielded(turn.line_onset_s + 0.096))
    table.tell(yielded(turn.line_onset_s + 1.0))
    assert turn.paused_s == pytest.approx(0.096 + 0.03)
    assert (turn.settled_s, turn.silenced_s) == (0.03, 0.001)


def yielded(at_s: float) -> wire.Decision:
    return wire.Decision(
        name="yield_measured",
        reason="pause",
        at_s=at_s,
        fields={"generation": 2, "silenced": 0.001, "behind": 0.03},
    )


def test_a_reply_that_goes_on_after_an_interruption_is_answered_too() -> None:
    script = Interrupter(GOAL, PLAIN, today=TODAY, draw=random.Random(1))
    table = Table(script)
    table.reply(1, "How many people?")
    table.until(speaking=True)
    table.until(speaking=False)
    table.begin(2, "Sure, four people. Which day would you like?")
    while not table.speaking:
        table.wait(FRAME, lambda: table.sound(2))
    table.until(speaking=False)
    table.wait(0.5, lambda: table.sound(2))
    table.heard(2, "Sure, four people. Which day would you like?")
    table.until(speaking=True)
    assert table.log.turns[-1].act == "day"
    assert table.log.turns[-2].yield_s is None


def test_a_turn_decided_in_a_pause_is_a_cut_off_and_its_words_are_kept_together() -> None:
    table = Table(booker(), seconds=4.0)
    table.reply(1, "How many people?")
    table.until(speaking=True)
    turn = table.log.turns[-1]
    table.wait(2.0)
    table.decided(1, "A table for", end=turn.line_onset_s + 1.0)
    table.until(speaking=False)
    table.decided(2, "four people", end=turn.line_end_s - 0.05)
    assert turn.cut_off
    assert turn.understood == "A table for four people"
    table.tell(
        wire.Latency(
            turn=2, generation=5, processing_s=0.03, voice_to_voice_s=0.4, stages={"decided": 0.37}, speculation="hit",
            parts={"speech_end": 0.37, "playout": 0.03},
        )
    )  # fmt: skip
    assert (turn.processing_s, turn.stages_s, turn.speculation) == (0.03, {"decided": 0.37}, "hit")
    assert (turn.told_generation, turn.told_voice_to_voice_s, sum(turn.parts_s.values())) == (5, 0.4, 0.4)


def test_what_the_server_takes_for_one_turn_is_compared_as_one() -> None:
    table = Table(booker())
    table.reply(1, "How many people?")
    for times in (1, 2):
        table.until(speaking=True)
        table.until(speaking=False)
        turn = table.log.turns[-1]
        table.decided(1, " ".join([turn.said] * times), end=turn.line_end_s)
    first, second = table.log.turns
    assert first.joined
    assert not first.heard
    assert second.joins == first.said
    assert second.understood == f"{first.said} {second.said}"


def test_a_monologue_goes_on_and_is_scored_as_a_whole() -> None:
    table = Table(Monologist(), load=BRISK)
    table.wait(9.0)
    assert all(turn.goes_on for turn in table.log.turns)
    assert len(table.log.turns) == 5
    ended = [turn for turn in table.log.turns if turn.ended]
    table.decided(1, " ".join(turn.said for turn in ended[:2]), end=ended[1].line_end_s)
    table.close()
    (story,) = table.log.stories
    assert (story.said, story.unaccounted_s, table.over) == (story.understood, 0.0, True)
    assert len(story.said.split()) > 20
    assert story.spoken_s == 4.0


def test_of_a_monologue_nothing_gets_lost_in_silence() -> None:
    table = Table(Monologist(), load=BRISK)
    table.wait(13.0)
    said = [turn for turn in table.log.turns if turn.ended][:6]
    table.decided(1, said[0].said, end=said[0].line_end_s)
    missed: dict[str, str | int | float | bool | None]
    missed = {"start": round(16_000 * said[1].line_onset_s), "end": round(16_000 * said[2].line_end_s)}
    table.tell(wire.Decision(name="audio_gap", reason="dropped", at_s=9.0, fields=missed))
    table.decided(2, said[5].said, start=said[4].line_end_s, end=said[5].line_end_s)
    table.close()
    (story,) = table.log.stories
    assert story.spoken_s == pytest.approx(12.0)
    assert story.unaccounted_s == pytest.approx(4.0), "two sentences are in no transcript, and two were missed"


@pytest.mark.parametrize(
    ("reason", "code", "lost"),
    [
        ("client_end", 1000, {}),
        ("agent_done", 1000, {}),
        ("booked", 1000, {}),
        ("timeout", 1000, {"1000 timeout": 1}),
        ("error", 1011, {"1011 error": 1}),
        (None, 1000, {"1000": 1}),
        (None, None, {"broke off": 1}),
    ],
)
def test_a_call_that_ends_otherwise_than_it_should_is_lost(
    reason: str | None, code: int | None, lost: dict[str, int]
) -> None:
    table = Table(booker())
    if reason is not None:
        table.tell(wire.Ended(reason=reason))
    table.call.closed(code, "")
    assert table.log.lost == lost


def test_a_silent_caller_never_speaks() -> None:
    table = Table(Silent())
    table.reply(1, "How many people?")
    table.wait(40.0)
    table.reply(2, "Are you there?")
    assert not table.log.turns
    assert not any(frame.strip(b"\0") for frame in table.frames)
    table.decided(1, "Thank you.", end=20.0)
    assert table.log.stray_turns == 1


def test_what_the_server_says_of_lost_input_is_counted() -> None:
    table = Table(Silent())
    table.tell(wire.Decision(name="audio_gap", reason="overrun", at_s=0.3, fields={"start": 3200, "end": 4800}))
    table.tell(wire.Decision(name="evidence_late", reason="", at_s=0.3, fields={}))
    table.tell(wire.Ack(position=6400, gaps=320, duplicates=160))
    table.tell(wire.Ack(position=9600, gaps=640, duplicates=160))
    table.close()
    table.call.settle()
    assert table.log.input_gaps == {"overrun": 1600}
    assert (table.log.late_evidence, table.log.ack_gap_samples, table.log.duplicate_samples) == (1, 640, 160)
    assert table.log.closes == {"1000": 1}


def test_a_fatal_error_is_why_the_call_was_refused() -> None:
    table = Table(Silent())
    error = OverloadedError("Full.", retry_after=3.0)
    table.tell(wire.Error.of(error, fatal=True))
    assert isinstance(table.call.error, OverloadedError)
    assert table.call.error.retry_after == 3.0
    assert table.log.errors == {"overloaded": 1}
