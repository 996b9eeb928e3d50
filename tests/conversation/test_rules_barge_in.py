from __future__ import annotations

import pytest

from duologue.audio.format import RATE, WINDOW
from duologue.conversation import effects, events, inputs
from duologue.conversation.barge_in import BargeInWatch
from duologue.conversation.config import BargeIn, ConversationConfig
from duologue.conversation.state import AgentState
from duologue.testing.conversation import Script

ANSWER = "Well, that is a long story, and it begins in the spring."
QUESTION = "Shall I book it?"


def watch(*windows: tuple[float, str]) -> list[str]:
    rules = BargeIn(pause_after=0.096, confirm_after=0.256, resume_after=0.128, unduck_after=0.064, doubt_after=0.128)
    w = BargeInWatch(ConversationConfig(barge_in=rules))
    return [w.window(WINDOW, probability, 0.0, state) for probability, state in windows]


def test_the_watch_ducks_at_onset_pauses_on_speech_and_then_confirms() -> None:
    speech = [(True, "speaking")] + [(True, "ducked")] * 2 + [(True, "paused")] * 5
    assert watch(*speech) == ["duck", "", "pause", "", "", "", "", "confirm"]


def test_the_watch_gives_the_floor_back() -> None:
    assert watch((True, "speaking"), (False, "ducked"), (False, "ducked")) == ["duck", "", "unduck"]
    quiet = [(False, "paused")] * 4
    assert watch((True, "ducked"), *quiet) == ["", "", "", "", "resume"]
    assert watch(*[(False, "speaking")] * 50) == [""] * 50


def test_speech_counts_across_short_pauses_and_not_across_long_ones() -> None:
    short = [(True, "paused")] * 4 + [(False, "paused")] * 3 + [(True, "paused")] * 4
    assert watch(*short)[-1] == "confirm"
    long = [(True, "paused")] * 4 + [(False, "paused")] * 4 + [(True, "paused")] * 4
    assert watch(*long)[-1] == ""


def test_windows_in_doubt_count_half_beside_one_that_is_speech() -> None:
    assert watch((1, "speaking"), (0.3, "ducked"), (0.3, "ducked"), (0.3, "ducked")) == ["duck", "", "", ""]
    assert watch((1, "speaking"), *[(0.3, "ducked")] * 4)[-1] == "pause"
    assert watch((0.3, "speaking"), (1, "speaking"), (0.3, "ducked"), (1, "ducked")) == ["", "duck", "", "pause"]


def test_doubt_before_speech_counts_as_one_window_at_most() -> None:
    three = [(0.3, "speaking")] * 3
    assert watch(*three) == [""] * 3
    assert watch(*three, (1, "speaking"), (1, "ducked")) == ["", "", "", "duck", "pause"]


def test_a_beginning_that_stays_in_doubt_is_speech() -> None:
    three, dip = [(0.3, "speaking")] * 3, (0.1, "speaking")
    assert watch(*three, (0.3, "speaking"), *[(0.3, "ducked")] * 3) == ["", "", "", "duck", "", "", "pause"]
    assert watch(*three, dip, *three) == [""] * 7


def test_doubt_that_goes_on_is_no_beginning() -> None:
    hum = [(0.3, "speaking")] * 4 + [(0.3, "paused")] * 4 + [(0.3, "speaking")] * 50
    assert [step for step in watch(*hum) if step] == ["duck", "resume"]


def test_doubt_keeps_nobody_paused() -> None:
    assert watch(*[(0.3, "paused")] * 4) == ["", "", "", "resume"]
    assert watch(*[(1, "paused"), (0.3, "paused")] * 8)[-2:] == ["confirm", ""]


def test_an_echo_is_not_in_doubt() -> None:
    w = BargeInWatch(ConversationConfig())
    assert [w.window(WINDOW, 0.4, 0.2, "speaking") for _ in range(8)] == [""] * 8
    assert [w.window(WINDOW, 0.6, 0.2, state) for state in ("speaking", "ducked")] == ["duck", "pause"]


def test_speech_that_may_well_be_an_echo_in_part_counts_three_quarters() -> None:
    w = BargeInWatch(ConversationConfig())
    assert [w.window(WINDOW, p, e, "speaking") for p, e in ((0.6, 0.4), (0.4, 0.0), (0.6, 0.4))] == [
        "duck",
        "duck",
        "pause",
    ]
    w = BargeInWatch(ConversationConfig())
    assert [w.window(WINDOW, p, e, "speaking") for p, e in ((0.6, 0.29), (0.4, 0.0))] == ["duck", "pause"]


def test_what_was_in_doubt_is_forgotten_after_a_silence() -> None:
    twice = [(0.3, "speaking")] * 2
    assert watch(*twice, (0, "speaking"), (1, "speaking"), (1, "ducked"))[-1] == "pause"
    assert watch(*twice, *[(0, "speaking")] * 2, (1, "speaking"), (1, "ducked"))[-1] == ""


# --- in a conversation ---


def speaking(*clauses: str, config: ConversationConfig | None = None) -> Script:
    """The agent is half a second into a long answer."""
    s = Script(config)
    s.say_turn("Hello.")
    s.play(*(clauses or (ANSWER,)), seconds=10.0)
    s.silence(0.512)
    s.log.clear()
    return s


def test_missing_audio_counts_as_silence_of_the_user() -> None:
    s = speaking()
    s.speech(0.032)
    s.gap(0.096)
    assert s.last(events.AgentChanged).state is AgentState.DUCKED
    s.gap(0.096)
    assert s.last(events.AgentChanged).state is AgentState.SPEAKING
    assert s.one(effects.Unduck)


def test_the_agent_ducks_at_the_first_window_and_pauses_at_the_second() -> None:
    s = speaking()
    onset = s.pos
    s.speech(0.128)
    assert s.log[0] == events.AgentChanged(onset + WINDOW, (onset + WINDOW) / 16000, "speaking", "ducked", "onset")  # type: ignore[arg-type]
    assert s.log[1] == effects.Duck(1)
    assert s.log.index(effects.Pause(1)) > s.log.index(effects.Duck(1))
    assert s.last(events.AgentChanged).pos == onset + 2 * WINDOW
    assert s.conversation.agent.state == "paused"


@pytest.mark.parametrize(("probabilities", "ducked", "paused"), [
    ([0.6, 0.6], 1, 2), ([0.3, 0.6, 0.3], 2, 2), ([0.3, 0.3, 0.6], 2, 3), ([0.9, 0.2, 0.2], 1, 2),
    ([0.19, 0.3, 0.05, 0.9, 0.3], 4, 4), ([0.45, 0.1, 0.45], 0, 0), ([0.45] * 30, 2, 3), ([0.9, 0.19, 0.3, 0.19], 1, 3),
    ([0.9, 0.19, 0.19, 0.19], 1, 0),
])  # fmt: skip
def test_a_beginning_in_doubt_pauses_the_agent_all_the_same(
    probabilities: list[float], ducked: int, paused: int
) -> None:
    s = speaking()
    onset = s.pos
    for probability in probabilities:
        s.speech(WINDOW / RATE, probability)
    at = {e.state: (e.pos - onset) // WINDOW for e in s.of(events.AgentChanged)}
    assert (at.get(AgentState.DUCKED, 0), at.get(AgentState.PAUSED, 0)) == (ducked, paused)


def test_a_blip_ducks_and_is_over() -> None:
    s = speaking()
    s.speech(0.032)
    s.silence(0.64)
    assert [type(e) for e in s.log if isinstance(e, effects.Duck | effects.Unduck | effects.Pause)] == [
        effects.Duck,
        effects.Unduck,
    ]
    assert s.reasons(events.FalseInterruption) == ["too_short"]
    assert s.of(events.SpeechStarted) == []
    assert s.conversation.agent.state == "speaking"


def test_words_of_speech_that_lasts_interrupt_before_it_is_over() -> None:
    s = speaking()
    s.understand("Never mind that.")
    onset = s.pos
    s.speech(1.28)
    ask, interrupted, heard = s.one(effects.RequestTranscript), s.one(events.Interrupted), s.one(events.AgentHeard)
    assert (ask.end, ask.may_go_on) == (onset + 32 * WINDOW, False)
    assert (interrupted.pos, interrupted.reason) == (ask.due, "words")
    assert s.one(effects.DiscardReply) == effects.DiscardReply(1, rollback=False)
    assert (heard.interrupted, heard.turn) == (True, 1)
    assert s.conversation.agent.state == "idle"
    s.silence(0.64)
    assert s.one(events.TurnDecided).text == "Never mind that."
    assert s.last(effects.StartReply).generation == s.conversation.generation > 1


@pytest.mark.parametrize("seconds", [1.1, 4.0, 8.0])
def test_sound_without_words_costs_a_pause_and_not_the_reply(seconds: float) -> None:
    s = speaking()
    s.understand("")
    s.speech(seconds)
    assert s.conversation.agent.state == "speaking"
    assert (len(s.of(effects.Pause)), len(s.of(effects.Resume))) == (1, 1)
    assert s.one(events.FalseInterruption).reason == "no_words"
    s.silence(0.64)
    assert s.of(events.Interrupted) == []
    assert s.one(events.SpeechIgnored).reason == "no_words"
    s.silence(10.0)
    assert s.one(events.AgentHeard).text == ANSWER


def test_words_that_follow_sound_without_words_interrupt() -> None:
    s = speaking()
    s.understand("")
    s.speech(2.0)
    s.understand("Wait a moment")
    s.speech(1.5)
    assert s.one(events.Interrupted).reason == "words"
    first, second = s.of(effects.RequestTranscript)
    assert second.start == first.end - round(0.3 * 16000)


@pytest.mark.parametrize("text", ["Okay, yeah, right.", "Yeah, okay, sure, I see.", "Ha ha ha."])
def test_a_long_backchannel_pauses_the_agent_and_no_more(text: str) -> None:
    s = speaking()
    s.understand(text)
    s.speech(1.6)
    assert s.conversation.agent.state == "paused"
    s.silence(0.32)
    assert s.conversation.agent.state == "speaking"
    assert s.one(events.Backchannel).text == text
    assert s.of(events.Interrupted) == []


@pytest.mark.parametrize("how", ["fail", "lose"])
def test_long_speech_whose_words_cannot_be_had_interrupts(how: str) -> None:
    s = speaking()
    s.fail_words() if how == "fail" else s.lose_words()
    onset = s.pos
    s.speech(4.0)
    assert s.one(events.Interrupted).reason == "duration"
    waited = (s.one(events.Interrupted).pos - onset) / 16000
    assert waited == pytest.approx(1.024 if how == "fail" else 3.04, abs=0.1)


def test_words_interrupt_as_soon_as_they_are_understood() -> None:
    s = speaking()
    s.understand("Stop.")
    s.speech(0.32)
    s.silence(0.64)
    assert s.one(events.Interrupted).reason == "words"
    assert s.one(events.Interrupted).pos == s.last(effects.RequestTranscript).due
    assert s.one(events.TurnDecided).text == "Stop."


def test_while_paused_nothing_is_heard() -> None:
    s = speaking()
    s.speech(0.64)
    s.understand("Stop.")
    s.silence(0.64)
    audible = 0.512 + 2 * 0.032
    assert s.one(events.AgentHeard).text == ""
    assert s.inputs[-1][0] != inputs.PlayoutFinished(1, audible, estimated=False)
    finished = [i for i, _ in s.inputs if isinstance(i, inputs.PlayoutFinished)]
    assert finished[0].played == pytest.approx(audible, abs=0.033)


def test_a_backchannel_lets_the_agent_go_on_where_it_stopped() -> None:
    s = speaking()
    s.understand("Uh-huh.")
    s.speech(0.32)
    s.silence(0.64)
    assert s.one(events.Backchannel).text == "Uh-huh."
    assert s.one(effects.Resume).generation == 1
    assert s.of(events.Interrupted) == []
    assert s.of(events.TurnDecided) == []
    assert s.of(events.FalseInterruption) == []
    s.silence(10.0)
    assert not s.one(events.AgentHeard).interrupted


def test_assent_is_an_answer_where_a_question_was_asked() -> None:
    s = asking(1.7)
    s.understand("Yeah.")
    s.speech(0.32)
    s.silence(0.64)
    assert s.of(events.Backchannel) == []
    assert s.one(events.Interrupted).reason == "words"
    assert s.one(events.TurnDecided).text == "Yeah."


def test_assent_to_a_question_that_may_not_be_interrupted_is_an_answer() -> None:
    s = asking(1.6, ConversationConfig(barge_in=BargeIn(enabled=False)))
    s.understand("Yeah.")
    s.speech(0.32)
    s.silence(0.64)
    assert (s.of(events.Backchannel), s.of(events.Interrupted)) == ([], [])
    s.silence(1.0)
    assert s.one(events.TurnDecided).text == "Yeah."


def asking(heard: float, config: ConversationConfig | None = None) -> Script:
    """The agent's question ends after 2 s, of which the user has heard so many."""
    s = Script(config)
    s.say_turn("Hello.")
    s.play(ANSWER, QUESTION, seconds=1.0)
    s.silence(heard)
    s.log.clear()
    return s


def test_assent_that_began_before_the_question_could_be_understood_is_no_answer() -> None:
    s = asking(1.5)
    s.understand("Yeah.")
    s.speech(0.32)
    s.silence(0.64)
    assert s.one(events.Backchannel).text == "Yeah."


def test_assent_to_what_came_before_a_question_is_no_answer_to_it() -> None:
    s = asking(1.3)
    s.understand("Yeah.")
    s.speech(0.32)
    s.silence(0.64)
    assert s.one(events.Backchannel).text == "Yeah."


def test_assent_after_a_pause_counts_what_sounded_and_not_the_pause() -> None:
    s = asking(0.5)
    for text in ("Uh-huh.", "Yeah."):
        s.understand(text)
        s.speech(0.32)
        s.silence(0.64)
    assert [b.text for b in s.of(events.Backchannel)] == ["Uh-huh.", "Yeah."]


def test_assent_is_a_backchannel_where_none_was_asked() -> None:
    s = speaking(ANSWER)
    s.understand("Yeah.")
    s.speech(0.32)
    s.silence(0.64)
    assert s.one(events.Backchannel).text == "Yeah."


def test_speech_without_words_was_no_interruption() -> None:
    s = speaking()
    s.understand("")
    s.speech(0.32)
    s.silence(0.64)
    assert s.reasons(events.SpeechIgnored) == ["no_words"]
    assert s.reasons(events.FalseInterruption) == ["no_words"]
    assert s.one(effects.Resume).generation == 1


def test_words_that_fail_let_the_agent_go_on() -> None:
    s = speaking()
    s.fail_words("timeout")
    s.speech(0.32)
    s.silence(0.64)
    assert s.reasons(events.FalseInterruption) == ["timeout"]
    assert s.conversation.agent.state == "speaking"


def test_silence_lets_the_agent_go_on_while_words_are_awaited_and_words_still_interrupt() -> None:
    s = speaking()
    s.understand("Hold on a second.", after=2.0)
    s.speech(0.32)
    s.silence(1.5)
    assert s.reasons(events.FalseInterruption) == ["silence"]
    assert s.conversation.agent.state == "speaking"
    s.silence(1.5)
    assert s.reasons(events.Interrupted) == ["words"]


def test_noise_in_bursts_too_short_for_speech_pauses_but_does_not_interrupt() -> None:
    s = speaking()
    for _ in range(60):
        s.speech(0.032)
        s.silence(0.032)
    assert s.of(events.SpeechStarted) == []
    assert s.of(events.Interrupted) == []
    s.silence(1.5)
    assert s.conversation.agent.state == "speaking"


def test_what_the_detector_remembers_of_an_echo_is_not_the_users() -> None:
    s = speaking()
    s.speech(0.32, 0.9, echo_ratio=0.9)
    for probability in (0.8, 0.7, 0.62, 0.55, 0.49, 0.4, 0.3, 0.2):
        s.speech(0.032, probability)
    assert s.log == []
    s.speech(0.064, 0.8)
    assert s.conversation.agent.state == "paused"


@pytest.mark.parametrize("probability", [0.85, 0.95])
def test_a_user_who_begins_at_the_end_of_an_echo_is_heard_at_once(probability: float) -> None:
    s = speaking()
    s.speech(0.32, 0.9, echo_ratio=0.9)
    s.speech(0.064, probability)
    assert s.conversation.agent.state == "paused"


def test_sound_that_our_own_playout_explains_is_not_the_users() -> None:
    s = speaking()
    s.speech(3.0, echo_ratio=0.6)
    assert s.log == []
    s.speech(0.32, echo_ratio=0.4)
    assert s.conversation.agent.state == "paused"


def test_barge_in_can_be_turned_off_and_what_was_said_is_answered_afterwards() -> None:
    s = speaking(config=ConversationConfig(barge_in=BargeIn(enabled=False)))
    s.understand("Stop.")
    s.speech(1.5)
    s.silence(3.0)
    assert s.of(effects.Duck) == s.of(events.Interrupted) == s.of(events.TurnDecided) == []  # type: ignore[comparison-overlap]
    s.silence(6.0)
    assert s.one(events.TurnDecided).text == "Stop."
    assert not s.one(events.AgentHeard).interrupted


def greeted(*, interruptible: bool) -> Script:
    s = Script(ConversationConfig(greeting="Welcome to our long greeting.", greeting_interruptible=interruptible))
    s.play("Welcome to our long greeting.", seconds=4.0)
    return s


def test_uninterruptible_speech_holds_the_decision_and_nothing_is_lost() -> None:
    s = greeted(interruptible=False)
    s.understand("Hello?", "Is anyone there?")
    s.speech(0.64)
    s.silence(0.32)
    s.speech(0.64)
    s.silence(1.28)
    assert s.of(effects.Duck) == []
    assert s.of(events.TurnDecided) == []
    s.silence(2.0)
    assert s.one(events.TurnDecided).text == "Hello? Is anyone there?"
    assert s.one(events.AgentHeard).text == "Welcome to our long greeting."
    assert not s.one(events.AgentHeard).interrupted


def test_what_was_said_far_apart_over_uninterruptible_speech_is_understood_apart_and_joined() -> None:
    s = greeted(interruptible=False)
    s.understand("Hello?", "Is anyone there?")
    s.speech(0.64)
    s.silence(1.92)
    assert s.conversation.needs_from == s.pos - 4800 - 8000
    s.speech(0.64)
    s.silence(2.0)
    first, second = s.of(effects.RequestTranscript)
    assert second.start == round(2.56 * 16000) - 1600 > first.end
    assert s.one(events.TurnDecided).text == "Hello? Is anyone there?"


def test_words_still_on_order_when_the_user_goes_on_much_later_are_joined_too() -> None:
    s = greeted(interruptible=False)
    s.understand("Hello?", after=2.5)
    s.speech(0.32)
    s.silence(1.92)
    s.understand("Is anyone there?")
    s.speech(0.64)
    s.silence(3.0)
    assert s.one(events.TurnDecided).text == "Hello? Is anyone there?"
    assert s.of(effects.DropAsk) == []


def test_a_backchannel_over_uninterruptible_speech_makes_no_turn() -> None:
    s = greeted(interruptible=False)
    s.understand("Okay.")
    s.speech(0.32)
    s.silence(5.0)
    assert s.one(events.Backchannel).text == "Okay."
    assert s.of(events.TurnDecided) == []


def test_an_interruptible_greeting_gives_way() -> None:
    s = greeted(interruptible=True)
    s.understand("A table, please.")
    s.speech(0.32)
    s.silence(0.64)
    assert s.one(events.Interrupted).reason == "words"
    assert s.one(events.AgentHeard).turn == 0
    assert s.one(events.TurnDecided).text == "A table, please."


def test_an_agent_that_was_interrupted_in_mid_speech_is_interrupted_once() -> None:
    s = speaking()
    s.understand("Stop.")
    s.speech(1.5)
    s.silence(0.64)
    assert s.reasons(events.Interrupted) == ["words"]
    assert len(s.of(events.AgentHeard)) == 1


def test_each_reply_is_watched_afresh() -> None:
    s = speaking()
    s.speech(1.28)
    s.understand("Go on, then.")
    s.silence(0.64)
    s.play(ANSWER, seconds=10.0)
    s.log.clear()
    s.speech(0.064)
    assert s.of(effects.Duck) == [effects.Duck(s.on_order)]
    assert s.of(events.Interrupted) == []


def test_bursts_of_sound_whose_words_never_come_pause_the_agent_only_for_so_long() -> None:
    s = speaking()
    s.lose_words()
    s.speech(0.512)
    s.silence(0.128)
    for _ in range(60):
        s.speech(0.032)
        s.silence(0.032)
    assert s.one(events.Interrupted).reason == "duration"


def test_a_blip_after_another_is_watched_afresh() -> None:
    s = speaking()
    s.understand("")
    s.speech(0.032)
    s.silence(0.32)
    s.speech(0.032)
    s.silence(0.32)
    assert len(s.of(effects.Duck)) == len(s.of(effects.Unduck)) == 2
