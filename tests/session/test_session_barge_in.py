"""The user speaks while the agent does: what sounds, what is held, and what counts as heard."""

from typing import Any

import pytest

from duologue.audio.format import RATE
from duologue.conversation import events
from duologue.conversation.config import BargeIn, ConversationConfig
from duologue.conversation.state import AgentState
from duologue.session import SessionConfig, YieldMeasured
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText, FakeTextToSpeech
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

LONG = "The first thing is this one here. The second thing is that one there. The third is gone."


async def speaking(call: VirtualCall, seconds: float = 1.0) -> None:
    """The user asks, and the agent has been answering for so long."""
    await call.speak("Hello.")
    while call.session._rules.agent.state is not AgentState.SPEAKING:
        await call.silence(0.02)
    await call.silence(seconds)


async def test_the_agent_is_ducked_then_paused_then_cut_off() -> None:
    async with VirtualCall(ScriptedAgent(LONG, "Yes?")) as call:
        await speaking(call)
        await call.say("Wait, I have another question for you.")
        changes = [(str(e.state), e.reason) for e in call.of(events.AgentChanged)]
        assert changes[2:5] == [("ducked", "onset"), ("paused", "speech"), ("idle", "interrupted")]
        interrupted = call.one(events.Interrupted)
        assert interrupted.reason == "words"
        assert call.sink.calls == [("pause", 1), ("flush", 1)]
        assert call.session.record.interruptions == 1
        assert call.turns[0].interrupted
        assert call.heard[-1] == "Yes?"


async def test_sound_stops_within_150_ms_of_the_users_onset() -> None:
    async with VirtualCall(ScriptedAgent(LONG)) as call:
        await speaking(call)
        before = len(call.sink.timeline())
        await call.speak("Waitaminute")
        sounded = (len(call.sink.timeline()) - before) / 2 / 24_000
        assert sounded <= 0.15 + 0.032


async def test_after_a_false_interruption_it_goes_on_where_it_stopped() -> None:
    stt = FakeSpeechToText("Hello.", "")
    async with VirtualCall(ScriptedAgent(LONG), stt=stt, config=quiet()) as call:
        await speaking(call)
        await call.speak("ahem")
        assert call.session._rules.agent.state is AgentState.PAUSED
        await call.settle()
        assert call.heard == [LONG]
        assert [name for name, _ in call.sink.calls] == ["pause", "resume"]
        assert call.session.record.false_interruptions == 1
        assert call.session.starved == 0


async def test_it_is_told_how_soon_the_agent_was_silent() -> None:
    async with VirtualCall(ScriptedAgent(LONG, "Now then.")) as call:
        await speaking(call)
        begun = call.session.accepted
        await call.say("Wait, I have another question for you.")
        yielded, paused = call.one(YieldMeasured), call.of(events.AgentChanged)
        assert (yielded.reason, yielded.silenced) == ("pause", 0.0)  # plain calls, in virtual time
        assert yielded.pos == next(e.pos for e in paused if str(e.state) == "paused")
        # Where the line is at that moment: all that has come, and a part of the tick.
        assert 0.064 <= (yielded.pos - begun) / RATE + yielded.behind <= 0.25


async def test_what_is_cut_off_while_it_sounds_is_measured_too() -> None:
    async with VirtualCall(ScriptedAgent(LONG)) as call:
        await speaking(call)
        call.session.interrupt()
        assert call.one(YieldMeasured).reason == "cut_off"


async def test_a_backchannel_is_no_turn() -> None:
    agent = ScriptedAgent(LONG)
    async with VirtualCall(agent) as call:
        await speaking(call)
        await call.speak("uh huh")
        await call.settle()
        assert call.one(events.Backchannel).text == "uh huh"
        assert (call.heard, len(agent.turns)) == ([LONG], 1)


async def test_a_click_only_ducks() -> None:
    async with VirtualCall(ScriptedAgent(LONG)) as call:
        await speaking(call)
        await call.play(speak("x")[:640])
        await call.settle()
        states = [str(e.state) for e in call.of(events.AgentChanged)]
        assert states == ["thinking", "speaking", "ducked", "speaking", "idle"]
        assert call.sink.calls == []
        assert call.heard == [LONG]


async def test_barge_in_can_be_turned_off() -> None:
    config = SessionConfig(rules=ConversationConfig(barge_in=BargeIn(enabled=False)))
    async with VirtualCall(ScriptedAgent(LONG, "Now then."), config=config) as call:
        await speaking(call)
        await call.say("Wait, I have another question for you.")
        assert call.heard == [LONG, "Now then."]
        assert call.sink.calls == []


# --- what was heard ---


def quiet(**config: Any) -> SessionConfig:
    return SessionConfig(rules=ConversationConfig(partial_every=0.0), **config)


async def cut_off_after(call: VirtualCall, seconds: float) -> events.AgentHeard:
    await speaking(call, seconds)
    call.session.interrupt()
    return call.one(events.AgentHeard)


async def test_without_marks_and_timings_it_is_estimated_down_to_a_clause() -> None:
    async with VirtualCall(ScriptedAgent("Yes, of course. " + LONG)) as call:
        heard = await cut_off_after(call, 3.0)
        assert (heard.text, heard.estimated, heard.interrupted) == ("Yes, of course.", True, True)


async def test_exact_timings_give_words() -> None:
    async with VirtualCall(ScriptedAgent(LONG), tts=FakeTextToSpeech(exact=True)) as call:
        heard = await cut_off_after(call, 1.0)
        assert (heard.text, heard.estimated) == ("The first thing", True)  # for want of marks


@pytest.mark.parametrize(("mark", "text"), [(0.0, ""), (0.6, "The first"), (1.0, "The first thing"), (99.0, None)])
async def test_marks_and_exact_timings_are_exact(mark: float, text: str | None) -> None:
    async with VirtualCall(ScriptedAgent(LONG), tts=FakeTextToSpeech(exact=True)) as call:
        await speaking(call, 1.5)
        call.session.mark_playback(int(mark * 24_000))
        call.session.interrupt()
        heard = call.one(events.AgentHeard)
        # A mark beyond what was sent counts as what was sent: 1.5 s, and the lead.
        assert heard.text == ("The first thing is this" if text is None else text)
        assert not heard.estimated


async def test_marks_never_go_back() -> None:
    async with VirtualCall(ScriptedAgent(LONG), tts=FakeTextToSpeech(exact=True)) as call:
        await speaking(call, 1.5)
        for seconds in (1.0, 0.5, -3.0):
            call.session.mark_playback(int(seconds * 24_000))
        call.session.interrupt()
        assert call.one(events.AgentHeard).text == "The first thing"


async def test_a_mark_of_an_earlier_reply_is_no_mark_of_this_one() -> None:
    async with VirtualCall(ScriptedAgent("Hi.", LONG), tts=FakeTextToSpeech(exact=True)) as call:
        await call.say("Hello.")
        call.session.mark_playback(call.session._output.playout.position)
        await call.speak("Go on.")
        await call.silence(1.5)
        call.session.interrupt()
        heard = call.of(events.AgentHeard)[-1]
        assert (heard.text, heard.estimated, heard.interrupted) == ("", False, True)
        assert call.heard == ["Hi."]


async def test_what_is_heard_is_what_sounded() -> None:
    """With exact timings and marks, history holds the words that are whole in the sound that was sent."""
    for tenths in range(2, 50, 5):
        async with VirtualCall(ScriptedAgent(LONG), tts=FakeTextToSpeech(exact=True)) as call:
            await speaking(call, tenths / 10)
            call.session.mark_playback(10**9)
            call.session.interrupt()
            sounded = call.sounded.split()
            whole = call.one(events.AgentHeard).text.split()
            assert LONG.split()[: len(whole)] == whole
            assert len(sounded) - len(whole) in (0, 1)


async def test_the_sound_of_the_user_is_not_lost_while_the_agent_speaks() -> None:
    agent = ScriptedAgent(LONG, "Yes.")
    async with VirtualCall(agent) as call:
        await speaking(call)
        await call.play(speak("Wait, I have another question for you."))
        await call.settle()
        assert agent.turns[1].text == "Wait, I have another question for you."
