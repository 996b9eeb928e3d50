"""An ended session is freed at once, and not by the garbage collector, which stops every call while it looks for it."""

import weakref

import pytest

from duologue.engine import EngineConfig
from duologue.errors import OverloadedError, ProviderUnavailableError
from duologue.recording.replayer import Replayer
from duologue.session import RealtimeResponder, VoiceSession
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FOREVER, FakeSpeechToText, FakeTextToSpeech
from duologue.testing.realtime import FakeRealtimeModel
from duologue.testing.virtual import VirtualCall
from duologue.testing.voices import StreamingVoice
from rings import no_rings

pytestmark = pytest.mark.anyio

LONG = "The first thing is this one here. The second thing is that one there. The third is gone."


@pytest.mark.parametrize("speculative", [False, True])
async def test_nothing_of_a_call_is_left_in_a_ring(speculative: bool) -> None:
    with no_rings():
        async with VirtualCall(ScriptedAgent(LONG, "Yes?", speculative=speculative)) as call:
            call.session.meter(0.1)
            await call.speak("Hello.")
            await call.silence(1.5)
            await call.say("Wait, I have another question for you.")
            await call.speak("Is it")
            await call.silence(0.3)
            await call.say("here?")
            assert call.session.record.interruptions == 1
        session = weakref.ref(call.session)
        del call
        assert session() is None


async def test_nor_of_one_that_a_speech_to_speech_model_answers() -> None:
    with no_rings():
        responder = RealtimeResponder(FakeRealtimeModel(LONG, "Yes?"))
        async with VirtualCall(responder=responder) as call:
            await call.speak("Hello.")
            await call.silence(1.5)
            await call.say("Wait, I have another question for you.")
            assert call.session.record.interruptions == 1
        session = weakref.ref(call.session)
        del call, responder
        assert session() is None


@pytest.mark.parametrize("aligned", [False, True])
async def test_nor_of_one_whose_voice_streams_and_fails(aligned: bool) -> None:
    with no_rings():
        voice = StreamingVoice(aligned=aligned, faults=[ProviderUnavailableError("down"), "", "break", "back_spans"])
        async with VirtualCall(ScriptedAgent(LONG), tts=voice) as call:
            for _ in range(2):
                await call.speak("Hello.")
                await call.silence(1.5)
                await call.say("Wait, I have another question for you.")
        session = weakref.ref(call.session)
        del call
        assert session() is None


async def test_nor_of_one_that_ends_while_much_is_under_way() -> None:
    with no_rings():
        async with VirtualCall(ScriptedAgent([FOREVER]), stt=FakeSpeechToText("Hello.", faults=[0.0, FOREVER])) as call:
            await call.play(b"\xff\x7f" * 16_000 + bytes(32_000), waits=False)
            await call.play(b"\xff\x7f" * 16_000 + bytes(6_400), waits=False)
        del call


async def test_nor_of_one_that_was_refused() -> None:
    async with VirtualCall(ScriptedAgent("Yes."), engine=EngineConfig(max_sessions=1)) as call:
        with no_rings():
            one_more = VoiceSession(
                engine=call.engine, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), agent=ScriptedAgent()
            )
            with pytest.raises(OverloadedError):
                await one_more.__aenter__()
            del one_more


async def test_one_that_was_refused_may_come_again() -> None:
    async with VirtualCall(ScriptedAgent("Yes."), engine=EngineConfig(max_sessions=1)) as call:
        agent = ScriptedAgent("Here I am.")
        waiting = VoiceSession(engine=call.engine, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), agent=agent)
        with pytest.raises(OverloadedError):
            await waiting.__aenter__()
        await call.session.close()
        async with waiting:
            waiting.send_text("Hello.")
            await Replayer(waiting).play(b"")
            assert [message.text for message in waiting.history] == ["Hello.", "Here I am."]
