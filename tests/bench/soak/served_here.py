"""A server in this process, over models that take no time, for soaks that are to be small."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duologue.agent.booking import BookingAgent
from duologue.conversation.config import ConversationConfig
from duologue.engine import Admission, EngineConfig
from duologue.server.app import create_app
from duologue.server.call_options import CallOptions, named_agents
from duologue.server.listener import Listener
from duologue.server.registry import ConnectionRegistry
from duologue.server.session_factory import SessionFactory
from duologue.session import SessionConfig
from duologue.settings.local import LocalModels
from duologue.testing.fakes import FakeSttModel, FakeTtsModel, PeakVad, SentenceEnd
from duologue.testing.spoken import speak
from duologue.tts import Speech, SpeechRequest
from duologue_bench.memory import private_bytes, threads
from duologue_bench.server import Footprint


class Same(FakeSttModel):
    """Understands the same whatever is said."""

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[str]:
        super().run(items)
        return ["we went in all the same"] * len(items)


class Voice:
    """The callers' voice: a second of whatever is to be said."""

    def run(self, items: list[SpeechRequest]) -> list[Speech]:
        return [Speech(item.text, speak(item.text)[:32_000], 16_000, (), "estimated") for item in items]


class Here:
    """What a soak uses of a server."""

    def __init__(self, port: int, registry: ConnectionRegistry) -> None:
        self.url = f"ws://127.0.0.1:{port}/v1/stream"
        self._registry = registry

    async def ops(self) -> dict[str, Any]:
        return {"sum": dict(self._registry.report())}

    def cpu_s(self) -> float:
        return 0.0

    def footprint(self) -> Footprint:
        return Footprint(0.0, private_bytes(), threads(), len(list(Path("/proc/self/fd").iterdir())))


@asynccontextmanager
async def served_here(max_sessions: int = 10, **rules: Any) -> AsyncIterator[Here]:
    """`rules` as for ConversationConfig."""
    models = LocalModels(PeakVad(), Same(), FakeTtsModel(), SentenceEnd(), None)

    @asynccontextmanager
    async def build() -> AsyncIterator[SessionFactory]:
        config = SessionConfig(rules=ConversationConfig(greeting=BookingAgent.greeting, **rules))
        # A machine that is busy with something else admits the callers too: only their number is limited here.
        admission = Admission(max_tick_lag=60.0, max_lateness=60.0, max_backlog=600.0, retry_after=0.2)
        async with models.engine(config=EngineConfig(max_sessions=max_sessions, admission=admission)) as engine:
            options = CallOptions(agents=named_agents(BookingAgent, None), config=config)
            yield SessionFactory(engine, models, options)

    app = create_app(build)
    listener = Listener(app, port=0, log_config=None)
    serving = asyncio.create_task(listener.serve())
    while not listener.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    try:
        yield Here(listener.port, app.registry)
    finally:
        listener.should_exit = True
        await serving
