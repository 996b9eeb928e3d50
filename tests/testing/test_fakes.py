"""Fakes have the faces of what they stand for, and fail as they are told."""

import asyncio
from itertools import repeat

import numpy as np
import pytest

from duologue.agent import Agent, EndCall, Turn
from duologue.engine import Engine
from duologue.errors import ProviderUnavailableError
from duologue.stt import Final, SttModel
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import (
    FOREVER,
    FakeSpeechToText,
    FakeSttModel,
    FakeTextToSpeech,
    FakeTtsModel,
    FakeTurnModel,
    PeakVad,
    SentenceEnd,
)
from duologue.testing.spoken import speak, understand
from duologue.testing.virtual import VirtualCall
from duologue.tts import TtsModel

pytestmark = pytest.mark.anyio

DOWN = ProviderUnavailableError("down")


async def nothing() -> None:
    """No turn to wait for."""


TURN = Turn(1, "Hello.", (), nothing)


async def test_speech_to_text_reads_the_sound_or_its_script() -> None:
    assert (await FakeSpeechToText().transcribe(speak("Hello."))).text == "Hello."
    scripted = FakeSpeechToText("One.", "Two.")
    assert [t.text for t in await scripted.transcribe_batch([b"", b"", b""])] == ["One.", "Two.", "Two."]
    assert scripted.asked == [0.0] * 3


async def test_a_stream_gives_finals_on_request() -> None:
    stream = FakeSpeechToText().stream()
    sound = speak("Hello.")
    stream.push(sound[:6_000], 0)
    stream.push(sound[6_000:], 3_000)
    stream.finalize(len(sound) // 2)
    assert await anext(aiter(stream)) == Final("Hello.", 0, len(sound) // 2)
    await stream.aclose()
    assert [event async for event in stream] == []


async def test_faults_come_first_and_then_it_works() -> None:
    stt = FakeSpeechToText(faults=[DOWN, 0.0])
    with pytest.raises(ProviderUnavailableError):
        await stt.transcribe(speak("Hello."))
    assert [(await stt.transcribe(speak("Hello."))).text for _ in range(2)] == ["Hello."] * 2
    tts = FakeTextToSpeech(faults=repeat(DOWN))
    for _ in range(3):
        with pytest.raises(ProviderUnavailableError):
            await tts.synthesize("Hello.")


async def test_for_ever_is_until_it_is_cancelled() -> None:
    task = asyncio.create_task(FakeSpeechToText(faults=[FOREVER]).transcribe(b""))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_speech_carries_its_words_and_may_say_when_they_sound() -> None:
    speech = await FakeTextToSpeech(exact=True).synthesize("Hello there.")
    assert understand(speech.pcm, speech.rate) == "Hello there."
    assert (speech.timings, [w.text for w in speech.words]) == ("exact", ["Hello", "there."])
    assert (await FakeTextToSpeech().synthesize("...")).pcm == b""


async def test_models_do_the_same_in_batches() -> None:
    stt, tts = FakeSttModel(faults=[None, DOWN]), FakeTtsModel()
    assert isinstance(stt, SttModel)
    assert isinstance(tts, TtsModel)
    async with Engine(vad=PeakVad(), words=SentenceEnd(), paced=False) as engine:
        transcripts = engine.stt(stt)
        assert (await transcripts.transcribe(speak("Hello."))).text == "Hello."
        with pytest.raises(ProviderUnavailableError):
            await transcripts.transcribe(speak("Hello."))
        assert understand((await engine.tts(tts).synthesize("Hello.")).pcm, 24_000) == "Hello."
    assert FakeTurnModel(0.1, 0.9).run([np.zeros(3, np.float32)] * 3) == [0.1, 0.9, 0.9]


def test_the_detector_gives_the_peak_and_knows_its_rows() -> None:
    vad = PeakVad()
    assert (vad.open(), vad.open()) == (0, 1)
    vad.close(0)
    assert vad.open() == 0
    windows = np.zeros((2, 512), np.int16)
    windows[1, 7] = -32767
    assert vad.score(np.array([0, 1]), windows).tolist() == [0.0, 1.0]
    with pytest.raises(KeyError):
        vad.score(np.array([5]), windows[:1])
    with pytest.raises(KeyError):
        vad.reset(5)


async def test_an_agent_follows_its_script() -> None:
    agent = ScriptedAgent(["a", 0.0, EndCall("done")], "b", [ValueError("broken")])
    assert isinstance(agent, Agent)
    assert [piece async for piece in agent.reply(TURN)] == ["a", EndCall("done")]
    assert [piece async for piece in agent.reply(TURN)] == ["b"]
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            await anext(agent.reply(TURN))
    assert (len(agent.turns), agent.yielded, agent.closed) == (4, 3, 4)
    assert [piece async for piece in ScriptedAgent().reply(TURN)] == []


async def test_a_call_in_virtual_time_takes_none() -> None:
    async with VirtualCall(ScriptedAgent("For when?", "Done.")) as call:
        await call.say("A table for four, please.")
        await call.silence(60.0)
        await call.say("Tomorrow.")
        assert call.heard == ["For when?", "Done."]
        assert call.sounded == "For when? Done."
        assert [turn.user_text for turn in call.turns] == ["A table for four, please.", "Tomorrow."]
        assert call.clock.now() > 60.0


async def test_the_same_call_takes_the_same_course() -> None:
    async def course() -> list[str]:
        async with VirtualCall(ScriptedAgent("For when? I have a few.", speculative=True)) as call:
            await call.say("A table for four, please.")
            await call.speak("Tomo")
            await call.silence(0.3)
            await call.say("rrow.")
            return [
                f"{e.pos} {e.wall:.3f} {type(e).__name__}" for e in call.events if "Measured" not in type(e).__name__
            ]

    assert await course() == await course()
