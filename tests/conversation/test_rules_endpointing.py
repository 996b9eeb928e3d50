from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from plain import PLAIN, script

from duologue.conversation import effects, events
from duologue.conversation.config import BargeIn, ConversationConfig, Endpointing, SpeechDetection
from duologue.conversation.endpointing import (
    CALIBRATION,
    ESTIMATE_NEUTRAL,
    Evidence,
    Verdict,
    calibrated,
    decide,
    sound_odds,
    sound_share,
    wait,
)
from duologue.errors import ConfigError
from duologue.testing.conversation import Script

POLICY = Endpointing(threshold=0.5, wait_below=0.5, action_delay=0.25, timeout=1.0)


def evidence(words: float, sound: float | None = None, timeout_factor: float = 1.0) -> Evidence:
    return Evidence("Hello.", words, "sentence", timeout_factor, sound)


def odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def raw(probability: float) -> float:
    """The words' own probability that is calibrated to this one."""
    return 1 / (1 + math.exp(-odds(probability) / CALIBRATION))


# --- the policy alone ---


@pytest.mark.parametrize(
    ("words", "sound", "timeout_factor", "silence", "verdict"),
    [
        (0.5, None, 1.0, 0.25, "words"),
        (0.5, None, 1.0, 0.24, None),
        (0.49, None, 1.0, 0.25, None),
        (0.49, None, 1.0, 0.99, None),
        (0.49, None, 1.0, 1.0, "timeout"),
        (0.49, None, 2.5, 2.49, None),
        (0.49, None, 2.5, 2.5, "timeout"),
        (0.49, None, 0.5, 0.5, "timeout"),
        (0.49, 0.95, 1.0, 0.25, "sound"),
        (0.6, 0.1, 1.0, 0.25, None),
        (0.6, 0.1, 1.0, 1.0, "timeout"),
        (0.9, None, 9.0, 0.25, "words"),
    ],
)
def test_threshold_action_delay_timeout(
    words: float, sound: float | None, timeout_factor: float, silence: float, verdict: str | None
) -> None:
    e = evidence(words, sound, timeout_factor)
    expected = Verdict(e.probability, verdict) if verdict else None
    assert decide(e, silence, POLICY) == expected


@pytest.mark.parametrize(
    ("words", "sound", "low", "high"),
    [
        (0.5, 0.9, 0.5, 0.5),
        (0.9, 0.98, 0.9, 1.0),
        (0.1, 0.1, 0.0, 0.1),
        (0.8, 0.1, 0.1, 0.3),
        (0.3, 0.98, 0.5, 0.7),
        (0.0, 1.0, 0.02, 0.1),
        (0.0, 0.0, 0.0, 0.01),
    ],
)
def test_words_and_sound_combine(words: float, sound: float, low: float, high: float) -> None:
    """Two that agree are surer than one, the sound says nothing at 0.9, and the words count for more."""
    assert low <= round(raw(evidence(words, sound).probability), 6) <= high


@pytest.mark.parametrize("probability", [0.02, 0.3, 0.5, 0.9])
def test_the_probability_is_nearer_to_a_half_than_the_sum_of_the_judges(probability: float) -> None:
    assert calibrated(odds(probability)) == pytest.approx(evidence(probability).probability)
    assert abs(evidence(probability).probability - 0.5) <= abs(probability - 0.5)


GRADED = Endpointing(threshold=0.9, likely=0.8, wait_below=0.5, action_delay=0.4, likely_delay=0.8, timeout=1.6)


@pytest.mark.parametrize(
    ("probability", "timeout_factor", "seconds"),
    [
        (0.99, 1.0, 0.4),
        (0.9, 9.0, 0.4),
        (0.89, 1.0, 0.8),
        (0.8, 9.0, 0.8),
        (2 / 3, 1.0, 1.2),  # odds of 2, half way between those of 1 and 4
        (2 / 3, 2.0, 2.0),
        (0.85, 0.3, 0.48),  # no level is above the timeout
        (0.5, 1.0, 1.6),
        (0.1, 2.0, 3.2),
        (0.1, 0.1, 0.4),
    ],
)
def test_the_surer_the_sooner(probability: float, timeout_factor: float, seconds: float) -> None:
    assert wait(probability, timeout_factor, GRADED) == pytest.approx(seconds)


def test_a_turn_that_is_neither_sure_nor_open_is_decided_by_what_was_judged() -> None:
    e = evidence(raw(2 / 3))
    assert decide(e, 1.19, GRADED) is None
    assert decide(e, 1.21, GRADED) == Verdict(e.probability, "words")


def test_a_moment_that_speaks_against_an_end_takes_off_log_odds() -> None:
    e = Evidence("Hello.", 0.8, "sentence", 1.0, against=math.log(4))
    assert e.probability == pytest.approx(0.5)


def test_levels_that_are_out_of_order_do_not_divide_by_zero() -> None:
    flat = replace(GRADED, likely=0.4)
    assert wait(0.6, 1.0, flat) == 0.8
    assert wait(0.6, 1.0, replace(GRADED, action_delay=1.0)) >= 1.0


# --- in a conversation ---


def timed(split_after: float = 0.25, **changes: float) -> Script:
    endpointing = replace(PLAIN, **changes)  # type: ignore[arg-type]
    s = script(ConversationConfig(endpointing=endpointing, split_after=split_after), judges_sound=True)
    s.silence(0.96)
    return s


def silence_at_decision(s: Script) -> float:
    return s.one(events.TurnDecided).silence


def test_a_finished_sentence_is_decided_after_the_action_delay() -> None:
    s = timed(action_delay=0.512)
    s.say_turn("Hello.", pause=1.5)
    assert silence_at_decision(s) == 0.512
    assert s.one(events.TurnDecided).reason == "words"
    assert s.of(effects.RequestEndOfTurn) == []


def test_an_unfinished_sentence_is_decided_after_the_timeout() -> None:
    s = timed(timeout=0.96)
    s.understand("I would like to", probability=0.05, reason="trailing_word")
    s.speech(0.64)
    s.silence(1.5)
    assert silence_at_decision(s) == 0.96
    decided = s.one(events.TurnDecided)
    assert (decided.reason, decided.probability) == ("timeout", calibrated(odds(0.05)))
    assert s.of(effects.RequestEndOfTurn) == []


def test_patience_stretches_the_timeout() -> None:
    s = timed(timeout=0.96)
    s.understand("It is 0 7 7", probability=0.05, timeout_factor=2.0)
    s.speech(0.64)
    s.silence(3.0)
    assert silence_at_decision(s) == 1.92


def test_what_is_known_of_the_open_turn_can_be_watched() -> None:
    s = timed()
    assert (s.conversation.end_of_turn, s.conversation.silence) == (None, None)
    s.understand("I would like", probability=0.1)
    s.speech(0.64)
    assert (s.conversation.end_of_turn, s.conversation.silence) == (None, 0.0)
    s.silence(0.32)
    assert (s.conversation.end_of_turn, s.conversation.silence) == (calibrated(odds(0.1)), 0.32)
    s.silence(0.96)
    assert s.one(events.TurnDecided)
    assert (s.conversation.end_of_turn, s.conversation.silence) == (None, None)


def test_the_event_of_the_decision_tells_what_it_rests_on() -> None:
    s = timed()
    s.say_turn("Hello.")
    d = s.one(events.TurnDecided)
    assert (d.turn, d.text, d.start, d.end) == (1, "Hello.", 15360 - 4800, 15360 + 10240)
    assert s.one(effects.StartReply) == effects.StartReply(1, 1, "Hello.", (), speculative=False)
    scored = s.one(events.TurnScored)
    assert (scored.words, scored.sound, scored.probability, scored.reason) == (
        0.95,
        None,
        calibrated(odds(0.95)),
        "sentence",
    )


@pytest.mark.parametrize(
    ("words", "asked"), [(0.1, False), (0.3, True), (0.5, True), (0.8, True), (0.89, False), (0.9, False)]
)
def test_the_sound_is_judged_only_where_the_words_leave_doubt(words: float, asked: bool) -> None:
    s = timed()
    s.understand("Hello", probability=words)
    s.speech(0.64)
    s.silence(0.64)
    assert bool(s.of(effects.RequestEndOfTurn)) is asked


def test_the_sound_is_not_asked_where_no_model_is_at_hand() -> None:
    s = script()
    s.understand("Hello", probability=0.6)
    s.speech(0.64)
    s.silence(2.0)
    assert s.of(effects.RequestEndOfTurn) == []
    assert s.one(events.TurnDecided).reason == "words"


def test_doubtful_words_wait_for_the_sound_which_is_applied_when_due() -> None:
    s = timed()
    s.understand("Hello", probability=0.6)
    s.judge(0.9)
    s.speech(0.64)
    s.silence(0.96)
    words, sound, scored = s.one(effects.RequestTranscript), s.one(effects.RequestEndOfTurn), s.last(events.TurnScored)
    assert (sound.start, sound.end, sound.due) == (words.start, words.due, words.due + round(0.192 * 16000))
    assert (scored.pos, scored.words, scored.sound) == (sound.due, 0.6, 0.9)
    assert s.one(events.TurnDecided).reason == "sound"
    assert s.one(events.TurnDecided).pos == sound.due


def test_the_sound_is_judged_again_while_silence_lasts_and_only_so_often() -> None:
    s = timed(timeout=4.0, wait_below=0.5, rescore_every=0.32, max_scores=3)
    s.understand("I would", probability=0.3)
    s.judge(0.1)
    s.speech(0.64)
    s.silence(5.0)
    asks = s.of(effects.RequestEndOfTurn)
    assert [b.end - a.end for a, b in pairwise(asks)] == [round(0.32 * 16000)] * 2
    assert len(asks) == 3
    assert [e.sound for e in s.of(events.TurnScored)] == [None, 0.1, 0.1, 0.1]
    assert s.one(events.TurnDecided).reason == "timeout"


def test_a_later_judgement_can_decide() -> None:
    s = timed(timeout=4.0)
    s.understand("I would", probability=0.3)
    s.judge(0.1, 0.98)
    s.speech(0.64)
    s.silence(3.0)
    assert len(s.of(effects.RequestEndOfTurn)) == 2
    assert s.one(events.TurnDecided).reason == "sound"


def test_a_sound_that_cannot_be_judged_leaves_the_decision_to_the_words() -> None:
    s = timed()
    s.understand("Hello", probability=0.6)
    s.fail_sound()
    s.speech(0.64)
    s.silence(0.96)
    assert len(s.of(effects.RequestEndOfTurn)) == 1
    assert s.one(events.TurnDecided).reason == "words"


def test_a_judgement_for_which_there_was_no_time_is_asked_for_again_as_soon_as_there_are_words() -> None:
    s = timed(sound_after=0.16, words_budget=0.128, sound_budget=0.256, rescore_every=0.32, timeout=1.92)
    s.understand("Hello,", probability=0.3)
    s.fail_sound("overloaded")
    s.speech(0.64)
    s.silence(0.192)
    s.judge(0.98)
    s.silence(1.6)
    early, again = s.of(effects.RequestEndOfTurn)
    assert (early.words, again.words) == (None, 0.3)
    assert again.end == early.end  # it hears the same silence
    assert again.due < early.due + round(0.256 * 16000)  # nothing is waited for that was not begun
    assert again.due == s.of(effects.RequestTranscript)[0].due + round(0.256 * 16000)
    assert s.of(events.TurnScored)[-1].sound == 0.98


def test_a_decision_does_not_wait_for_a_judgement_for_which_there_was_no_time() -> None:
    s = timed(sound_after=0.16, words_budget=0.064, sound_budget=0.96, action_delay=0.256)
    s.understand("Hello", probability=0.92)
    s.fail_sound("overloaded")
    s.speech(0.64)
    s.silence(0.96)
    assert silence_at_decision(s) == 0.256


def test_what_there_is_never_time_for_is_asked_for_now_and_then_only() -> None:
    s = timed(sound_after=0.16, rescore_every=0.32, timeout=1.92)
    s.understand("Hello,", probability=0.3)
    s.fail_sound("overloaded")
    s.speech(0.64)
    s.silence(2.4)
    early, *asked = (ask.due for ask in s.of(effects.RequestEndOfTurn))
    assert early < asked[0]
    assert all(later - sooner >= 0.32 * 16000 for sooner, later in pairwise(asked))
    assert 2 <= len(asked) <= 6
    assert s.one(events.TurnDecided).reason == "timeout"


def test_a_judgement_that_never_comes_does_not_hold_the_turn_beyond_the_timeout() -> None:
    s = timed(timeout=0.96)
    s.understand("Hello", probability=0.6)
    s.lose_sound()
    s.speech(0.64)
    s.silence(0.96)
    assert silence_at_decision(s) == 0.96
    ask = s.of(effects.RequestEndOfTurn)[0].ask
    assert effects.DropAsk(ask) in s.log


def test_a_judgement_that_comes_after_the_decision_is_nobodys_and_was_late() -> None:
    s = timed(timeout=0.96)
    s.understand("Hello", probability=0.6)
    s.judge(0.1, after=2.0)
    s.speech(0.64)
    s.silence(0.96)
    s.play("Hi.", seconds=4.0)
    s.silence(3.0)
    late = s.one(events.EvidenceLate)
    assert (late.kind, late.pos) == ("sound", s.one(events.TurnDecided).pos)


def test_a_late_judgement_is_applied_when_it_comes() -> None:
    s = timed(timeout=3.0)
    s.understand("Hello", probability=0.6)
    s.judge(0.9, after=1.0)
    s.speech(0.64)
    s.silence(2.0)
    assert s.one(events.EvidenceLate).kind == "sound"
    assert s.one(events.TurnDecided).pos == s.one(events.EvidenceLate).pos


def test_the_sound_is_judged_beside_the_words_once_the_silence_is_no_longer_short() -> None:
    s = timed(sound_after=0.16, action_delay=0.32, words_budget=0.256)
    s.understand("Hello", probability=0.95)
    s.judge(0.98)
    s.speech(0.64)
    s.silence(0.96)
    words, sound = s.one(effects.RequestTranscript), s.one(effects.RequestEndOfTurn)
    assert sound.end == 15360 + 10240 + round(0.16 * 16000)
    assert sound.due < words.due
    scored = s.one(events.TurnScored)
    assert (scored.pos, scored.words, scored.sound) == (words.due, 0.95, 0.98)
    assert s.one(events.TurnDecided).reason == "sound"


@pytest.mark.parametrize(("more", "reason", "silence"), [(-3.0, "timeout", 0.96), (0.0, "words", 0.256)])
def test_what_the_recognizer_knows_of_the_end_counts_beside_the_words(more: float, reason: str, silence: float) -> None:
    s = timed()
    s.understand("I would like to book a table.", probability=0.92, ending_odds=more)
    s.speech(0.64)
    s.silence(1.5)
    decided = s.one(events.TurnDecided)
    assert (decided.reason, decided.silence) == (reason, silence)
    assert decided.probability == pytest.approx(calibrated(odds(0.92) + more))


@pytest.mark.parametrize(("estimate", "silence"), [(0.97, 0.256), (0.02, 0.96)])
def test_what_the_recognizer_hears_counts_as_the_turn_model_would(estimate: float, silence: float) -> None:
    s = timed()
    s.understand("I would like to book a table.", probability=0.92, sound_estimate=estimate)
    s.speech(1.6)
    s.silence(1.5)
    decided = s.one(events.TurnDecided)
    assert decided.silence == silence
    assert decided.probability == pytest.approx(calibrated(odds(0.92) + sound_odds(estimate, neutral=ESTIMATE_NEUTRAL)))


def test_the_turn_model_takes_the_place_of_the_estimate() -> None:
    estimated = replace(evidence(0.8), sound_estimate=0.02)
    judged = replace(estimated, sound=0.95)
    assert estimated.probability < judged.probability
    assert judged.probability == replace(judged, sound_estimate=None).probability


@pytest.mark.parametrize(("turns", "decided"), [(1, [0.96]), (2, [0.96, 0.256])])
def test_the_first_turn_of_a_call_is_given_more_time(turns: int, decided: list[float]) -> None:
    s = timed(opening=3.0)
    for _ in range(turns):
        s.say_turn("Hello.", pause=1.5)
        s.play("Yes?", seconds=0.5)
        s.silence(1.0)
    assert [e.silence for e in s.of(events.TurnDecided)] == decided


def test_speech_that_goes_on_takes_the_judgement_back() -> None:
    s = timed(split_after=0.3)
    s.understand("Hello", "Hello, is this the restaurant?", probability=0.6)
    s.judge(0.95)
    s.speech(0.64)
    s.silence(0.224)
    s.speech(0.64)
    s.silence(0.96)
    first, second = s.of(effects.RequestEndOfTurn)
    assert effects.DropAsk(first.ask) in s.log
    assert second.start == first.start
    assert s.one(events.TurnDecided).text == "Hello, is this the restaurant?"


def test_nothing_is_decided_at_the_first_window_of_new_speech() -> None:
    s = timed(action_delay=0.32)
    s.understand("Hello.")
    s.speech(0.64)
    s.silence(0.288)
    s.speech(0.032)
    assert s.of(events.TurnDecided) == []
    s.silence(0.032)
    assert s.one(events.TurnDecided).silence == 0.352


# --- the numbers ---


@pytest.mark.parametrize(
    ("part", "settings", "message"),
    [
        (SpeechDetection, {"stop_threshold": 0.6}, "stop_threshold must not be above"),
        (SpeechDetection, {"hangover": -0.1}, "hangover is -0.1"),
        (SpeechDetection, {"start_threshold": float("nan")}, "start_threshold is nan"),
        (SpeechDetection, {"start_threshold": "0.5"}, "start_threshold is '0.5'"),
        (Endpointing, {"timeout": 0.1}, "timeout must not be below"),
        (Endpointing, {"words_budget": float("nan")}, "words_budget is nan"),
        (Endpointing, {"max_scores": -1}, "max_scores is -1"),
        (Endpointing, {"doubt": (0.9, 0.1)}, "doubt is"),
        (Endpointing, {"doubt": (0.5, 1.5)}, "doubt is"),
        (BargeIn, {"confirm_after": float("inf")}, "confirm_after is inf"),
        (BargeIn, {"enabled": "no"}, "barge_in is 'no', and must be True or False"),
        (Endpointing, {"timeout": 10**400}, "timeout is 1000"),
        (ConversationConfig, {"timeout": -1}, "timeout is -1"),
        (ConversationConfig, {"max_utterance": 1.0}, "at least 2 s"),
        (ConversationConfig, {"turns": "sometimes"}, "turns is 'sometimes', and must be one of auto, manual"),
        (ConversationConfig, {"speculation": "wild"}, "speculation is 'wild'"),
    ],
)
def test_numbers_that_cannot_work_are_refused(part: Any, settings: dict[str, Any], message: str) -> None:
    names = {SpeechDetection: "speech", Endpointing: "endpointing", BargeIn: "barge_in"}
    whole = {names[part]: part(**settings)} if part in names else settings
    with pytest.raises(ConfigError, match=message):
        ConversationConfig(**whole)


# --- answers that are due together ---


@pytest.mark.parametrize("words", ["none", "failed"])
def test_a_sound_that_is_due_together_with_words_that_are_none_is_no_matter(words: str) -> None:
    s = timed(sound_after=0.16, words_budget=0.16, sound_budget=0.16)
    if words == "none":
        s.understand("")
    else:
        s.fail_words()
    s.judge(0.9)
    s.speech(0.64)
    s.silence(1.92)
    asked, judged = s.of(effects.RequestTranscript)[0], s.one(effects.RequestEndOfTurn)
    assert asked.due == judged.due, "they ripen in the same window"
    assert s.of(events.SpeechIgnored)
    assert s.of(events.TurnDecided) == []


def test_a_gap_in_which_words_are_given_up_asks_nothing_more() -> None:
    s = timed(sound_after=0.16, words_timeout=2.0)
    s.lose_words()
    s.speech(0.64)
    s.silence(0.128)
    s.gap(4.0)
    assert s.one(events.SpeechIgnored).reason == "timeout"
    assert s.of(effects.RequestEndOfTurn) == []
    s.silence(0.96)


@pytest.mark.parametrize(("spoken", "share"), [(0.3, 0.5), (1.0, 0.5), (1.25, 0.75), (1.5, 1.0), (9.0, 1.0)])
def test_the_turn_model_counts_less_against_the_end_of_short_turns(spoken: float, share: float) -> None:
    assert sound_share(spoken, Endpointing()) == pytest.approx(share)
    assert sound_share(spoken, Endpointing(short_turn=0.0)) == 1.0
    assert sound_odds(0.3, share) == pytest.approx(share * sound_odds(0.3))
    assert sound_odds(0.98, share) == sound_odds(0.98)
