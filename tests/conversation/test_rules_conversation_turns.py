"""Turns that are not said in one breath: reopened, long, pushed, typed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from duologue.audio.format import WINDOW
from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig, Endpointing, SpeechDetection
from duologue.conversation.history import Message
from duologue.conversation.typed import MAX_TYPED
from duologue.conversation.utterance import Utterance
from duologue.errors import InvalidStateError
from duologue.testing.conversation import Script


def decided(s: Script) -> list[tuple[int, str, str]]:
    return [(d.turn, d.text, d.reason) for d in s.of(events.TurnDecided)]


# --- the user goes on while the agent thinks ---


def test_a_user_who_goes_on_before_the_reply_sounds_opens_the_turn_again() -> None:
    s = Script()
    s.say_turn("A table for two.")
    s.understand("At eight.")
    s.speech(0.64)
    assert s.one(effects.Hold) == effects.Hold(1)
    assert s.of(effects.DiscardReply) == []
    s.silence(0.64)
    assert s.one(effects.DiscardReply) == effects.DiscardReply(1, rollback=True)
    assert (s.one(events.TurnContinued).turn, s.one(events.Interrupted).reason) == (1, "went_on")
    assert decided(s) == [(1, "A table for two.", "words"), (1, "A table for two. At eight.", "words")]
    first, second = s.of(events.TurnDecided)
    assert first.start == second.start < first.end < second.end
    assert s.last(effects.RequestTranscript).before == "A table for two."
    assert s.last(effects.StartReply).history == ()
    assert s.conversation.history.snapshot() == (Message("user", "A table for two. At eight."),)


def test_a_user_who_goes_on_for_long_opens_the_turn_again_before_they_have_finished() -> None:
    s = Script()
    s.say_turn("A table for two.")
    s.understand("At eight, and if you have one")
    s.speech(1.28)
    assert s.one(events.TurnContinued).reason == "went_on"


@pytest.mark.parametrize("text", ["Mhm.", "Okay.", "Um."])
def test_a_short_response_before_the_reply_sounds_opens_nothing(text: str) -> None:
    s = Script()
    s.say_turn("A table for two.")
    s.understand(text)
    s.speech(0.32)
    s.silence(0.64)
    assert s.one(events.Backchannel).text == text
    assert s.of(effects.Release) == [effects.Release(1)]
    assert len(s.of(effects.StartReply)) == 1


def test_a_reply_that_fails_while_the_user_goes_on_opens_the_turn_again() -> None:
    s = Script()
    s.say_turn("A table for two.")
    s.understand("At eight.")
    s.speech(0.64)
    s.fail_reply("agent_error")
    assert s.one(events.TurnContinued).reason == "agent_error"
    s.silence(0.64)
    assert decided(s)[-1] == (1, "A table for two. At eight.", "words")
    assert s.of(effects.StartSpeech) == []


def test_a_turn_can_be_opened_again_and_again() -> None:
    s = Script()
    for words in ("One.", "Two.", "Three."):
        s.say_turn(words)
    assert decided(s)[-1] == (1, "One. Two. Three.", "words")


@pytest.mark.parametrize("outcome", ["empty", "failed", "never"])
def test_sound_without_words_before_the_reply_sounds_only_holds_it(outcome: str) -> None:
    s = Script(ConversationConfig(endpointing=Endpointing(words_timeout=1.0)))
    s.say_turn("A table for two.")
    if outcome == "empty":
        s.understand("")
    elif outcome == "failed":
        s.fail_words("timeout")
    else:
        s.lose_words()
    s.speech(0.32)
    s.silence(1.5)
    assert s.reasons(events.SpeechIgnored) == ["no_words" if outcome == "empty" else "timeout"]
    assert decided(s) == [(1, "A table for two.", "words")]
    assert [r.text for r in s.of(effects.StartReply)] == ["A table for two."]
    assert (s.of(effects.Hold), s.of(effects.Release)) == ([effects.Hold(1)], [effects.Release(1)])
    assert s.of(effects.StartSpeech) == []


def test_sound_without_words_that_goes_on_does_not_hold_the_reply() -> None:
    s = Script()
    s.say_turn("A table for two.")
    s.understand("")
    s.speech(1.28)
    assert s.one(effects.Release) == effects.Release(1)
    s.play("For two.", seconds=0.64)
    s.speech(2.0)
    assert s.one(events.AgentHeard).text == "For two."
    assert (s.of(effects.Duck), s.of(effects.Pause)) == ([], [])
    s.understand("And a high chair.")
    s.speech(2.0)
    s.silence(0.64)
    assert decided(s)[-1] == (2, "And a high chair.", "words")


def test_text_typed_while_sound_holds_the_reply_continues_the_turn() -> None:
    s = Script()
    s.say_turn("A table for two.")
    s.understand("")
    s.speech(0.32)
    s.give(inputs.TextArrived("Are you open?"))
    s.silence(0.64)
    s.play("We are.", seconds=0.64)
    s.silence(0.64)
    assert [text for _, text, _ in decided(s)] == ["A table for two.", "A table for two. Are you open?"]


def test_a_backchannel_over_a_turn_that_is_continued_in_writing_belongs_to_it() -> None:
    s = Script()
    s.say_turn("A table for two.")
    s.understand("Mhm.")
    s.speech(0.32)
    s.give(inputs.TextArrived("Are you open?"))
    s.silence(0.64)
    assert decided(s)[-1] == (1, "A table for two. Mhm. Are you open?", "words")


def test_what_is_typed_while_the_user_speaks_belongs_to_the_turn() -> None:
    s = Script()
    s.understand("Well, hello.")
    s.speech(0.32)
    s.silence(0.192)
    s.give(inputs.TextArrived("Are you open?"))
    s.speech(0.32)
    s.silence(0.64)
    assert decided(s) == [(1, "Well, hello. Are you open?", "words")]


def test_a_reply_stays_held_while_nobody_can_say_whether_there_are_words() -> None:
    s = Script()
    s.say_turn("A table for two.")
    s.fail_words()
    s.speech(3.0)
    assert (s.of(effects.Release), s.of(events.Interrupted)) == ([], [])
    s.silence(0.64)
    assert s.one(effects.Release) == effects.Release(1)


def test_a_turn_that_was_given_up_while_the_user_goes_on_is_not_decided_again() -> None:
    s = Script()
    s.say_turn("A table for two.")
    s.understand("At eight.")
    s.speech(0.32)
    s.give(inputs.InterruptRequested())
    s.silence(0.64)
    assert decided(s) == [(1, "A table for two.", "words"), (2, "At eight.", "words")]


def test_words_that_turn_out_to_be_none_leave_the_turn_as_it_was() -> None:
    s = Script()
    s.say_turn("A table for two.")
    s.understand("At eight, and", "")
    s.speech(1.28)
    assert s.one(events.TurnContinued).reason == "went_on"
    s.silence(0.64)
    assert decided(s)[-1] == (1, "A table for two.", "reopened")
    assert s.one(events.SpeechIgnored).reason == "not_understood"


# --- long utterances ---

LONG = ConversationConfig(max_utterance=4.0, max_turn=10.0, partial_every=0.0)


def test_a_long_utterance_is_cut_at_its_quietest_point_and_joined() -> None:
    s = Script(LONG)
    s.understand("One", "two", "three.")
    s.speech(2.88)
    s.speech(0.032, probability=0.4)
    quiet = s.pos
    s.speech(4.16)
    s.silence(1.5)
    first, second, last = s.of(effects.RequestTranscript)
    assert (first.start, first.end, first.may_go_on) == (0, quiet, False)
    assert (second.start, second.may_go_on) == (quiet, False)
    assert (last.start, last.may_go_on) == (second.end, True)
    assert [e.at for e in s.of(events.UtteranceCut)] == [first.end, second.end]
    assert decided(s) == [(1, "One two three.", "words")]


def test_a_part_has_more_time_than_the_last_words() -> None:
    s = Script(LONG)
    s.speech(4.096)
    ask = s.one(effects.RequestTranscript)
    assert ask.due - s.pos >= 16000


def test_a_turn_waits_for_all_its_parts() -> None:
    s = Script(LONG)
    s.understand("One", "two.")
    s.speech(4.16)
    s.silence(0.64)
    assert decided(s) == []
    s.silence(0.64)
    assert decided(s) == [(1, "One two.", "words")]


@pytest.mark.parametrize(
    ("texts", "outcome"),
    [(("", "two."), "two."), (("One", ""), "One"), (("", ""), None)],
)
def test_parts_without_words(texts: Sequence[str], outcome: str | None) -> None:
    s = Script(LONG)
    s.understand(*texts)
    s.speech(4.5)
    s.silence(1.5)
    if outcome:
        assert decided(s)[0][1] == outcome
    else:
        assert s.reasons(events.SpeechIgnored) == ["not_understood"]


def test_a_part_that_fails_leaves_the_rest() -> None:
    s = Script(LONG)
    s.fail_words("rate_limited")
    s.speech(4.1)
    s.understand("the rest.")
    s.speech(1.5)
    assert s.of(events.SpeechIgnored) == []
    s.silence(1.0)
    assert decided(s) == [(1, "the rest.", "words")]


def test_if_all_parts_fail_the_speech_is_reported_with_the_code() -> None:
    s = Script(LONG)
    s.fail_words("rate_limited")
    s.speech(4.5)
    s.silence(1.5)
    assert s.reasons(events.SpeechIgnored) == ["rate_limited"]
    assert s.one(effects.StartSpeech).text == s.conversation.config.apology


def test_speech_without_words_is_not_apologised_for() -> None:
    s = Script()
    s.understand("")
    s.speech(0.5)
    s.silence(1.0)
    assert s.reasons(events.SpeechIgnored) == ["not_understood"]
    assert s.of(effects.StartSpeech) == []


def test_words_that_never_come_do_not_take_the_others_with_them() -> None:
    s = Script(ConversationConfig(max_utterance=4.0, endpointing=Endpointing(words_timeout=3.0)))
    s.understand("The first part.")
    s.speech(4.5)
    s.lose_words()
    s.silence(3.5)
    assert decided(s) == [(1, "The first part.", "words")]
    assert s.of(events.SpeechIgnored) == []


def test_a_part_whose_words_never_come_does_not_hold_the_turn_for_ever() -> None:
    s = Script(ConversationConfig(max_utterance=4.0, endpointing=Endpointing(words_timeout=3.0)))
    s.lose_words()
    s.speech(4.16)
    s.understand("What I said last.")
    s.silence(3.0)
    assert decided(s) == []
    s.silence(0.5)
    assert decided(s) == [(1, "What I said last.", "words")]


def test_a_turn_has_an_end_even_where_the_user_has_none() -> None:
    s = Script(LONG)
    s.understand("one", "two", "three", "four", "and the rest.")
    s.speech(13.5)
    assert s.reasons(events.UtteranceCut).count("max_turn") == 1
    (turn, text, reason), *_ = decided(s)
    assert (turn, reason) == (1, "max_turn")
    assert text.startswith("one two three")
    began = s.last(events.SpeechStarted)
    assert (began.turn, began.reason) == (2, "max_turn")
    s.silence(2.0)
    assert s.last(effects.RequestTranscript).start >= began.start


def test_what_follows_a_turn_at_its_end_is_cut_at_its_quietest_point_too() -> None:
    s = Script(LONG)
    s.understand("part", after=3.0)
    s.speech(12.16)
    s.speech(2.4)
    s.speech(0.032, probability=0.4)
    quiet = s.pos
    assert decided(s) == []
    s.speech(2.4)
    assert decided(s)[0][2] == "max_turn"
    assert s.last(events.UtteranceCut).at == quiet


def test_a_turn_at_its_end_waits_for_its_parts() -> None:
    s = Script(LONG)
    s.understand("part", after=3.0)
    s.speech(12.16)
    assert s.reasons(events.UtteranceCut)[-1] == "max_turn"
    assert decided(s) == []
    s.speech(3.2)
    assert decided(s)[0][2] == "max_turn"


def test_minutes_of_noise_are_no_turn() -> None:
    s = Script(LONG)
    s.understand("")
    s.speech(13.5)
    assert s.reasons(events.SpeechIgnored) == ["no_words"]
    assert decided(s) == []
    s.understand("At last a word.")
    s.speech(0.64)
    s.silence(2.0)
    assert decided(s) == [(2, "At last a word.", "words")]


def test_silence_right_after_a_cut_needs_no_more_words() -> None:
    s = Script(ConversationConfig(max_utterance=4.0, speech=SpeechDetection(hangover=0.256)))
    s.understand("All there is.")
    s.speech(3.84)
    s.silence(0.16)
    s.understand("junk")
    s.silence(2.0)
    assert s.one(effects.RequestTranscript).may_go_on is False
    assert decided(s) == [(1, "All there is.", "words")]


def test_the_shortest_utterances_are_not_cut_to_shreds() -> None:
    s = Script(ConversationConfig(max_utterance=2.0))
    s.speech(0.32)
    s.speech(0.32, probability=0.4)
    s.speech(8.0)
    lengths = [ask.end - ask.start for ask in s.of(effects.RequestTranscript)]
    assert min(lengths) >= 15_000
    assert len(lengths) <= 9


def test_a_cut_is_made_in_the_later_half() -> None:
    u = Utterance(1, 0, 0, windows=[(i * WINDOW, 0.9) for i in range(1, 101)])
    u.windows[10] = (11 * WINDOW, 0.0)
    u.windows[70] = (71 * WINDOW, 0.3)
    assert u.quietest() == 71 * WINDOW
    u.split(71 * WINDOW, None)
    assert u.windows[0] == (72 * WINDOW, 0.9)


# --- partials ---


def test_words_are_shown_while_the_user_speaks() -> None:
    s = Script(ConversationConfig(partial_every=1.0))
    s.speech(3.2)
    asks = s.of(effects.RequestPartial)
    assert [(a.start, a.end) for a in asks] == [(0, 32 * WINDOW * i) for i in (1, 2, 3)]
    s.give(inputs.PartialArrived(asks[0].ask, "stale"))
    s.give(inputs.PartialArrived(asks[-1].ask, "I would like"))
    s.give(inputs.PartialArrived(asks[-1].ask, ""))
    assert s.one(events.PartialTranscript).text == "I would like"


def test_partials_can_be_turned_off() -> None:
    s = Script(ConversationConfig(partial_every=0.0))
    s.speech(4.0)
    assert s.of(effects.RequestPartial) == []


def test_a_partial_follows_the_words_of_the_parts_before_it() -> None:
    s = Script(ConversationConfig(max_utterance=4.0, partial_every=1.0))
    s.say_turn("Before.")
    s.understand("First part")
    s.speech(6.0)
    s.give(inputs.PartialArrived(s.last(effects.RequestPartial).ask, "and then"))
    assert s.one(events.PartialTranscript).text == "Before. First part and then"


def test_a_partial_of_a_part_that_was_cut_off_is_not_shown() -> None:
    s = Script(ConversationConfig(max_utterance=4.0, partial_every=1.0))
    s.speech(3.9)
    ask = s.last(effects.RequestPartial).ask
    s.speech(0.256)
    s.give(inputs.PartialArrived(ask, "old"))
    assert s.of(events.PartialTranscript) == []


def test_a_partial_that_comes_after_the_final_words_is_not_shown() -> None:
    s = Script(ConversationConfig(partial_every=1.0, endpointing=Endpointing(action_delay=0.9)))
    s.speech(1.5)
    s.silence(0.512)
    s.give(inputs.PartialArrived(s.last(effects.RequestPartial).ask, "old"))
    assert s.of(events.PartialTranscript) == []


# --- the button ---

MANUAL = ConversationConfig(turns="manual")


def test_only_the_button_makes_turns() -> None:
    s = Script(MANUAL)
    s.say_turn("Not heard.")
    assert s.of(events.SpeechStarted) == []
    s.give(inputs.TurnBegun())
    assert s.conversation.is_held
    s.understand("Heard")
    s.speech(0.64)
    s.silence(1.5)
    assert decided(s) == []
    s.give(inputs.TurnEnded())
    s.silence(0.32)
    ask = s.one(effects.RequestTranscript)
    assert (ask.start, ask.end) == (round(1.28 * 16000) - 4800, round(3.424 * 16000))
    assert decided(s) == [(1, "Heard", "manual")]
    assert s.one(events.TurnDecided).pos == ask.due


def test_where_only_the_button_makes_turns_a_gap_makes_none() -> None:
    s = Script(MANUAL)
    s.gap(1.0)
    assert [type(e) for e in s.log[1:]] == [events.AudioGap]


def test_the_button_shows_in_the_users_state() -> None:
    s = Script(MANUAL)
    s.give(inputs.TurnBegun())
    assert s.conversation.user.state == "speaking"
    s.give(inputs.TurnEnded())
    assert s.conversation.user.state == "silent"
    assert s.reasons(events.UserChanged) == ["manual", "manual"]


def test_the_button_goes_down_once_and_up_once() -> None:
    s = Script(MANUAL)
    with pytest.raises(InvalidStateError, match="No turn has begun"):
        s.give(inputs.TurnEnded())
    s.give(inputs.TurnBegun())
    with pytest.raises(InvalidStateError, match="has begun already"):
        s.give(inputs.TurnBegun())
    s.give(inputs.TurnEnded())
    with pytest.raises(InvalidStateError, match="No turn has begun"):
        s.give(inputs.TurnEnded())


def test_the_button_interrupts_the_agent() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.play("Let me tell you.", seconds=5.0)
    s.silence(0.32)
    s.give(inputs.TurnBegun())
    assert s.one(events.Interrupted).reason == "manual"
    s.understand("Yeah")
    s.speech(0.64)
    s.give(inputs.TurnEnded())
    s.silence(0.32)
    assert decided(s)[-1] == (2, "Yeah", "manual")


def test_the_button_does_not_interrupt_what_cannot_be_interrupted() -> None:
    s = Script()
    s.give(inputs.SayRequested("This call is recorded.", interruptible=False))
    s.play("This call is recorded.", seconds=3.0)
    s.give(inputs.TurnBegun())
    s.understand("Okay")
    s.speech(0.64)
    s.give(inputs.TurnEnded())
    s.silence(0.64)
    assert decided(s) == []
    s.silence(2.0)
    assert decided(s) == [(1, "Okay", "manual")]
    assert not s.one(events.AgentHeard).interrupted


def test_the_button_opens_a_turn_again_that_has_not_been_answered_yet() -> None:
    s = Script()
    s.say_turn("A table for two.")
    s.give(inputs.TurnBegun())
    s.understand("At eight.")
    s.speech(0.64)
    s.give(inputs.TurnEnded())
    s.silence(0.32)
    assert decided(s)[-1] == (1, "A table for two. At eight.", "manual")


def test_the_button_takes_over_from_speech_that_is_going_on() -> None:
    s = Script()
    s.understand("All in one.")
    s.speech(0.64)
    s.give(inputs.TurnBegun())
    s.silence(1.5)
    s.give(inputs.TurnEnded())
    s.silence(0.32)
    assert s.one(effects.RequestTranscript).start == 0
    assert decided(s) == [(1, "All in one.", "manual")]


def test_a_button_held_down_for_long_cuts_the_utterance_and_decides_nothing() -> None:
    s = Script(LONG)
    s.understand("part")
    s.give(inputs.TurnBegun())
    s.speech(14.0)
    parts = s.of(effects.RequestTranscript)
    assert len(parts) >= 3
    assert all(ask.end - ask.start <= 4.1 * 16000 for ask in parts)
    assert decided(s) == []
    s.give(inputs.TurnEnded())
    s.silence(1.5)
    assert decided(s)[0][2] == "manual"
    assert decided(s)[0][1].split() == ["part"] * (len(parts) + 1)


@pytest.mark.parametrize("gaps", [[30.0], [30.0, 30.0], [1.0] * 30, [0.1, 30.0]])
def test_parts_stay_short_however_long_the_gap_while_the_button_is_down(gaps: Sequence[float]) -> None:
    s = Script(LONG)
    s.understand("before", *["gap"] * 20)
    s.give(inputs.TurnBegun())
    s.speech(1.024)
    for seconds in gaps:
        s.gap(seconds)
    s.understand("after")
    s.speech(1.024)
    s.give(inputs.TurnEnded())
    s.silence(2.0)
    assert max(ask.end - ask.start for ask in s.of(effects.RequestTranscript)) <= 4.1 * 16000
    (_, text, reason), *_ = decided(s)
    assert (text.split()[0], text.split()[-1], reason) == ("before", "after", "manual")


def test_a_press_of_no_length_is_no_turn() -> None:
    s = Script(MANUAL)
    s.give(inputs.TurnBegun())
    s.give(inputs.TurnEnded())
    s.silence(0.64)
    assert s.reasons(events.SpeechIgnored) == ["no_words"]


def test_speech_after_the_button_goes_on_with_the_turn() -> None:
    s = Script()
    s.understand("The button and more.")
    s.give(inputs.TurnBegun())
    s.speech(0.64)
    s.give(inputs.TurnEnded())
    s.speech(0.64)
    s.silence(0.64)
    assert decided(s) == [(1, "The button and more.", "words")]


def test_the_button_with_no_words_leaves_the_reply_alone() -> None:
    s = Script()
    s.say_turn("A table for two.")
    s.give(inputs.TurnBegun())
    s.understand("")
    s.silence(0.64)
    s.give(inputs.TurnEnded())
    s.silence(0.64)
    assert decided(s) == [(1, "A table for two.", "words")]
    assert s.one(effects.Release) == effects.Release(1)


# --- the keyboard ---


def test_typed_text_is_a_turn_at_once() -> None:
    s = Script()
    s.give(inputs.TextArrived("Hello."))
    assert decided(s) == [(1, "Hello.", "text")]
    assert s.one(effects.StartReply).text == "Hello."


def test_blank_text_is_nothing() -> None:
    assert Script().give(inputs.TextArrived(" \n")) == []


def test_text_typed_while_the_agent_thinks_joins_the_turn_once_no_more_follows() -> None:
    s = Script()
    for text in ("Hello.", "Are you open?", "On Monday?"):
        s.give(inputs.TextArrived(text))
    assert [text for _, text, _ in decided(s)] == ["Hello."]
    assert s.one(events.TurnContinued) == events.TurnContinued(0, 0.0, 1, "text")
    assert s.one(effects.DiscardReply).rollback
    s.silence(0.48)
    assert len(s.of(effects.StartReply)) == 1
    s.silence(0.064)
    assert [text for _, text, _ in decided(s)] == ["Hello.", "Hello. Are you open? On Monday?"]
    assert s.conversation.history.snapshot() == (Message("user", "Hello. Are you open? On Monday?"),)


def test_texts_that_come_faster_than_they_are_answered_are_answered_together() -> None:
    s = Script()
    s.give(inputs.TextArrived("One."))
    s.play("First.", seconds=2.0)
    for text in ("Two.", "Three."):
        s.silence(0.16)
        s.give(inputs.TextArrived(text))
    s.silence(1.0)
    assert [text for _, text, _ in decided(s)] == ["One.", "Two. Three."]


def test_the_keys_of_one_number_are_one_turn() -> None:
    s = Script()
    for key in "5105105105105100":
        s.give(inputs.TextArrived(key))
        s.silence(0.512)
    assert decided(s) == []
    s.silence(0.64)
    assert decided(s) == [(1, "5105105105105100", "text")]


def test_the_hash_key_ends_a_number() -> None:
    s = Script()
    for key in "48#":
        s.give(inputs.TextArrived(key))
    s.silence(0.032)
    assert decided(s) == [(1, "48#", "text")]


def test_what_may_wait_in_writing_is_bounded() -> None:
    s = Script()
    s.speech(0.64)
    s.give(inputs.TextArrived("x" * 20_000))
    with pytest.raises(InvalidStateError, match="8000 typed characters wait"):
        s.give(inputs.TextArrived("y" * 8000))


def test_text_typed_while_the_agent_speaks_interrupts_it() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.play("Let me tell you a story.", seconds=5.0)
    s.silence(0.64)
    s.give(inputs.TextArrived("Later."))
    assert s.reasons(events.Interrupted) == ["text"]
    assert decided(s)[-1] == (2, "Later.", "text")
    heard = s.log.index(s.one(events.AgentHeard))
    assert heard < s.log.index(s.last(effects.StartReply))


def test_texts_typed_over_speech_that_cannot_be_interrupted_wait_and_are_one_turn() -> None:
    s = Script()
    s.give(inputs.SayRequested("This call is recorded.", interruptible=False))
    s.play("This call is recorded.", seconds=1.0)
    for i in range(MAX_TYPED):
        s.give(inputs.TextArrived(f"t{i}"))
    with pytest.raises(InvalidStateError, match="8 typed turns wait"):
        s.give(inputs.TextArrived("one too many"))
    s.silence(1.5)
    assert decided(s) == [(1, "t0 t1 t2 t3 t4 t5 t6 t7", "text")]


def test_text_typed_over_sound_without_words_is_answered() -> None:
    s = Script()
    s.understand("")
    s.speech(0.64)
    s.give(inputs.TextArrived("Typed."))
    s.speech(0.64)
    assert decided(s) == [(2, "Typed.", "text")]
    s.silence(0.96)
    assert decided(s) == [(2, "Typed.", "text")]


def test_text_typed_before_a_say_has_sounded_comes_after_it() -> None:
    s = Script()
    s.give(inputs.SayRequested("Anything else?", id=4))
    s.give(inputs.TextArrived("Yes."))
    assert s.reasons(events.Interrupted) == ["text"]
    assert s.of(events.TurnContinued) == []
    assert s.one(effects.StartReply).says == (inputs.SayRequested("Anything else?", id=4),)
