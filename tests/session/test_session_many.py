"""Many sessions in one engine: each is itself, and one that fails disturbs no other."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import repeat
from typing import Any

import pytest

from duologue.clock import VirtualClock
from duologue.conversation import events
from duologue.engine import Engine, EngineConfig
from duologue.errors import OverloadedError, ProviderUnavailableError
from duologue.recording.replayer import Replayer
from duologue.session import AudioSink, SessionConfig, VoiceSession
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import (
    FOREVER,
    FakeSpeechToText,
    FakeSttModel,
    FakeTextToSpeech,
    FakeTtsModel,
    PeakVad,
    SentenceEnd,
)
from duologue.testing.spoken import speak

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def engine(**config: Any) -> AsyncIterator[Engine]:
    async with Engine(
        vad=PeakVad(), words=SentenceEnd(), config=EngineConfig(**config), clock=VirtualClock(), paced=False
    ) as e:
        yield e


def session(engine: Engine, agent: Any, **parts: Any) -> VoiceSession:
    parts = {"stt": FakeSpeechToText(), "tts": FakeTextToSpeech(), **parts}
    return VoiceSession(engine=engine, agent=agent, **parts)


async def play(sounds: dict[VoiceSession, bytes], *, wait_for: Iterable[VoiceSession]) -> None:
    """Play to all sessions at once; the sound goes on when those that are waited for are not behind."""
    await Replayer(*sounds, progress_timeout=20.0).play(*sounds.values(), wait_for=list(wait_for), max_tail=0.0)


async def converse(good: list[VoiceSession], bad: list[VoiceSession]) -> None:
    sound = bytes(3_200) + speak("Is it well?") + bytes(3 * 32_000)
    async with AsyncExitStack() as stack:
        for s in (*good, *bad):
            await stack.enter_async_context(s)
        await play(dict.fromkeys((*good, *bad), sound), wait_for=good)


class BrokenSink(AudioSink):
    """Raises at the first frame."""

    def send(self, pcm: bytes, position: int, generation: int) -> None:
        raise ZeroDivisionError

    def flush(self, generation: int) -> None:
        raise ZeroDivisionError


FAILING: dict[str, dict[str, Any]] = {
    "agent raises": {"agent": ScriptedAgent([ZeroDivisionError()])},
    "agent hangs": {"agent": ScriptedAgent([FOREVER])},
    "agent does not stop": {"agent": ScriptedAgent(["word "] * 100_000)},
    "words fail": {"stt": FakeSpeechToText(faults=repeat(ProviderUnavailableError("down")))},
    "words hang": {"stt": FakeSpeechToText(faults=repeat(FOREVER))},
    "voice fails": {"tts": FakeTextToSpeech(faults=repeat(ZeroDivisionError()))},
    "voice hangs": {"tts": FakeTextToSpeech(faults=repeat(FOREVER))},
    "sink fails": {"sink": BrokenSink()},
}


@pytest.mark.parametrize("failing", FAILING)
async def test_a_session_that_fails_disturbs_no_other(failing: str) -> None:
    async with engine() as e:
        good = session(e, ScriptedAgent("All is well."))
        bad = session(e, **{"agent": ScriptedAgent("Yes."), **FAILING[failing]})
        await converse([good], [bad])
    assert [t.heard_text for t in good.record.turns] == ["All is well."]
    assert good.starved == 0
    assert not good.record.errors
    assert not any(t.heard_text == "Yes." for t in bad.record.turns)


async def test_sessions_share_models_and_one_bad_utterance_spoils_no_other() -> None:
    class Choosy(FakeSttModel):
        def run(self, items: Any) -> list[str]:
            texts = super().run(items)
            if "Poison." in texts:
                raise ValueError("I choke on this.")
            return texts

    stt, tts = Choosy(), FakeTtsModel()
    async with engine() as e:
        good = [session(e, ScriptedAgent(f"Number {i} it is."), stt=stt, tts=tts) for i in range(6)]
        bad = session(e, ScriptedAgent("Never."), stt=stt, tts=tts)
        sounds = {s: speak("Hello there.") + bytes(3 * 32_000) for s in good}
        sounds[bad] = speak("Poison.") + bytes(3 * 32_000)
        async with AsyncExitStack() as stack:
            for s in sounds:
                await stack.enter_async_context(s)
            await play(sounds, wait_for=sounds)
    assert [[t.heard_text for t in s.record.turns] for s in good] == [[f"Number {i} it is."] for i in range(6)]
    assert [error.code for error in bad.record.errors] == ["provider_error"]
    assert not bad.record.turns


@pytest.mark.no_cover
async def test_a_hundred_sessions_hold_a_conversation_at_once() -> None:
    n = 100
    ended: list[str] = []
    async with engine(max_sessions=n) as e, AsyncExitStack() as stack:
        sounds = {}
        for i in range(n):
            agent = ScriptedAgent(f"You are number {i}. Is it so?", "Good bye.", speculative=i % 2 == 0)
            s = session(
                e,
                agent,
                stt=FakeSttModel() if i % 3 == 0 else FakeSpeechToText(),
                tts=FakeTtsModel() if i % 4 == 0 else FakeTextToSpeech(),
                config=SessionConfig(seed=i),
                on_end=lambda s, record: ended.append(s.id),
            )
            await stack.enter_async_context(s)
            lead = bytes(320 * (i % 20))  # nobody speaks at quite the same time
            sounds[s] = lead + speak(f"I am {i}.") + bytes(int(3.2 * 32_000)) + speak("Yes.") + bytes(2 * 32_000)
        with pytest.raises(OverloadedError):
            e.admit()
        await play(sounds, wait_for=sounds)
        for i, s in enumerate(sounds):
            assert [m.text for m in s.history] == [f"I am {i}.", f"You are number {i}. Is it so?", "Yes.", "Good bye."]
            assert [t.end_reason for t in s.record.turns] == ["words", "words"]
            assert (s.starved, len(s.record.errors), s.record.missing) == (0, 0, 0.0)
        assert e.counters.windows == sum(s._input.hearing.position for s in sounds) // 512
        vad = e.vad
        assert isinstance(vad, PeakVad)
        assert max(map(len, vad.batches)) == e.config.batch
        assert len(vad.batches) < e.counters.windows / 20
    assert e.active == 0
    assert not vad.rows
    assert sorted(ended) == sorted(s.id for s in sounds)


async def test_a_long_monologue_is_cut_in_parts_and_delays_nobody() -> None:
    async with engine() as e:
        stt = FakeSttModel()
        talker = session(e, ScriptedAgent("I see."), stt=stt)
        other = session(e, ScriptedAgent("Yes."), stt=stt)
        sounds = {talker: speak("and so it goes " * 25 + "on.") + bytes(3 * 32_000), other: b""}
        sounds[other] = (speak("Hello.") + bytes(4 * 32_000)) * 5
        async with talker, other:
            told = talker.events(max_queue=10_000)
            await play(sounds, wait_for=sounds)
            cuts = [event for event in told.drain() if isinstance(event, events.UtteranceCut)]
        assert len(cuts) >= 1
        assert talker.record.turns[0].user_text == ("and so it goes " * 25 + "on.")
        assert [t.heard_text for t in other.record.turns] == ["Yes."] * 5


@pytest.mark.parametrize("fault", [ValueError("a secret"), SystemExit(3)])
async def test_a_transport_whose_watcher_raises_ends_its_call_alone(
    fault: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []

    def on_event(event: events.Event) -> None:
        told.append(event)
        raise fault

    def on_end(reason: str) -> None:
        told.append(reason)
        raise fault

    async with engine() as e, session(e, ScriptedAgent("Fine.")) as other:
        broken = session(e, ScriptedAgent("Yes."))
        broken.watch(on_event, on_end)
        after: list[str] = []
        broken.watch(lambda _: None, after.append)
        async with broken:
            assert await broken.wait_ended() == "watcher_failed"
        assert [type(each) for each in told] == [events.CallChanged, str]
        assert after == ["watcher_failed"]
        assert broken.record.errors[0].code == "hook_error"
        assert "secret" not in caplog.text
        assert "test_session_many.py" in caplog.text
        await play({other: speak("Hello.") + bytes(64_000)}, wait_for=[other])
        assert [turn.user_text for turn in other.record.turns] == ["Hello."]
