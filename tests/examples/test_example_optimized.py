"""The optimized session over stand-ins, and a call that is moved between local models and providers by its settings."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import assemblyai_server
import deepgram_server
import elevenlabs_server
import openai_speech
import pytest
from assemblyai_server import AssemblyAIServer
from deepgram_server import DeepgramServer
from elevenlabs_server import ElevenLabsServer
from openai_speech import OpenAISpeechServer

from duologue.client import AudioFrame, connect
from duologue.resilience import BreakerRegistry, guard
from duologue.settings.load import load_settings
from duologue.testing.spoken import speak, understand
from duologue.wire.messages import AgentHeard
from serving import DEADLINE, PATIENT, serving, use_fakes

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
FRAME = 640
ANSWER = "You said: Is it?"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use_fakes(monkeypatch)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("DEEPGRAM_API_KEY", deepgram_server.KEY)
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", assemblyai_server.KEY)
    monkeypatch.setenv("ELEVENLABS_API_KEY", elevenlabs_server.KEY)
    monkeypatch.setenv("SPEECH_API_KEY", openai_speech.KEY)
    yield
    sys.modules.pop("optimized", None)


async def answers(url: str, *, greeting: str = "") -> list[str]:
    """What the agent is heard to say when it is asked aloud, after its greeting; the sound is the same words."""
    audio, heard = bytearray(), list[str]()
    async with connect(url) as call, asyncio.timeout(DEADLINE):
        talking = asyncio.create_task(ask(call, begins := asyncio.Event()))
        if not greeting:
            begins.set()
        async for message in call:
            if isinstance(message, AudioFrame):
                audio += message.data
            elif isinstance(message, AgentHeard):
                heard.append(message.text)
                begins.set()
                if ANSWER in message.text:
                    break
        talking.cancel()
        spoken = understand(bytes(audio), call.started.audio_out.rate)
    assert "".join(heard).replace(" ", "") == spoken.replace(" ", "")
    return heard


async def ask(call: Any, begins: asyncio.Event) -> None:
    """Send what a microphone does, at its pace: silence, the question once it begins, and silence."""
    loop = asyncio.get_running_loop()
    question, began, sent = speak("Is it?", pitch=170), loop.time(), 0  # another voice than that of the stand-ins
    while True:
        frame = b""
        if begins.is_set():
            frame, question = question[:FRAME], question[FRAME:]
        await call.send_audio(frame.ljust(FRAME, b"\0"))
        sent += 1
        await asyncio.sleep(began + sent * 0.02 - loop.time())


async def test_the_optimized_session(monkeypatch: pytest.MonkeyPatch) -> None:
    async with DeepgramServer() as deepgram, OpenAISpeechServer() as speech:
        monkeypatch.setenv("DEEPGRAM_URL", deepgram.url)
        monkeypatch.setenv("SPEECH_URL", speech.url)
        optimized: Any = importlib.import_module("optimized")
        config = optimized.OPTIONS["config"]
        assert (config.keep_alive_interval, config.max_retries, config.timeout) == (30, 3, 1800)
        async with serving(optimized.Agent, **{**optimized.OPTIONS, "engine": PATIENT}) as url:
            assert await answers(url, greeting="Good morning.") == ["Good morning.", f"Certainly. {ANSWER}"]
        assert "Finalize" in deepgram.received
        assert dict(deepgram.queries[0])["interim_results"] == "true"
        assert "Certainly." in [body["input"] for body in speech.bodies]
        assert speech.connections < len(speech.bodies)  # kept from clause to clause
        assert deepgram.problems == speech.problems == []


LOCAL = """\
[agent]
name = "echo"
greeting = ""
[limits.admission]
max_tick_lag = 60
max_lateness = 60
max_backlog = 600
"""
PROVIDERS = """\
[resilience]
first_chunk = 8
[providers]
stt = ["deepgram/nova-3", "assemblyai"]
tts = ["openai/kokoro", "elevenlabs"]
[stt.deepgram]
base_url = "{deepgram}"
[stt.assemblyai]
base_url = "{assemblyai}"
[tts.openai]
voice = "af_heart"
base_url = "{openai}"
api_key_env = "SPEECH_API_KEY"
[tts.elevenlabs]
voice = "voice_1"
base_url = "{elevenlabs}"
"""


async def test_a_call_is_moved_by_its_settings_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "duologue.toml"

    async def called(settings: str) -> list[str]:
        monkeypatch.setattr(guard, "BREAKERS", BreakerRegistry())  # the stand-ins of others have the same host
        file.write_text(settings)
        async with serving(settings=load_settings(file, environment={})) as url:
            return await answers(url)

    first = DeepgramServer(), OpenAISpeechServer()
    refusing = DeepgramServer(["unauthorized"] * 9), OpenAISpeechServer(["unavailable"] * 9)
    async with AsyncExitStack() as stack:
        for server in (*first, *refusing):
            await stack.enter_async_context(server)
        second = (
            await stack.enter_async_context(AssemblyAIServer()),
            await stack.enter_async_context(ElevenLabsServer()),
        )

        def providers(deepgram: DeepgramServer, openai: OpenAISpeechServer) -> str:
            urls = {"deepgram": deepgram.url, "openai": openai.url}
            urls |= {"assemblyai": second[0].url, "elevenlabs": second[1].url}
            return LOCAL + PROVIDERS.format(**urls)

        assert [*await asyncio.gather(called(LOCAL), called(providers(*first)))] == [[ANSWER]] * 2
        assert (len(first[0].queries), len(second[0].queries), second[1].texts) == (1, 0, [])
        assert ANSWER in [body["input"] for body in first[1].bodies]
        assert [*await asyncio.gather(called(providers(*refusing)), called(LOCAL))] == [[ANSWER]] * 2
        assert (refusing[0].queries, refusing[1].bodies, len(first[0].queries)) == ([], [], 1)
        assert len(second[0].queries) == 1
        assert ANSWER in ["".join(texts).strip() for texts in second[1].texts]
        assert [server.problems for server in (*first, *refusing, *second)] == [[]] * 6
