"""`serve` and `aserve` from a program."""

from __future__ import annotations

import asyncio
import signal

import httpx
import pytest

import duologue
from duologue.errors import ConfigError

pytestmark = pytest.mark.anyio

DEADLINE = 60.0


async def agent(text: str) -> str:
    return "Yes."


async def test_serve_where_a_loop_runs_says_what_to_use() -> None:
    with pytest.raises(ConfigError, match=r"an event loop runs already.*await duologue\.aserve"):
        duologue.serve(agent, port=0)


@pytest.mark.models
async def test_aserve_serves_until_its_task_is_cancelled_and_leaves_signals_alone() -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    handler = signal.getsignal(signal.SIGINT)
    lines: list[str] = []
    serving = asyncio.create_task(
        duologue.aserve(
            agent, port=0, smart_turn=False, say=lines.append, on_ready=lambda address, _: ready.set_result(address)
        )
    )
    async with asyncio.timeout(DEADLINE), httpx.AsyncClient(trust_env=False) as client:
        while not (ready.done() or serving.done()):
            await asyncio.sleep(0.01)
        assert (await client.get(f"{ready.result()}/ready")).status_code == 200
        assert signal.getsignal(signal.SIGINT) is handler
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{ready.result()}/live")
    assert lines[0] == "loading models"
