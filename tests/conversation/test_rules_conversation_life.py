"""The life of a call: greeting, `say`, away, the timeouts and the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig
from duologue.conversation.conversation import Conversation
from duologue.conversation.inputs import Now
from duologue.errors import ConfigError, InvalidStateError
from duologue.testing.conversation import Script
from rings import no_rings


def test_a_call_goes_live_once() -> None:
    s = Script(start=False)
    assert s.conversation.state == "initial"
    s.give(inputs.CallRequested())
    assert s.conversation.state == "listening"
    assert s.one(events.CallChanged).reason == "start"
    with pytest.raises(InvalidStateError):
        s.give(inputs.CallRequested())


def test_before_it_is_live_a_call_hears_nothing() -> None:
    s = Script(start=False)
    s.speech(0.64)
    s.silence(0.64)
    s.give(inputs.TextArrived("Hello?"))
    s.give(inputs.PlayoutFinished(1, 1.0))
    assert s.log == []


def test_a_call_that_never_began_can_end() -> None:
    s = Script(start=False)
    s.give(inputs.EndRequested("refused"))
    assert s.conversation.state == "ended"
    assert s.one(effects.EndCall).reason == "refused"


def idle(s: Script) -> None:
    s.silence(0.32)


def away(s: Script) -> None:
    s.gap(16.0)


def user_speaks(s: Script) -> None:
    s.speech(0.64)


def words_on_order(s: Script) -> None:
    s.lose_words()
    s.speech(0.64)
    s.silence(0.32)


def button_down(s: Script) -> None:
    s.give(inputs.TurnBegun())


def thinking(s: Script) -> None:
    s.say_turn()


def speaking(s: Script) -> None:
    s.say_turn()
    s.play("Well.", seconds=5.0)
    s.silence(0.32)


def ducked(s: Script) -> None:
    speaking(s)
    s.speech(0.032)


def paused(s: Script) -> None:
    speaking(s)
    s.speech(0.128)


def say_on_its_way(s: Script) -> None:
    s.give(inputs.SayRequested("One moment.", interruptible=False))
    s.give(inputs.TextArrived("Wait."))
    s.give(inputs.SayRequested("Another."))


STATES: dict[str, Callable[[Script], None]] = {
    f.__name__: f
    for f in (
        idle,
        away,
        user_speaks,
        words_on_order,
        button_down,
        thinking,
        speaking,
        ducked,
        paused,
        say_on_its_way,
    )
}


@pytest.mark.parametrize("state", STATES)
def test_a_call_can_end_in_every_state_and_then_nothing_follows(state: str) -> None:
    s = Script()
    STATES[state](s)
    generation = s.conversation.generation
    owed = s.conversation.speech_owed or s.playing is not None
    s.log.clear()
    s.give(inputs.EndRequested("closed"))
    assert s.conversation.state == "ended"
    assert s.one(events.CallChanged).reason == "closed"
    assert s.one(effects.EndCall).reason == "closed"
    assert s.conversation.agent.state == "idle"
    assert len(s.of(effects.DiscardReply)) == owed
    assert s.conversation.generation == generation + owed
    s.log.clear()
    s.speech(0.64)
    s.silence(2.0)
    s.give(inputs.EndRequested("again"))
    s.give(inputs.TextArrived("Hello?"))
    s.give(inputs.PlayoutStarted(s.on_order))
    assert s.log == []


def test_what_was_heard_at_the_end_is_still_written_down() -> None:
    s = Script()
    speaking(s)
    s.silence(4.608)
    s.give(inputs.EndRequested("closed"))
    assert s.conversation.history.messages[-1].text == "Well."
    assert s.one(events.AgentHeard).interrupted


def test_the_agent_can_end_the_call_with_its_last_words() -> None:
    s = Script()
    s.say_turn("Bye.")
    s.play("Goodbye!", seconds=0.64, end_call="agent_done")
    s.silence(0.64)
    assert s.one(effects.EndCall).reason == "agent_done"
    assert s.conversation.history.messages[-1].text == "Goodbye!"


def test_an_agent_that_is_interrupted_at_its_last_words_does_not_end_the_call() -> None:
    s = Script()
    s.say_turn("Bye.")
    s.play("Goodbye, and thank you!", seconds=3.0, end_call="agent_done")
    s.say_turn("Wait, one more thing.")
    assert s.of(effects.EndCall) == []
    assert s.last(events.TurnDecided).text == "Wait, one more thing."


def test_an_agent_may_end_the_call_without_a_word() -> None:
    s = Script()
    s.say_turn("Bye.")
    s.give(inputs.HangUpRequested(s.on_order, "agent_done"))
    s.fail_reply("empty")
    assert s.one(effects.EndCall).reason == "agent_done"


# --- the agent begins ---


def test_a_greeting_is_said_first() -> None:
    s = Script(ConversationConfig(greeting="Welcome!"))
    assert s.one(effects.StartSpeech) == effects.StartSpeech(1, "Welcome!")
    s.play("Welcome!", seconds=0.64)
    assert s.conversation.state == "speaking"
    assert s.last(events.AgentChanged).reason == "say"
    s.silence(0.64)
    assert s.one(events.AgentHeard).turn == 0
    s.say_turn("Hello.")
    assert [m.text for m in s.one(effects.StartReply).history] == ["Welcome!"]


def test_a_user_who_speaks_before_the_greeting_sounds_makes_it_needless() -> None:
    s = Script(ConversationConfig(greeting="Welcome!"))
    s.say_turn("Hello.")
    assert s.reasons(events.Interrupted) == ["went_on"]
    assert s.of(events.TurnContinued) == []
    assert s.one(events.TurnDecided).text == "Hello."


def test_a_greeting_that_cannot_be_interrupted_sounds_whatever_the_user_does() -> None:
    s = Script(ConversationConfig(greeting="Welcome!", greeting_interruptible=False))
    s.say_turn("Hello.")
    s.give(inputs.TextArrived("Typed."))
    s.give(inputs.TurnBegun())
    s.give(inputs.TurnEnded())
    assert s.of(effects.DiscardReply) == []


def test_says_wait_for_each_other_and_for_the_floor() -> None:
    s = Script()
    s.speech(0.32)
    s.give(inputs.SayRequested("One.", id=1))
    s.give(inputs.SayRequested("Two.", id=2))
    s.silence(0.64)
    assert s.of(effects.StartSpeech) == []
    s.play("Hi.", seconds=0.32)
    s.silence(0.32)
    assert s.one(effects.StartSpeech).say == 1
    s.play("One.", seconds=0.32)
    s.silence(0.32)
    assert [say.say for say in s.of(effects.StartSpeech)] == [1, 2]


def test_a_say_at_rest_begins_at_once() -> None:
    s = Script()
    assert effects.StartSpeech(1, "One moment.", 5) in s.give(inputs.SayRequested("One moment.", id=5))
    assert s.conversation.speech_owed
    s.play("One moment.")
    assert not s.conversation.speech_owed


def test_says_that_wait_are_bounded() -> None:
    s = Script(ConversationConfig(max_queued_says=2))
    for text in ("Sounding.", "One.", "Two."):
        s.give(inputs.SayRequested(text))
    with pytest.raises(InvalidStateError, match="2 texts wait to be said"):
        s.give(inputs.SayRequested("Three."))


def test_a_say_that_fails_gives_way_to_the_next_without_an_apology() -> None:
    s = Script()
    s.give(inputs.SayRequested("One."))
    s.give(inputs.SayRequested("Two."))
    s.fail_reply()
    assert [say.text for say in s.of(effects.StartSpeech)] == ["One.", "Two."]


# --- the agent fails ---


def test_an_agent_that_fails_before_its_first_sound_apologises_once() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.fail_reply("agent_error")
    assert s.last(events.AgentChanged).reason == "agent_error"
    assert s.one(effects.StartSpeech).text == s.conversation.config.apology
    s.fail_reply("provider_error")
    s.silence(1.0)
    assert len(s.of(effects.StartSpeech)) == 1
    assert s.conversation.state == "listening"


def test_an_agent_that_fails_can_stay_silent() -> None:
    s = Script(ConversationConfig(apology=""))
    s.say_turn("Hello.")
    s.fail_reply()
    assert s.of(effects.StartSpeech) == []


def test_an_agent_that_chooses_to_say_nothing_is_no_failure() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.fail_reply("empty")
    assert s.of(effects.StartSpeech) == []
    assert s.last(events.AgentChanged).reason == "empty"
    s.say_turn("Are you there?")
    assert s.last(effects.StartReply).text == "Are you there?"


def test_a_reply_that_is_over_without_a_sound_was_empty() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.give(inputs.PlayoutFinished(s.on_order, 0.0))
    assert s.last(events.AgentChanged).reason == "empty"
    assert s.of(events.AgentHeard) == []


def test_an_agent_that_fails_after_its_first_sound_finishes_what_there_is_and_apologizes() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.play("Hi.", seconds=0.64)
    assert s.give(inputs.ReplyFailed(s.on_order, "stream_error")) == []
    s.silence(0.64)
    assert s.one(events.AgentHeard).text == "Hi."
    assert s.one(effects.StartSpeech).text == s.conversation.config.apology


# --- nobody speaks ---


def test_the_user_is_away_after_silence_on_both_sides() -> None:
    s = Script(ConversationConfig(away_after=2.0))
    s.say_turn("Hello.")
    s.play("Let me think about that.", seconds=4.0)
    s.silence(4.0)
    s.silence(1.984)
    assert s.conversation.state == "listening"
    s.silence(0.032)
    assert s.conversation.state == "away"
    assert s.reasons(events.UserChanged)[-1] == "silence"
    s.speech(0.064)
    assert s.conversation.state == "listening"


@pytest.mark.parametrize("reason", ["missing", "lost", "dropped"])
def test_gaps_count_as_silence_for_every_timer(reason: str) -> None:
    s = Script(ConversationConfig(away_after=2.0, idle_timeout=5.0))
    s.gap(3.0, reason)
    assert s.conversation.state == "away"
    assert s.one(events.AudioGap) == events.AudioGap(48000, 3.0, 0, 48000, reason)
    s.gap(3.0, reason)
    assert s.one(effects.EndCall).reason == "idle_timeout"


def test_typing_brings_the_user_back() -> None:
    s = Script(ConversationConfig(away_after=1.0))
    s.silence(1.5)
    s.give(inputs.TextArrived("I am here."))
    assert s.conversation.user.state == "silent"
    assert s.last(events.UserChanged).reason == "text"


def test_a_call_without_turns_ends() -> None:
    s = Script(ConversationConfig(idle_timeout=3.0))
    s.silence(1.0)
    s.say_turn("Hello.")
    s.play("Hi.", seconds=0.32)
    s.silence(2.4)
    assert s.of(effects.EndCall) == []
    s.silence(1.0)
    assert s.one(effects.EndCall).reason == "idle_timeout"


def test_a_call_does_not_end_for_want_of_turns_while_somebody_speaks() -> None:
    s = Script(ConversationConfig(idle_timeout=3.0))
    s.speech(4.0)
    assert s.of(effects.EndCall) == []


def test_a_conversation_is_settled_when_nothing_is_open_on_either_side() -> None:
    for name, state in STATES.items():
        s = Script()
        state(s)
        assert s.conversation.is_idle == (name in ("idle", "away"))
        s.give(inputs.EndRequested("closed"))
        assert s.conversation.is_idle


def test_a_call_is_no_longer_than_its_timeout_whatever_happens() -> None:
    s = Script(ConversationConfig(timeout=2.0))
    s.speech(2.5)
    assert s.one(effects.EndCall).reason == "timeout"


def test_positions_never_go_back_whatever_the_shell_says() -> None:
    c = Conversation()
    c.handle(inputs.CallRequested(), Now(1000, 0.0))
    c.handle(inputs.TextArrived("Hello."), Now(500, 1.0))
    assert c.pos == 1000


# --- clear and interrupt ---


@pytest.mark.parametrize("state", [name for name in STATES if name != "away"])
def test_clear_forgets_everything_pending_on_both_sides(state: str) -> None:
    s = Script()
    STATES[state](s)
    s.give(inputs.ClearRequested())
    s.log.clear()
    assert s.conversation.agent.state == "idle"
    assert s.conversation.user.state == "silent"
    s.silence(2.0)
    assert s.log == []
    s.say_turn("Hello again.")
    assert s.one(events.TurnDecided).text == "Hello again."


def test_interrupt_silences_the_agent_and_forgets_what_waits_to_be_said() -> None:
    s = Script()
    speaking(s)
    s.give(inputs.SayRequested("Later."))
    s.give(inputs.InterruptRequested())
    assert s.reasons(events.Interrupted) == ["request"]
    s.silence(1.0)
    assert s.of(effects.StartSpeech) == []
    assert s.conversation.state == "listening"


def test_interrupt_also_silences_what_the_user_cannot() -> None:
    s = Script()
    s.give(inputs.SayRequested("This is important.", interruptible=False))
    s.play("This is important.", seconds=3.0)
    s.silence(0.32)
    s.give(inputs.InterruptRequested())
    assert s.one(events.AgentHeard).interrupted


def test_interrupt_while_the_agent_thinks_drops_the_reply() -> None:
    s = Script()
    s.say_turn("Hello.")
    s.give(inputs.InterruptRequested())
    assert s.one(effects.DiscardReply) == effects.DiscardReply(1, rollback=True)
    assert s.conversation.state == "listening"


def test_interrupt_when_nothing_sounds_does_nothing() -> None:
    assert Script().give(inputs.InterruptRequested()) == []


# --- generations ---


@pytest.mark.parametrize(
    "stale",
    [
        inputs.PlayoutStarted(99),
        inputs.PlayoutFinished(99, 1.0),
        inputs.ReplyFailed(99, "agent_error"),
        inputs.PlayoutStarted(0),
        inputs.ReplyFailed(0, "empty"),
    ],
)
@pytest.mark.parametrize("state", ["idle", "thinking", "speaking"])
def test_what_is_told_of_another_generation_changes_nothing(
    state: str, stale: inputs.PlayoutStarted | inputs.PlayoutFinished | inputs.ReplyFailed
) -> None:
    s = Script()
    STATES[state](s)
    before = s.conversation.state
    assert s.give(stale) == []
    assert s.conversation.state is before


def test_a_reply_starts_to_sound_once() -> None:
    s = Script()
    speaking(s)
    assert s.give(inputs.PlayoutStarted(s.on_order)) == []


def test_a_reply_is_heard_once() -> None:
    s = Script()
    speaking(s)
    s.finish()
    assert s.give(inputs.PlayoutFinished(s.on_order, 5.0)) == []
    assert len(s.of(events.AgentHeard)) == 1


def test_a_conversation_is_freed_without_the_garbage_collector() -> None:
    with no_rings():
        s = Script(ConversationConfig(greeting="Welcome."), speculates=True)
        s.play("Welcome.")
        s.say_turn()
        s.play("Yes?", seconds=3.0)
        s.speech(1.5)
        s.give(inputs.EndRequested("closed"))
        del s


def test_settings_change_within_a_call() -> None:
    s = Script()
    before = s.conversation.context.config
    s.give(inputs.SettingsChanged())
    assert s.conversation.context.config == before
    s.give(inputs.SettingsChanged(action_delay=1.0, timeout=3.0, barge_in=False, agent_speculates=True))
    after = s.conversation.context.config
    assert (after.endpointing.action_delay, after.endpointing.timeout) == (1.0, 3.0)
    assert not after.barge_in.enabled
    assert s.conversation.context.capabilities.agent_speculates
    with pytest.raises(ConfigError, match="timeout must not be below"):
        s.give(inputs.SettingsChanged(timeout=0.5))
    assert s.conversation.context.config == after
