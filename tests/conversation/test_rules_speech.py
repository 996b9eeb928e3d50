from __future__ import annotations

import pytest
from plain import SPEECH, script

from duologue.audio.format import WINDOW
from duologue.conversation import effects, events
from duologue.conversation.config import ConversationConfig, SpeechDetection
from duologue.conversation.evidence import SOUND_WINDOW
from duologue.conversation.speech import SpeechChange, SpeechDetector

START, STOP, NONE = SpeechChange.START, SpeechChange.STOP, SpeechChange.NONE


def steps(probabilities: list[float], config: SpeechDetection | None = None) -> list[SpeechChange]:
    detector = SpeechDetector(config or SPEECH)
    return [detector.window(i * WINDOW, (i + 1) * WINDOW, p) for i, p in enumerate(probabilities)]


def test_speech_starts_after_its_shortest_length() -> None:
    assert steps([0.9, 0.9, 0.9]) == [NONE, START, NONE]


def test_a_blip_starts_nothing() -> None:
    assert steps([0.9, 0.1, 0.9, 0.1]) == [NONE] * 4


@pytest.mark.parametrize(("p", "starts"), [(0.5, True), (0.49, False)])
def test_the_start_threshold_is_inclusive(p: float, starts: bool) -> None:
    assert (START in steps([p] * 4)) is starts


@pytest.mark.parametrize(("p", "goes_on"), [(0.35, True), (0.34, False)])
def test_hysteresis_speech_goes_on_above_the_lower_threshold(p: float, goes_on: bool) -> None:
    assert (STOP not in steps([0.9, 0.9, *[p] * 6])) is goes_on


def test_speech_stops_after_the_hangover_of_unbroken_silence() -> None:
    quiet, loud = 0.1, 0.9
    assert steps([loud] * 2 + [quiet] * 4) == [NONE, START, NONE, NONE, NONE, STOP]
    assert STOP not in steps([loud] * 2 + [quiet] * 3 + [loud] + [quiet] * 3)


def test_lengths_come_from_the_configuration() -> None:
    eager = SpeechDetection(min_speech=0.0, hangover=0.0)
    assert steps([0.9, 0.1], eager) == [START, STOP]


def test_a_gap_is_silence_and_may_be_of_any_length() -> None:
    detector = SpeechDetector(SPEECH)
    detector.window(0, WINDOW, 0.9)
    assert detector.window(WINDOW, 2 * WINDOW, 0.9) is START
    assert detector.silence(1024, 1324) is NONE
    assert detector.silence(1324, 90_000) is STOP
    assert detector.last_end == 1024
    assert detector.silence(90_000, 180_000) is NONE


def test_a_blip_before_a_gap_does_not_count_after_it() -> None:
    detector = SpeechDetector(SPEECH)
    detector.window(0, WINDOW, 0.9)
    detector.silence(WINDOW, 2000)
    assert detector.window(2000, 2000 + WINDOW, 0.9) is NONE


def test_the_start_is_told_where_speech_began_and_the_words_are_asked_with_padding_on_both_sides() -> None:
    s = script()
    s.silence(1.024)
    s.speech(0.64)
    s.silence(0.32)
    began, ended = round(1.024 * 16000), round(1.664 * 16000)
    started, stopped, ask = s.one(events.SpeechStarted), s.one(events.SpeechStopped), s.one(effects.RequestTranscript)
    assert (started.start, started.pos) == (began, began + 2 * WINDOW)
    assert (stopped.end, stopped.pos) == (ended, ended + 4 * WINDOW)
    assert (ask.start, ask.end) == (began - 4800, ended + 1536)
    assert ask.may_go_on


def test_sound_is_needed_from_where_words_may_still_be_asked_for() -> None:
    s = script()
    assert s.conversation.needs_from == 0
    s.silence(1.024)
    padding = 4800 + 8000  # and as much more as a second attempt may need
    assert s.conversation.needs_from == s.pos - padding
    s.speech(0.032)
    assert s.conversation.needs_from == s.pos - WINDOW - padding
    s.speech(2.0)
    assert s.conversation.needs_from == round(1.024 * 16000) - padding
    s.silence(0.2)
    assert s.conversation.needs_from == s.one(effects.RequestTranscript).start - 8000
    s.silence(1.0)
    assert s.conversation.needs_from == s.pos - padding


def test_padding_never_reaches_before_the_call() -> None:
    s = script()
    s.speech(0.32)
    s.silence(0.32)
    assert s.one(effects.RequestTranscript).start == 0


def test_a_long_tail_ends_where_the_audio_does() -> None:
    s = script(ConversationConfig(speech=SpeechDetection(hangover=0.128, tail_padding=1.0)))
    s.speech(0.32)
    s.silence(0.128)
    assert s.one(effects.RequestTranscript).end == s.pos


def test_speech_stops_in_a_gap() -> None:
    s = script()
    s.speech(0.32)
    s.gap(0.2)
    assert s.one(events.AudioGap).reason == "missing"
    assert s.one(events.SpeechStopped).reason == "gap"
    assert s.one(effects.RequestTranscript).end == round(0.32 * 16000) + 1536


def test_a_short_gap_inside_speech_does_not_stop_it() -> None:
    s = script()
    s.speech(0.32)
    s.gap(0.1)
    s.speech(0.32)
    assert len(s.of(events.SpeechStarted)) == 1
    assert not s.of(events.SpeechStopped)


@pytest.mark.parametrize("judges_sound", [False, True])
def test_the_model_of_the_end_of_the_turn_hears_the_turn_from_its_start(judges_sound: bool) -> None:
    s = script(judges_sound=judges_sound)
    s.understand("I would like", "a table.", probability=0.1)
    s.silence(0.5)
    s.speech(2.0)
    s.silence(0.3)
    s.speech(2.0)
    s.silence(0.16)
    first, second = s.of(effects.RequestTranscript)
    assert first.start < second.start
    assert s.conversation.needs_from == (first.start if judges_sound else second.start)
    s.speech(7.0)
    assert s.conversation.needs_from <= s.pos - SOUND_WINDOW
