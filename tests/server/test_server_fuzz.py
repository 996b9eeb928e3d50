"""Frames and messages from seeds, over a real socket: nothing breaks, nothing is left, nothing floods the log."""

from __future__ import annotations

import asyncio
import logging
import os

import pytest
from fake_backend import DEADLINE, FakeBackend, listening

from duologue.server.app import create_app
from duologue.server.listener import WEBSOCKETS
from duologue_bench.soak.fuzz import LOOK_EVERY, fuzz, pieces, send_pieces

pytestmark = pytest.mark.anyio

SEEDS = range(160)


def test_a_seed_sends_the_same_each_time() -> None:
    assert pieces(7, "a:1") == pieces(7, "a:1")
    assert pieces(7, "a:1") != pieces(8, "a:1")
    assert all(sum(map(len, pieces(seed, "a:1"))) < 2_000_000 for seed in SEEDS)


@pytest.mark.parametrize("websockets", WEBSOCKETS)
async def test_no_seed_breaks_anything(websockets: str, caplog: pytest.LogCaptureFixture) -> None:
    backend = FakeBackend()
    with caplog.at_level(logging.WARNING):
        async with listening(create_app(backend.build), websockets=websockets) as (listener, address):
            tasks, descriptors = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))
            crowds = [fuzz(address, SEEDS[start::4]) for start in range(4)]
            for result in await asyncio.gather(*crowds):
                assert result.failed == []
                assert result.calls == result.seeds // LOOK_EVERY > 0
            async with asyncio.timeout(2 * DEADLINE):
                while len(listener.gate) or len(asyncio.all_tasks()) > tasks:
                    await asyncio.sleep(0.01)
            assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    assert len(caplog.text.splitlines()) < 100


async def test_a_server_that_is_not_there_is_no_failure_of_the_attacker() -> None:
    await send_pieces("127.0.0.1:9", [b"x"])
