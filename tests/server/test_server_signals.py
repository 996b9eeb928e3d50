"""SIGTERM and Ctrl-C over real processes: turns end first, a second signal ends at once, and the status is always 0."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest

from duologue.client import Conversation, connect
from duologue.wire import messages as wire

pytestmark = pytest.mark.anyio

T = TypeVar("T", wire.AgentText, wire.AgentHeard, wire.Ended)

HERE = Path(__file__).parent
DEADLINE = 60.0
"""Seconds after which a test that waits has failed."""

NEVER = {"DUOLOGUE_SERVER__DRAIN_TIMEOUT": "600"}
"""Without a second signal, the end of a turn is waited for until after the test."""


@asynccontextmanager
async def served(workers: int) -> AsyncIterator[tuple[Process, str]]:
    """`duologue serve` over fakes, and the address of its stream."""
    command = [
        sys.executable,
        str(HERE / "signalled.py"),
        "serve",
        "--agent",
        "signalled:agent",
        "--port",
        "0",
        "--json",
    ]
    process = await asyncio.create_subprocess_exec(
        *command, "--workers", str(workers), cwd=HERE, env=os.environ | NEVER, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            ready = json.loads(await process.stdout.readuntil(b"}"))
        yield process, ready["address"].replace("http", "ws") + "/v1/stream"
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def ended(process: Process) -> tuple[int, str]:
    """The exit status, and what was written to standard error."""
    assert process.stderr is not None
    async with asyncio.timeout(DEADLINE):
        errors = await process.stderr.read()
        return await process.wait(), errors.decode()


async def until(call: Conversation, kind: type[T]) -> T:
    async with asyncio.timeout(DEADLINE):
        async for message in call:
            if isinstance(message, kind):
                return message
    raise AssertionError("the call ended")


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGTERM), (2, signal.SIGINT)])
async def test_a_turn_that_has_begun_is_heard_to_its_end(workers: int, number: signal.Signals) -> None:
    async with served(workers) as (process, url), connect(url, resumable=False, timeout=DEADLINE) as call:
        await call.text("One moment.")
        await until(call, wire.AgentText)
        process.send_signal(number)
        assert (await until(call, wire.AgentHeard)).text == "This is the whole answer."
        assert (await until(call, wire.Ended)).reason == "shutdown"
        status, errors = await ended(process)
    assert status == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_second_signal_ends_at_once_and_later_ones_change_nothing(workers: int) -> None:
    async with served(workers) as (process, url), connect(url, resumable=False, timeout=DEADLINE) as call:
        await call.text("Never.")
        ending = asyncio.create_task(ended(process))
        async with asyncio.timeout(DEADLINE):
            while not ending.done():
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
                await asyncio.wait([ending], timeout=0.05)
        status, errors = await ending
        assert (await until(call, wire.Ended)).reason == "shutdown"
    assert status == 0
    assert "Traceback" not in errors
