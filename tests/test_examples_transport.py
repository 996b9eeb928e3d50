"""The transport of examples/ is short, and carries a call over a real socket."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from duologue.agent import EndCall
from duologue.engine import Engine
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText, FakeTextToSpeech, PeakVad, SentenceEnd
from duologue.testing.spoken import speak, understand

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parent.parent / "examples" / "own_transport.py"
CHUNK = 640
LONG = "This is, you see, a long story which I will tell you from its beginning to its very end."


def example() -> Any:
    spec = importlib.util.spec_from_file_location("own_transport", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Client:
    """Speaks in real time, and keeps what it is sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.audio = bytearray()
        self.clears = 0
        self._reader = reader
        self._writer = writer

    async def read(self) -> None:
        """Read until the server closes the connection."""
        with suppress(ConnectionResetError):  # it closes while audio is on its way
            while kind := await self._reader.read(1):
                size = int.from_bytes(await self._reader.readexactly(2), "big")
                self.audio += await self._reader.readexactly(size)
                self.clears += kind == b"C"

    async def speak(self, pcm: bytes) -> None:
        began = asyncio.get_running_loop().time()
        for n, at in enumerate(range(0, len(pcm), CHUNK)):
            await asyncio.sleep(began + n * 0.02 - asyncio.get_running_loop().time())
            self._writer.write(pcm[at : at + CHUNK].ljust(CHUNK, b"\0"))

    async def until(self, is_so: Any) -> None:
        """Send silence until something is so."""
        async with asyncio.timeout(20):
            while not is_so():
                await self.speak(bytes(CHUNK))
                await asyncio.sleep(0.02)  # at the pace of a microphone


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text("utf-8").splitlines()) < 60


async def test_a_call_goes_over_a_transport_of_ones_own() -> None:
    engine = Engine(vad=PeakVad(), words=SentenceEnd())
    agent = ScriptedAgent(LONG, ["Bye.", EndCall()])
    port = free_port()
    async with engine:
        server = await example().serve(
            engine, stt=FakeSpeechToText(), tts=FakeTextToSpeech(rate=16_000), agent=lambda: agent, port=port
        )
        async with server:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            client = Client(reader, writer)
            reading = asyncio.create_task(client.read())
            await client.speak(speak("Hi."))
            await client.until(lambda: len(client.audio) > 16_000)
            await client.speak(speak("Please stop."))
            await client.until(reading.done)
            writer.close()
        assert [turn.text for turn in agent.turns] == ["Hi.", "Please stop."]
        assert client.clears >= 1
        assert agent.turns[1].history[1].interrupted
        assert understand(bytes(client.audio)).endswith("Bye.")
        assert engine.active == 0


async def test_a_caller_who_goes_ends_the_call() -> None:
    engine = Engine(vad=PeakVad(), words=SentenceEnd())
    port = free_port()
    async with engine:
        server = await example().serve(
            engine, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), agent=lambda: ScriptedAgent("Yes."), port=port
        )
        async with server:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(bytes(CHUNK))
            async with asyncio.timeout(10):
                while not engine.active:
                    await asyncio.sleep(0.01)
                writer.close()
                while engine.active:
                    await asyncio.sleep(0.01)
