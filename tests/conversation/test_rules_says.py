"""What is to be said is said, or an event tells why not."""

from __future__ import annotations

import pytest

from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig
from duologue.conversation.history import Message, Segment
from duologue.errors import InvalidStateError
from duologue.testing.conversation import Script


def ended(s: Script) -> list[tuple[int, str, str]]:
    return [(e.say, e.heard, e.reason) for e in s.of(events.SayEnded)]


def test_a_say_that_was_heard_is_reported() -> None:
    s = Script()
    s.give(inputs.SayRequested("One moment.", id=7))
    s.play("One moment.", seconds=0.64)
    s.silence(0.64)
    assert ended(s) == [(7, "One moment.", "finished")]


@pytest.mark.parametrize("greeting", [True, False])
def test_noise_before_it_sounds_holds_a_say_and_does_not_cost_it(greeting: bool) -> None:
    s = Script(ConversationConfig(greeting="Welcome." if greeting else ""))
    if not greeting:
        s.give(inputs.SayRequested("Welcome.", id=1))
    s.understand("")
    s.speech(0.16)
    assert s.one(effects.Hold) == effects.Hold(1)
    s.silence(0.64)
    assert s.one(effects.Release) == effects.Release(1)
    s.play("Welcome.", seconds=0.64)
    s.silence(0.64)
    assert ended(s) == [(0 if greeting else 1, "Welcome.", "finished")]


def test_a_user_who_speaks_before_the_greeting_sounds_hears_it_with_the_answer() -> None:
    s = Script(ConversationConfig(greeting="This call is recorded."))
    s.say_turn("A table for two.")
    assert s.one(effects.DiscardReply) == effects.DiscardReply(1, rollback=True)
    start = s.one(effects.StartReply)
    assert [say.text for say in start.says] == ["This call is recorded."]
    s.give(inputs.SpeechQueued(start.generation, Segment("This call is recorded.", 0.0, 1.0, say=0)))
    s.play("For when?", seconds=1.0)
    s.playing.seconds = 2.0  # type: ignore[union-attr]
    s.silence(2.1)
    assert ended(s) == [(0, "This call is recorded.", "finished")]
    assert [m.text for m in s.conversation.history.snapshot()] == [
        "A table for two.",
        "This call is recorded.",
        "For when?",
    ]
    assert s.one(events.AgentHeard).text == "This call is recorded. For when?"


def test_a_say_that_was_in_a_reply_that_came_too_soon_waits_for_the_next() -> None:
    s = Script()
    s.speech(0.32)
    s.give(inputs.SayRequested("Your time is nearly up.", id=3))
    s.silence(0.64)
    s.understand("And one more thing.")
    s.speech(0.64)
    s.silence(0.64)
    first, second = s.of(effects.StartReply)
    assert first.says == second.says == (inputs.SayRequested("Your time is nearly up.", id=3),)
    assert ended(s) == []


def test_a_say_in_a_reply_that_fails_before_it_sounds_is_said_after_the_apology() -> None:
    s = Script()
    s.speech(0.32)
    s.give(inputs.SayRequested("Your time is nearly up.", id=3))
    s.silence(0.64)
    s.fail_reply("agent_error")
    s.play("Sorry.", seconds=0.64)
    s.silence(0.64)
    assert [e.text for e in s.of(effects.StartSpeech)] == [s.conversation.config.apology, "Your time is nearly up."]


def test_a_say_is_not_held_up_by_sound_without_words() -> None:
    s = Script()
    s.understand("")
    s.speech(0.64)
    s.give(inputs.SayRequested("Are you still there?", id=1))
    assert s.of(effects.StartSpeech) == []
    s.speech(0.64)
    assert s.one(effects.StartSpeech).text == "Are you still there?"
    s.play("Are you still there?", seconds=0.64)
    s.speech(1.0)
    assert ended(s) == [(1, "Are you still there?", "finished")]


@pytest.mark.parametrize("input_", [inputs.InterruptRequested(), inputs.ClearRequested()])
def test_what_the_application_gives_up_is_reported(input_: inputs.Input) -> None:
    s = Script()
    for i in (1, 2):
        s.give(inputs.SayRequested(f"Text {i}.", id=i))
    s.give(input_)
    assert ended(s) == [(1, "", "request"), (2, "", "request")]
    assert s.of(effects.StartSpeech)[1:] == []


def test_what_waited_inside_a_reply_is_given_up_with_it() -> None:
    s = Script()
    s.speech(0.32)
    s.give(inputs.SayRequested("Your time is nearly up.", id=3))
    s.silence(0.64)
    s.give(inputs.InterruptRequested())
    assert ended(s) == [(3, "", "request")]


def test_a_call_that_ends_reports_what_was_not_said() -> None:
    s = Script()
    for i in (1, 2):
        s.give(inputs.SayRequested(f"Text {i}.", id=i))
    s.play("Text 1.", seconds=1.0)
    s.silence(0.32)
    s.give(inputs.EndRequested("client_gone"))
    assert sorted(ended(s)) == [(1, "", "interrupted"), (2, "", "end")]


def test_a_say_whose_voice_fails_is_reported() -> None:
    s = Script()
    s.give(inputs.SayRequested("One.", id=1))
    s.fail_reply("provider_error")
    s.give(inputs.SayRequested("Two. Three.", id=2))
    s.play("Two.", seconds=0.64)
    s.fail_reply("provider_error")
    s.silence(0.64)
    assert ended(s) == [(1, "", "provider_error"), (2, "Two.", "provider_error")]
    assert s.of(effects.StartSpeech)[2:] == [], "no apology: nobody waits for an answer"


# --- what the agent says while it answers ---


def answering(*, speculates: bool = False) -> Script:
    s = Script(speculates=speculates)
    s.say_turn("Hello.")
    s.give(inputs.SayRequested("Let me look.", id=5, within=s.on_order))
    s.give(inputs.SpeechQueued(s.on_order, Segment("Let me look.", 0.0, 1.0, say=5)))
    return s


@pytest.mark.parametrize("speculates", [True, False])
def test_a_say_inside_a_reply_is_a_message_of_its_own(speculates: bool) -> None:
    s = answering(speculates=speculates)
    s.play("It is free.", seconds=1.0)
    s.playing.seconds = 2.0  # type: ignore[union-attr]
    s.silence(1.0)
    assert ended(s) == []
    s.give(inputs.SpeechPlayed(s.on_order, 5, 1.0))
    assert ended(s) == [(5, "Let me look.", "finished")]
    s.silence(1.1)
    assert [m.text for m in s.conversation.history.snapshot()] == ["Hello.", "Let me look.", "It is free."]
    assert ended(s) == [(5, "Let me look.", "finished")]


def test_a_say_inside_a_reply_that_is_cut_off() -> None:
    s = answering()
    s.give(inputs.PlayoutStarted(s.on_order))
    s.give(inputs.SayRequested("Still looking.", id=6, within=s.on_order))
    s.give(inputs.InterruptRequested())
    s.give(inputs.PlayoutFinished(s.on_order, 0.5))
    assert ended(s) == [(5, "", "interrupted"), (6, "", "interrupted")]


def test_a_say_inside_a_reply_that_is_over_is_not_said() -> None:
    s = answering()
    s.give(inputs.InterruptRequested())
    s.give(inputs.SayRequested("Too late.", id=6, within=s.on_order))
    assert ended(s)[-1] == (6, "", "interrupted")


def test_only_so_much_may_wait_inside_a_reply() -> None:
    s = answering()
    for i in range(s.conversation.config.max_queued_says):
        s.give(inputs.SayRequested("Still looking.", id=6 + i, within=s.on_order))
    with pytest.raises(InvalidStateError, match="8 texts wait"):
        s.give(inputs.SayRequested("One too many.", id=99, within=s.on_order))


def test_a_say_without_sound_inside_a_reply_is_over_at_once() -> None:
    s = answering()
    s.give(inputs.PlayoutStarted(s.on_order))
    s.give(inputs.SayRequested("...", id=6, within=s.on_order))
    s.give(inputs.SpeechPlayed(s.on_order, 6, 1.0))
    assert ended(s) == [(5, "Let me look.", "finished"), (6, "", "empty")]
    s.give(inputs.SpeechPlayed(s.on_order + 9, 6, 1.0))
    assert len(ended(s)) == 2


def test_a_protected_say_inside_a_reply_cannot_be_interrupted() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.give(inputs.SpeechQueued(s.on_order, Segment("This call is recorded.", 0.0, 1.0, say=5, interruptible=False)))
    s.play("How can I help you today?", seconds=3.0)
    s.playing.seconds = 4.0  # type: ignore[union-attr]
    s.understand("Wait.")
    s.speech(0.32)
    assert s.of(effects.Duck) == []
    s.silence(1.0)
    s.speech(0.32)
    assert s.of(effects.Pause) != []


# --- the end of the call ---


def test_an_agent_that_hangs_up_without_a_word_lets_what_waits_be_said() -> None:
    s = Script()
    s.say_turn("That is all.")
    s.give(inputs.SayRequested("Goodbye.", id=1))
    s.give(inputs.HangUpRequested(s.on_order, "agent_done"))
    s.fail_reply("empty")
    assert s.one(effects.StartSpeech).text == "Goodbye."
    s.play("Goodbye.", seconds=0.64)
    s.silence(0.64)
    assert ended(s) == [(1, "Goodbye.", "finished")]
    assert s.one(effects.EndCall).reason == "agent_done"


def test_a_reply_that_is_over_ends_no_call() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.give(inputs.HangUpRequested(s.on_order - 1, "agent_done"))
    s.play("Hi.", seconds=0.64)
    s.silence(1.0)
    assert s.of(effects.EndCall) == []


def test_a_user_who_says_more_after_the_goodbye_is_answered() -> None:
    s = Script()
    s.say_turn("That is all.")
    s.play("Goodbye.", seconds=0.96, end_call="agent_done")
    s.silence(0.64)
    s.understand("Wait, one more thing.")
    s.speech(0.64)
    assert s.of(effects.EndCall) == []
    s.silence(0.64)
    assert s.last(events.TurnDecided).text == "Wait, one more thing."
    s.play("Yes?", seconds=0.64)
    s.silence(2.0)
    assert s.of(effects.EndCall) == []


@pytest.mark.parametrize("text", ["Bye!", "Thank you, bye bye.", "Okay."])
@pytest.mark.parametrize("before", [0.64, 0.32])
def test_a_goodbye_over_the_goodbye_does_not_keep_the_call_open(text: str, before: float) -> None:
    s = Script()
    s.say_turn("That is all.")
    s.play("Goodbye, and thank you.", seconds=0.96, end_call="agent_done")
    s.silence(before)
    s.understand(text)
    s.speech(0.48)
    s.silence(1.0)
    assert s.one(events.Backchannel).text == text
    assert s.one(effects.EndCall).reason == "agent_done"
    assert s.conversation.history.messages[-1] == Message("agent", "Goodbye, and thank you.", "Goodbye, and thank you.")


def test_noise_over_the_goodbye_does_not_keep_the_call_open() -> None:
    s = Script()
    s.say_turn("That is all.")
    s.play("Goodbye, and thank you.", seconds=2.0, end_call="agent_done")
    s.understand("")
    s.speech(8.0)
    assert s.one(effects.EndCall).reason == "agent_done"
    assert s.one(events.AgentHeard).interrupted is False


def test_a_call_that_is_closed_ends_after_what_is_owed() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.give(inputs.SayRequested("Goodbye.", id=1))
    s.give(inputs.EndRequested("closed", after_speech=True))
    assert s.conversation.call.is_closing
    s.give(inputs.EndRequested("closed", after_speech=True))
    s.play("Hi.", seconds=0.64)
    s.silence(0.64)
    s.play("Goodbye.", seconds=0.64)
    s.understand("Wait!")
    s.silence(0.64)
    assert s.one(effects.EndCall).reason == "closed"
    assert ended(s) == [(1, "Goodbye.", "finished")]


def test_no_turn_keeps_a_call_open_that_is_closed() -> None:
    s = Script()
    s.give(inputs.SayRequested("Goodbye, and thank you for calling.", id=1))
    s.play("Goodbye, and thank you for calling.", seconds=3.0)
    s.give(inputs.EndRequested("closed", after_speech=True))
    s.understand("Wait, one more thing.")
    s.speech(0.64)
    s.silence(0.64)
    assert s.one(events.Interrupted).reason == "words"
    assert s.of(events.TurnDecided) == []
    assert s.one(effects.EndCall).reason == "closed"


def test_a_call_with_nothing_owed_is_closed_at_once() -> None:
    s = Script()
    s.give(inputs.EndRequested("closed", after_speech=True))
    assert s.one(effects.EndCall).reason == "closed"


def test_a_call_that_is_closed_does_not_wait_for_ever() -> None:
    s = Script(ConversationConfig(closing_timeout=2.0))
    s.say_turn("Hello.")
    s.give(inputs.EndRequested("closed", after_speech=True))
    s.silence(2.1)
    assert s.one(effects.EndCall).reason == "closed"


def test_a_call_that_reaches_its_longest_duration_lets_the_agent_finish() -> None:
    s = Script(ConversationConfig(timeout=4.0))
    s.silence(2.0)
    s.say_turn("Hello.")
    s.play("Let me tell you a story.", seconds=4.0)
    s.silence(3.9)
    assert s.of(effects.EndCall) == []
    s.silence(0.2)
    assert s.one(effects.EndCall).reason == "timeout"
    assert s.one(events.AgentHeard).interrupted is False


# --- timers ---


def test_the_agents_own_speech_is_no_idle_time() -> None:
    s = Script(ConversationConfig(idle_timeout=10.0, away_after=4.0))
    s.say_turn("Tell me a story.")
    s.play("Once upon a time.", seconds=30.0)
    s.silence(39.5)
    assert s.of(effects.EndCall) == []
    s.silence(1.0)
    assert s.one(effects.EndCall).reason == "idle_timeout"


def test_a_say_gives_the_user_time_to_answer_and_no_more() -> None:
    s = Script(ConversationConfig(idle_timeout=10.0, away_after=4.0))
    s.silence(9.5)
    s.give(inputs.SayRequested("Are you still there?"))
    s.play("Are you still there?", seconds=2.0)
    s.silence(5.9)
    assert s.of(effects.EndCall) == []
    s.silence(0.2)
    assert s.one(effects.EndCall).reason == "idle_timeout"


def test_the_user_is_reported_away_again_and_again() -> None:
    s = Script(ConversationConfig(away_after=2.0, idle_timeout=30.0))
    s.silence(6.5)
    assert [e.state for e in s.of(events.UserChanged)] == ["away"] * 3
    s.give(inputs.SayRequested("Are you still there?"))
    s.play("Are you still there?", seconds=1.0)
    s.silence(2.9)
    assert len(s.of(events.UserChanged)) == 3
    s.silence(0.2)
    assert len(s.of(events.UserChanged)) == 4
