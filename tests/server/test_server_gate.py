"""Sockets that take their time: each has a deadline, and none keeps others out."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_backend import DEADLINE, FakeBackend, listening
from websockets.asyncio.client import connect

from duologue.server.acceptor import RESERVE, descriptors
from duologue.server.app import create_app
from duologue.server.gate import Gate, Guest
from duologue.server.listener import WEBSOCKETS, Listener
from duologue.server.repeats import AT_FIRST, CountRepeats

pytestmark = pytest.mark.anyio

START = '{"type": "start", "version": 1}'
HANDSHAKE = (
    "GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()

Socket = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Served:
    def __init__(self, listener: Listener, address: str, backend: FakeBackend) -> None:
        self.listener = listener
        self.backend = backend
        self.url = f"ws://{address}/v1/stream"
        self.host, _, port = address.partition(":")
        self.port = int(port)

    async def socket(self, sends: bytes = b"") -> Socket:
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=1024)
        writer.write(sends)
        await writer.drain()
        return reader, writer

    async def converses(self) -> None:
        """A whole small conversation works."""
        async with asyncio.timeout(DEADLINE), connect(self.url, proxy=None) as client:
            await client.send(START)
            assert "started" in str(await client.recv())
            await self.backend.session()

    async def holds(self, sockets: int) -> None:
        """Wait until the server holds so many sockets, and no more."""
        async with asyncio.timeout(DEADLINE):
            while len(self.listener.gate) != sockets:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def served(websockets: str, *, max_connections: int = 1000, **options: Any) -> AsyncIterator[Served]:
    backend = FakeBackend()
    app = create_app(backend.build, max_connections=max_connections)
    async with listening(app, websockets=websockets, **options) as (listener, address):
        yield Served(listener, address, backend)


async def is_closed(socket: Socket) -> None:
    """Wait until the server has closed it; what it sent before is thrown away."""
    async with asyncio.timeout(DEADLINE):
        try:
            while await socket[0].read(1 << 16):
                pass
        except ConnectionError:
            pass
    socket[1].close()


@pytest.mark.parametrize("websockets", WEBSOCKETS)
@pytest.mark.parametrize(
    "sends",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        HANDSHAKE[:-30],
        HANDSHAKE,
        b"POST /ready HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc",
    ],
    ids=["silence", "half the headers", "half a handshake", "no start", "half a body"],
)
async def test_a_socket_that_takes_too_long_is_closed(
    websockets: str, sends: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duologue.server.sockets.START_TIMEOUT", 0.5)
    async with served(websockets) as server:
        server.listener.gate.request_timeout = 0.5
        for socket in [await server.socket(sends) for _ in range(5)]:
            await is_closed(socket)
        await server.holds(0)
        assert server.listener.gate.waiting == 0
        await server.converses()


@pytest.mark.parametrize("websockets", WEBSOCKETS)
async def test_a_reply_that_is_not_read_has_a_deadline(websockets: str) -> None:
    async with served(websockets) as server:
        server.listener.gate.request_timeout = 0.5
        _, writer = await server.socket(b"GET /console/console.js HTTP/1.1\r\nHost: a\r\n\r\n" * 2000)
        await server.holds(0)
        writer.close()


@pytest.mark.parametrize("websockets", WEBSOCKETS)
async def test_silent_sockets_of_one_address_lock_nobody_out(websockets: str) -> None:
    async with served(websockets, max_waiting_per_address=8) as server, AsyncExitStack() as stack:
        talking = await stack.enter_async_context(connect(server.url, proxy=None))
        await talking.send(START)
        assert "started" in str(await talking.recv())
        silent = [await server.socket() for _ in range(50)]
        await server.converses()
        assert server.listener.gate.waiting <= 8
        assert server.listener.gate.evicted >= 42
        await talking.send('{"type": "ping", "id": 7}')  # A session is never closed for others.
        assert "pong" in str(await talking.recv())
        for socket in silent:
            socket[1].close()


@pytest.mark.parametrize("websockets", WEBSOCKETS)
async def test_silent_sockets_of_many_addresses_lock_nobody_out(websockets: str) -> None:
    async with served(websockets) as server:
        server.listener.gate.max_sockets = 8
        silent = [await server.socket() for _ in range(50)]
        await server.converses()
        for socket in silent:
            socket[1].close()
        await server.holds(0)


def test_who_waits_longest_goes_first() -> None:
    gate = Gate(3, max_waiting_per_address=2)
    one, two, other = gate.admit("a"), gate.admit("a"), gate.admit("b")
    assert one is not None
    assert two is not None
    assert other is not None
    one.allow(10.0)  # It makes progress, and waits from now on.
    third = gate.admit("a")
    assert set(gate._waiting) == {one, other, third}
    one.establish()
    other.establish()
    assert gate.admit("c") is not None
    assert len(gate) == 3
    assert third not in gate._waiting
    for guest in list(gate._waiting):
        guest.establish()
    assert gate.admit("d") is None
    assert gate.turned_away == 1
    for guest in list(gate._guests):
        guest.leave()
        guest.leave()
    assert (len(gate), gate._waiting, gate._of_address) == (0, {}, {})
    assert isinstance(gate.admit("d"), Guest)


def test_a_limit_of_open_files_is_raised_or_kept_to() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        if hard == resource.RLIM_INFINITY or hard >= 1000 + RESERVE + 100:
            assert descriptors(1000) > 256
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert 1 <= descriptors(10**9) < 10**9
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


SERVE = """
import asyncio, resource, sys
from fake_backend import FakeBackend
from duologue.server.app import create_app
from duologue.server.listener import Listener
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
async def main():
    listener = Listener(create_app(FakeBackend().build), port=0, websockets=sys.argv[1], log_level="warning")
    if sys.argv[2] == "unaware":
        from duologue.server import acceptor, listener as module
        module.descriptors = lambda wanted: 1000
    serving = asyncio.create_task(listener.serve())
    while not listener.started:
        await asyncio.sleep(0.01)
    print(listener.port, flush=True)
    await serving
asyncio.run(main())
"""


@pytest.mark.parametrize("websockets", WEBSOCKETS)
@pytest.mark.parametrize("awareness", ["aware", "unaware"])
async def test_when_descriptors_run_out_the_log_stays_short_and_calls_come_in_again(
    websockets: str, awareness: str, tmp_path: Path
) -> None:
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *sys.path])}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVE, websockets, awareness], stdout=subprocess.PIPE, stderr=log, env=env
        )
    try:
        assert server.stdout is not None
        port = int(await asyncio.to_thread(server.stdout.readline))
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
        if awareness == "unaware":
            await asyncio.sleep(1.5)  # It backs off at least once.
            for _, writer in silent:
                writer.close()
        async with (
            asyncio.timeout(3 * DEADLINE),
            connect(f"ws://127.0.0.1:{port}/v1/stream", proxy=None, open_timeout=3 * DEADLINE) as client,
        ):
            await client.send(START)
            assert "started" in str(await client.recv())
        for _, writer in silent:
            writer.close()
        server.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.wait, DEADLINE)
    finally:
        server.kill()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()
    assert len((tmp_path / "log").read_text().splitlines()) < 100


def test_equal_lines_are_counted_and_not_repeated() -> None:
    counter = CountRepeats()

    def line(number: int) -> logging.LogRecord:
        return logging.LogRecord("duologue", logging.WARNING, "here.py", 1, "Number %d.", (number,), None)

    records = [line(number) for number in range(1000)]
    written = [record.getMessage() for record in records if counter.filter(record)]
    assert len(written) == AT_FIRST
    assert written[0] == "Number 0."
    assert written[-1].startswith("Number 4. (More like this are only counted")
    for kind in counter._kinds.values():
        kind[0] -= 61.0
    late = line(1000)
    assert counter.filter(late)
    assert late.getMessage() == "Number 1000. (995 more like this were not written.)"
