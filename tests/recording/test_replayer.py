"""Recorded audio drives sessions, in audio time or at the pace of the wall; recorded inputs drive the rules."""

import asyncio
from collections.abc import Iterator
from io import BytesIO

import pytest

from duologue.agent import EndCall
from duologue.clock import WallClock
from duologue.conversation import effects, events
from duologue.conversation.config import ConversationConfig
from duologue.conversation.conversation import Conversation
from duologue.conversation.effects import Effect
from duologue.conversation.inputs import Input, Now
from duologue.engine import Engine, EngineConfig
from duologue.errors import ConfigError, DeadlineError, InvalidStateError
from duologue.recording.inputs import read, to_line
from duologue.recording.replayer import Replayer, replay_inputs
from duologue.session import SessionConfig, VoiceSession
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FOREVER, FakeSpeechToText, FakeTextToSpeech, PeakVad, SentenceEnd
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio


async def test_it_goes_on_until_nothing_is_open() -> None:
    async with VirtualCall(ScriptedAgent("Yes, of course I can do that.")) as call:
        progress: list[float] = []
        await Replayer(call.session).play(speak("Hello."), on_progress=progress.append)
        assert call.heard == ["Yes, of course I can do that."]
        assert call.session.settled
        assert progress == pytest.approx([0.02 * (i + 1) for i in range(len(progress))])
        assert progress[-1] == pytest.approx(call.clock.now())


async def test_it_ends_with_the_call() -> None:
    async with VirtualCall(ScriptedAgent("Yes."), config=SessionConfig(timeout=2.0)) as call:
        await Replayer(call.session).play(bytes(10 * 32_000))
        assert call.clock.now() == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("delay", [0.0, 0.02])
async def test_it_ends_with_the_call_that_ends_while_it_waits(delay: float) -> None:
    async with VirtualCall(ScriptedAgent([delay, EndCall("done")])) as call:
        await Replayer(call.session).play(speak("Bye."))
        assert await call.session.wait_ended() == "done"


async def test_in_real_time_it_ends_with_the_call_too() -> None:
    async with Engine(vad=PeakVad(), words=SentenceEnd(), config=EngineConfig(tick=0.001)) as engine:
        session = VoiceSession(
            engine=engine, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), agent=ScriptedAgent([EndCall("done")])
        )
        async with session:
            await Replayer(session).play(speak("Bye."))
            assert await session.wait_ended() == "done"


async def test_the_tail_has_an_end() -> None:
    async with VirtualCall(ScriptedAgent("word " * 500)) as call:
        await Replayer(call.session).play(speak("Hello."), max_tail=5.0)
        assert call.clock.now() == pytest.approx(5.4, abs=0.05)
        assert not call.session.settled


@pytest.mark.parametrize("slow", ["words", "agent", "voice"])
async def test_in_audio_time_slow_parts_change_nothing(slow: str) -> None:
    """What is slow in real time is waited for: the turn is decided and answered at the same positions."""

    async def course(delay: float) -> list[tuple[str, int]]:
        async with VirtualCall(
            ScriptedAgent([delay if slow == "agent" else 0.0, "One thing. And", " another thing."]),
            stt=FakeSpeechToText(faults=[delay if slow == "words" else 0.0] * 9),
            tts=FakeTextToSpeech(faults=[delay if slow == "voice" else 0.0] * 9),
        ) as call:
            await call.say("Hello there.")
            assert call.session.starved == 0
            return [(type(e).__name__, e.pos) for e in call.events if type(e).__name__ != "AgentSaid"]

    assert await course(0.02) == await course(0.0)


async def test_waiting_ends_without_progress() -> None:
    async with VirtualCall(ScriptedAgent([FOREVER])) as call:
        with pytest.raises(DeadlineError, match=r"came for 0.02 s, and the audio waits"):
            await Replayer(call.session, progress_timeout=0.02).play(speak("Hello."))


async def test_audio_that_waits_for_nobody_passes_a_slow_agent() -> None:
    async with VirtualCall(ScriptedAgent([FOREVER])) as call:
        await Replayer(call.session).play(speak("Hello.") + bytes(2 * 32_000), wait_for=(), max_tail=0.0)
        assert call.clock.now() == pytest.approx(2.36, abs=0.05)
        assert call.heard == []


async def test_several_sessions_are_played_side_by_side() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        other = VoiceSession(
            engine=call.engine, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), agent=ScriptedAgent("No.")
        )
        async with other:
            replayer = Replayer(call.session, other)
            with pytest.raises(ConfigError, match="audio for 1 sessions, and there are 2"):
                await replayer.play(b"")
            await other.hang_up()
            await replayer.play(speak("One."), speak("Two, after the end of the call."))
        assert [t.user_text for t in call.turns] == ["One."]
        assert not other.record.turns
        with pytest.raises(ConfigError, match="at least one session, and all of them on the same engine"):
            Replayer()


async def test_ticks_share_a_frame() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        before = call.engine.counters.ticks
        await Replayer(call.session, ticks=2).send(bytes(640))
        assert call.engine.counters.ticks - before == 2
        assert call.clock.now() == pytest.approx(0.02)


async def test_in_real_time_it_takes_as_long_as_the_sound() -> None:
    loop = asyncio.get_running_loop()
    async with Engine(vad=PeakVad(), words=SentenceEnd(), clock=WallClock(), config=EngineConfig(tick=0.005)) as engine:
        session = VoiceSession(
            engine=engine, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), agent=ScriptedAgent("Yes.")
        )
        async with session:
            began = loop.time()
            await Replayer(session).play(speak("Hi."), max_tail=1.2)
            assert loop.time() - began >= 1.0
        assert [t.user_text for t in session.record.turns] == ["Hi."]


async def test_sound_may_depend_on_what_was_sent_before_it() -> None:
    """Each piece is taken when all that came of the one before has been sent."""
    async with VirtualCall(ScriptedAgent([]), config=SessionConfig(rules=ConversationConfig(greeting="Hi."))) as call:
        sent: list[int] = []

        def pieces() -> Iterator[bytes]:
            for _ in range(5):
                sent.append(call.session._output.playout.position)
                yield bytes(640)

        await Replayer(call.session).play(pieces(), max_tail=0.0)
        frame = 480
        assert sent == [frame * (4 + i) for i in range(5)]  # the lead, and one more for each
        assert call.clock.now() == pytest.approx(0.1)


# --- recorded inputs ---


def record_call(call: VirtualCall, monkeypatch: pytest.MonkeyPatch) -> tuple[BytesIO, list[list[Effect]]]:
    """The lines of a tap, and the effects that the rules had."""
    lines, effects = BytesIO(), list[list[Effect]]()
    rules = call.session._rules
    handle = rules.handle

    def observe(input_: Input, now: Now) -> list[Effect]:
        effects.append([])
        effects[-1] = handle(input_, now)
        return effects[-1]

    def tap(input_: Input, now: Now) -> None:
        lines.write(to_line(input_, now))

    monkeypatch.setattr(rules, "handle", observe)
    call.session.tap(tap)
    return lines, effects


async def test_recorded_inputs_have_the_effects_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole call: greeting, turns, a barge-in, a backchannel, typed text, a say, refused inputs, the end."""
    agent = ScriptedAgent("Certainly. " * 12, "Yes?", "It is open until nine. " * 4, "Bye.")
    config = SessionConfig(rules=ConversationConfig(greeting="Welcome."))
    call = VirtualCall(agent, config=config)
    lines, given = record_call(call, monkeypatch)
    async with call:
        await call.settle()
        await call.speak("Tell me a story.")
        await call.silence(2.0)
        await call.say("Wait, I have another question.")
        await call.speak("When is it open?")
        await call.silence(1.0)
        await call.speak("uh huh")
        await call.settle()
        call.session.send_text("Thanks.")
        await call.session.say("One moment, please.")
        await call.settle()
        with pytest.raises(InvalidStateError):
            call.session.end_turn()
        call.session.skip_audio(8_000)
        await call.silence(1.0)
        await call.session.close()
    happened = {type(effect) for each in given for effect in each}
    assert happened >= {events.Interrupted, events.Backchannel, events.SayEnded, events.AudioGap, effects.EndCall}

    lines.seek(0)
    replayed = list(replay_inputs(Conversation(call.session._rules.config), read(lines)))
    assert replayed == given
