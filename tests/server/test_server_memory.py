"""What a connection held is freed when it ends: the garbage collector, which stops every call, has nothing to find."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fake_backend import DEADLINE, listening
from websockets.asyncio.client import connect

from duologue.engine import EngineConfig
from duologue.engine.admission import Admission
from duologue.server.app import create_app
from duologue.server.call_options import CallOptions, named_agents
from duologue.server.listener import WEBSOCKETS
from duologue.server.session_factory import SessionFactory
from duologue.settings.local import LocalModels
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSttModel, FakeTtsModel, PeakVad, SentenceEnd
from duologue.testing.spoken import speak
from duologue.wire.frames import pack
from rings import no_rings

pytestmark = pytest.mark.anyio

FRAME = 640
"""Bytes of 20 ms."""


@asynccontextmanager
async def backend() -> AsyncIterator[SessionFactory]:
    models = LocalModels(PeakVad(), FakeSttModel(), FakeTtsModel(), SentenceEnd(), None)
    async with models.engine(config=EngineConfig(admission=Admission(max_tick_lag=DEADLINE))) as engine:
        agents = named_agents(lambda: ScriptedAgent("Good bye then."), None)
        yield SessionFactory(engine, models, CallOptions(agents=agents))


@pytest.mark.parametrize("websockets", WEBSOCKETS)
@pytest.mark.parametrize("polite", [True, False])
async def test_nothing_of_a_connection_is_left_in_a_ring(websockets: str, polite: bool) -> None:
    app = create_app(backend)
    async with listening(app, websockets=websockets) as (_, address), asyncio.timeout(DEADLINE):
        while not app.registry.takes_sessions:
            await asyncio.sleep(0.01)
        await call(address, polite)  # what is made once stays
        with no_rings():
            await call(address, polite)
            while app.registry.connections:
                await asyncio.sleep(0.01)


async def call(address: str, polite: bool) -> None:
    """Say a word, hear the beginning of the answer, and go."""
    async with connect(f"ws://{address}/v1/stream", compression=None, proxy=None) as client:
        await client.send(json.dumps({"type": "start", "version": 1}))
        pcm = speak("Hello.") + bytes(100 * FRAME)
        for i in range(0, len(pcm), FRAME):
            await client.send(pack(i // 2, 0, pcm[i : i + FRAME].ljust(FRAME, b"\0")))
        while not isinstance(await client.recv(), bytes):
            pass
        if polite:
            await client.send(json.dumps({"type": "end"}))
            async for message in client:
                if isinstance(message, str) and json.loads(message)["type"] == "ended":
                    break
        else:
            client.transport.abort()
