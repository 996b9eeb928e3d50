"""A connection to a recognizer on real sockets."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection, serve

from duologue.errors import ProviderError
from duologue.services import validated
from duologue.stt.service import SocketSettings
from duologue.stt.websocket import Connection, dial

pytestmark = pytest.mark.anyio

MESSAGE = 65_536
MESSAGES = 600
"""More than the buffers of the system hold."""


async def settles(connection: Connection) -> int:
    """Return the bytes that wait in this process once they no longer become more."""
    size, turns = -1, 0
    while turns < 200:
        await asyncio.sleep(0)
        now = connection._socket.transport.get_write_buffer_size()
        size, turns = now, turns + 1 if now == size and now else 0
    return size


async def test_a_service_that_reads_nothing_holds_the_sender_back_and_gets_all_later() -> None:
    heard: list[bytes] = []
    reads, has_all = asyncio.Event(), asyncio.Event()

    async def service(socket: ServerConnection) -> None:
        await reads.wait()
        async for message in socket:
            assert isinstance(message, bytes)
            heard.append(message[:2])
            if len(heard) == MESSAGES:
                has_all.set()

    async with serve(service, "127.0.0.1", 0, max_queue=1, compression=None) as server, asyncio.timeout(30):
        port = server.sockets[0].getsockname()[1]
        connection = await dial(
            "service",
            f"ws://127.0.0.1:{port}",
            {},
            validated(SocketSettings, "service", {"ping_interval": 60}),
            goodbye=None,
            close_error=lambda name, code, reason: ProviderError(f"{name} closed with {code}."),
        )

        async def send() -> None:
            for number in range(MESSAGES):
                await connection.send(number.to_bytes(2, "big") * (MESSAGE // 2))

        sending = asyncio.create_task(send())
        try:
            waiting, is_done = await settles(connection), sending.done()
            reads.set()
            await sending
            await has_all.wait()
        finally:
            sending.cancel()
            await connection.aclose()
    assert 0 < waiting <= 2 * MESSAGE + 64
    assert not is_done
    assert heard == [number.to_bytes(2, "big") for number in range(MESSAGES)]
