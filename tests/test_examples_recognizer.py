"""The recognizer of examples/ works in a session, against a server on a real socket."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from duologue.conversation import events
from duologue.session import ErrorRaised, SessionConfig
from duologue.testing.agents import ScriptedAgent
from duologue.testing.spoken import understand
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parent.parent / "examples" / "streaming_recognizer.py"
TEXT = "I would like to have a table for four people."


def example() -> Any:
    spec = importlib.util.spec_from_file_location("streaming_recognizer", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Server:
    """Understands spoken audio, counts in seconds from the start of each connection, and breaks off on request."""

    def __init__(self) -> None:
        self.connections = 0
        self.breaks_after: int | None = None
        self.url = ""

    async def handle(self, socket: ServerConnection) -> None:
        self.connections += 1
        pcm, done, partial = bytearray(), 0, 0
        async for message in socket:
            if isinstance(message, bytes):
                pcm += message
                if self.breaks_after is not None and len(pcm) > self.breaks_after:
                    self.breaks_after = None
                    await socket.close(1011)
            final = isinstance(message, str)
            if final or len(pcm) - partial >= 12_800:
                partial = len(pcm)
                answer = {"type": "final" if final else "partial", "text": understand(bytes(pcm[done:]))}
                await socket.send(json.dumps({**answer, "start": done / 32_000, "end": len(pcm) / 32_000}))
            if final:
                done = len(pcm)
                await socket.send(json.dumps({"type": "end_of_turn", "probability": 0.9, "end": done / 32_000}))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with serve(server.handle, "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}"
        yield server


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text("utf-8").splitlines()) < 60


async def test_a_recognizer_of_ones_own_hears_a_call(server: Server) -> None:
    stt = example().MySpeechToText(server.url)
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt) as call:
        await call.say(TEXT)
        await call.say("And a chair.")
        assert [t.user_text for t in call.turns] == [TEXT, "And a chair."]
        assert call.of(events.PartialTranscript)
        assert call.of(ErrorRaised) == []
    assert server.connections == 1


async def test_a_connection_that_breaks_in_mid_sentence_costs_no_word(server: Server) -> None:
    server.breaks_after = 40_000
    stt = example().MySpeechToText(server.url)
    async with VirtualCall(ScriptedAgent("Yes."), stt=stt, config=SessionConfig(words_timeout=4.0)) as call:
        await call.say(TEXT)
        assert [t.user_text for t in call.turns] == [TEXT]
        assert call.of(ErrorRaised) == []
    assert server.connections == 2
