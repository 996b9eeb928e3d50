"""Recorded sound drives a session, in audio time as fast as it goes, or at the pace of the wall."""

import asyncio
from collections.abc import Iterator

import pytest

from duologue.agent import EndCall
from duologue.clock import WallClock
from duologue.conversation.config import ConversationConfig
from duologue.engine import Engine, EngineConfig
from duologue.errors import DeadlineError
from duologue.session import SessionConfig, VoiceSession, drive
from duologue.session.drive import drive as play
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FOREVER, FakeSpeechToText, FakeTextToSpeech, PeakVad, SentenceEnd
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio


async def test_it_goes_on_until_nothing_is_open() -> None:
    async with VirtualCall(ScriptedAgent("Yes, of course I can do that.")) as call:
        progress: list[float] = []
        await play(call.session, call.engine, speak("Hello."), on_progress=progress.append)
        assert call.heard == ["Yes, of course I can do that."]
        assert call.session.settled
        assert progress == pytest.approx([0.02 * (i + 1) for i in range(len(progress))])
        assert progress[-1] == pytest.approx(call.clock.now())


async def test_it_ends_with_the_call() -> None:
    async with VirtualCall(ScriptedAgent("Yes."), config=SessionConfig(timeout=2.0)) as call:
        await play(call.session, call.engine, bytes(10 * 32_000))
        assert call.clock.now() == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("delay", [0.0, 0.02])
async def test_it_ends_with_the_call_that_ends_while_it_waits(delay: float) -> None:
    async with VirtualCall(ScriptedAgent([delay, EndCall("done")])) as call:
        await play(call.session, call.engine, speak("Bye."))
        assert await call.session.wait_ended() == "done"


async def test_in_real_time_it_ends_with_the_call_too() -> None:
    async with Engine(vad=PeakVad(), words=SentenceEnd(), config=EngineConfig(tick=0.001)) as engine:
        session = VoiceSession(
            engine=engine, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), agent=ScriptedAgent([EndCall("done")])
        )
        async with session:
            await play(session, engine, speak("Bye."))
            assert await session.wait_ended() == "done"


async def test_the_tail_has_an_end() -> None:
    async with VirtualCall(ScriptedAgent("word " * 500)) as call:
        await play(call.session, call.engine, speak("Hello."), longest_tail=5.0)
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


async def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "STUCK", 0.02)
    async with VirtualCall(ScriptedAgent([FOREVER])) as call:
        with pytest.raises(DeadlineError, match=r"came for 0.02 s, and the sound waits"):
            await call.say("Hello.")


async def test_in_real_time_it_takes_as_long_as_the_sound() -> None:
    loop = asyncio.get_running_loop()
    async with Engine(vad=PeakVad(), words=SentenceEnd(), clock=WallClock(), config=EngineConfig(tick=0.005)) as engine:
        session = VoiceSession(
            engine=engine, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), agent=ScriptedAgent("Yes.")
        )
        async with session:
            began = loop.time()
            await play(session, engine, speak("Hi."), longest_tail=1.2)
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

        await play(call.session, call.engine, pieces(), longest_tail=0.0)
        frame = 480
        assert sent == [frame * (4 + i) for i in range(5)]  # the lead, and one more for each
        assert call.clock.now() == pytest.approx(0.1)
