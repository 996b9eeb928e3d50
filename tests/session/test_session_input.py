"""Sound that no careful client would send: the session takes it, says what it did, and goes on."""

from typing import Any

import numpy as np
import pytest

from duologue.conversation import events
from duologue.conversation.config import ConversationConfig
from duologue.conversation.state import SessionState
from duologue.session import ErrorRaised, SessionConfig
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText, PeakVad
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall
from duologue.vad.energy import Energy

pytestmark = pytest.mark.anyio

TEXT = "I would like a table for four people."
RATE = 16_000


def pcm(samples: Any) -> bytes:
    clipped: bytes = np.clip(np.asarray(samples), -32768, 32767).astype("<i2").tobytes()
    return clipped


def tone(seconds: float, frequency: float = 440.0, level: float = 20_000.0) -> bytes:
    return pcm(level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE))


def noise(seconds: float, level: float = 6_000.0) -> bytes:
    return pcm(np.random.default_rng(7).normal(0.0, level, int(seconds * RATE)))


async def still_works(call: VirtualCall, agent: ScriptedAgent) -> None:
    """The session hears the user and answers, whatever came before."""
    before = len(agent.turns)
    await call.settle()
    await call.say("Are you still there?")
    assert agent.turns[-1].text.endswith("Are you still there?")
    assert len(agent.turns) == before + 1
    assert call.of(ErrorRaised) == []


@pytest.mark.parametrize("vad", [PeakVad, Energy])
@pytest.mark.parametrize("size", [32, 160, 640, 1280, 3200, 9_600])
async def test_the_length_of_chunks_changes_nothing(vad: Any, size: int) -> None:
    sound = bytes(3_200) + speak(TEXT) + bytes(32_000)
    async with VirtualCall(ScriptedAgent("Yes."), vad=vad()) as call:
        due = 0
        for i in range(0, len(sound), size):
            call.session.process_audio(sound[i : i + size])
            while due + 640 <= i + size:  # the tick goes at its own pace
                due += 640
                call.clock.advance(0.02)
                call.engine.step()
                await call.silence(0.0)
        await call.settle()
        assert [t.user_text for t in call.turns] == [TEXT]
        assert call.of(events.AudioGap) == []


async def test_of_ten_seconds_at_once_the_last_is_kept() -> None:
    agent = ScriptedAgent("Yes.")
    async with VirtualCall(agent) as call:
        assert call.session.process_audio(noise(10.0)) == 32_000
        call.engine.step()
        gap = call.one(events.AudioGap)
        assert (gap.start, gap.end, gap.reason) == (0, 9 * RATE, "dropped")
        await still_works(call, agent)


async def test_a_client_that_is_always_too_fast_loses_the_oldest_and_is_told() -> None:
    agent = ScriptedAgent("Yes.")
    async with VirtualCall(agent) as call:
        for _ in range(100):
            call.session.process_audio(bytes(12_800))  # 400 ms each 20 ms
            call.engine.step()
        dropped = sum(gap.end - gap.start for gap in call.of(events.AudioGap))
        assert call.session._input.hearing.position + call.session._input.hearing.lag == 100 * 6_400
        assert dropped == pytest.approx(call.session._input.hearing.dropped, abs=100 * 512)
        assert call.session._input.hearing._ring.held_bytes <= call.session.config.max_buffer_bytes
        await still_works(call, agent)


@pytest.mark.no_cover
async def test_minutes_of_silence_leave_the_user_away_and_the_session_small() -> None:
    agent = ScriptedAgent("Yes.")
    async with VirtualCall(agent, vad=Energy()) as call:
        await call.silence(240.0)
        assert call.session.state is SessionState.AWAY
        assert call.session._input.hearing._ring.allocated_bytes < 100_000
        assert (agent.turns, call.of(events.SpeechStarted)) == ([], [])
        await still_works(call, agent)


@pytest.mark.parametrize(
    "sound",
    [
        tone(20.0),
        tone(20.0, 50.0),
        noise(20.0),
        pcm(np.where(np.arange(20 * RATE) // 40 % 2, 32767, -32768)),
        pcm(np.full(20 * RATE, -32768)),
        pcm(np.random.default_rng(7).integers(-32768, 32767, 20 * RATE)),
    ],
    ids=["tone", "hum", "noise", "clipping", "offset", "full-scale noise"],
)
@pytest.mark.no_cover
async def test_sound_without_words_makes_no_turn(sound: bytes) -> None:
    agent = ScriptedAgent("Yes.")
    async with VirtualCall(agent, vad=Energy()) as call:
        await call.silence(0.5)
        await call.play(sound)
        assert agent.turns == []
        # What stays steady is the floor after 1.5 s, and speech must stand out from it.
        assert len(call.of(events.SpeechStarted)) <= 1
        await call.silence(2.0)
        await still_works(call, agent)


async def test_a_user_who_never_pauses_is_answered_in_the_end() -> None:
    """Loud sound for minutes, in which words are found: turns have a longest length, and memory a bound."""
    agent = ScriptedAgent("I see.")
    config = SessionConfig(rules=ConversationConfig(partial_every=0.0, max_turn=30.0))
    async with VirtualCall(agent, stt=FakeSpeechToText("and so on"), config=config) as call:
        sound = noise(90.0, 20_000.0)
        for i in range(0, len(sound), 64_000):
            await call.play(sound[i : i + 64_000])
            assert call.session._input.hearing._ring.held_bytes <= call.session.config.max_buffer_bytes
        assert len(agent.turns) >= 2
        assert {t.end_reason for t in call.turns} == {"max_turn"}


async def test_the_user_may_speak_after_noise_has_become_the_floor() -> None:
    agent = ScriptedAgent("Yes.")
    rng = np.random.default_rng(7)
    hiss = pcm(rng.normal(0.0, 100.0, 10 * RATE))
    async with VirtualCall(agent, vad=Energy(), stt=FakeSpeechToText(TEXT)) as call:
        await call.play(hiss)
        assert call.of(events.SpeechStarted) == []
        await call.play(speak(TEXT))
        await call.play(hiss)
        assert [turn.text for turn in agent.turns] == [TEXT]


async def test_text_of_any_size_and_script_can_be_typed_and_said() -> None:
    agent = ScriptedAgent("Yes.")
    async with VirtualCall(agent) as call:
        for text in ("x" * 100_000, "日本語のテキスト。", "\0\1\2", "🙂" * 100):
            call.session.send_text(text)
            await call.settle()
        assert len(agent.turns) == 4
        assert call.of(ErrorRaised) == []
