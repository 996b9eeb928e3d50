"""Servers that tests run in their own event loop, over fakes in place of the local models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

import duologue
from duologue.client import Conversation
from duologue.engine import Admission, EngineConfig
from duologue.server import application
from duologue.settings.local import LocalModels
from duologue.testing.fakes import FakeSttModel, FakeTtsModel, PeakVad, SentenceEnd
from duologue.wire import messages as wire

__all__ = ["DEADLINE", "PATIENT", "heard", "run_by_uvicorn", "serving", "use_fakes"]

DEADLINE = 30.0
"""Seconds after which a test that waits has failed."""


PATIENT = EngineConfig(max_sessions=100, admission=Admission(max_tick_lag=60.0, max_lateness=60.0, max_backlog=600.0))
"""Admits calls however busy other programs keep the machine: for tests that are not about admission."""


def use_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have servers load fakes in place of the local models."""

    def load(*_: object, stt: Any = None, tts: Any = None, **__: object) -> LocalModels:
        return LocalModels(PeakVad(), stt or FakeSttModel(), tts or FakeTtsModel(), SentenceEnd(), None)

    monkeypatch.setattr(application, "load_local", load)


@asynccontextmanager
async def serving(*agent: object, **options: Any) -> AsyncIterator[str]:
    """The address of the stream of `duologue.aserve` with these options."""
    options.setdefault("engine", PATIENT)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        duologue.aserve(
            *agent, port=0, say=lambda _: None, on_ready=lambda address, _: ready.set_result(address), **options
        )
    )
    waited: list[asyncio.Future[Any]] = [task, ready]
    await asyncio.wait(waited, timeout=DEADLINE, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield f"{ready.result().replace('http', 'ws')}/v1/stream"
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def run_by_uvicorn(app: Any, *, ws: str = "auto") -> AsyncIterator[str]:
    """A plain uvicorn, as anybody would run it; gives its address, `127.0.0.1:port`."""
    config = uvicorn.Config(app, port=0, log_config=None, ws=ws, lifespan="on", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(DEADLINE):
        while not server.started and not task.done():
            await asyncio.sleep(0.001)
    try:
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


async def heard(call: Conversation, text: str | None = None) -> str:
    """What is heard next, or in answer to a typed text."""
    if text is not None:
        await call.text(text)
    async with asyncio.timeout(DEADLINE):
        async for message in call:
            if isinstance(message, wire.AgentHeard):
                return message.text
            assert not isinstance(message, wire.Error), message
    raise AssertionError("the call ended")
