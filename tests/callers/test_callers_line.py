"""Lines of callers against servers on real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from duologue.callers.dial import Kind, best_kind, open_connection
from duologue.errors import DeadlineError, OverloadedError, StreamError

pytestmark = pytest.mark.anyio

KINDS: list[Kind] = ["websockets"] if best_kind() == "websockets" else ["websockets", "picows"]

Script = Callable[[ServerConnection], Awaitable[None]]


class Heard:
    """ConnectionObserver that keep what they hear."""

    def __init__(self) -> None:
        self.all: list[str | bytes | tuple[int | None, str]] = []
        self._came = asyncio.Event()

    def text(self, message: str) -> None:
        self._hear(message)

    def sound(self, message: bytes) -> None:
        self._hear(message)

    def closed(self, code: int | None, reason: str) -> None:
        self._hear((code, reason))

    def _hear(self, what: str | bytes | tuple[int | None, str]) -> None:
        self.all.append(what)
        self._came.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.all) < count:
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def server(script: Script, *, status: HTTPStatus | None = None, retry: str = "") -> AsyncIterator[str]:
    def refuse(connection: ServerConnection, _: Request) -> Response | None:
        if status is None:
            return None
        response = connection.respond(status, "no")
        if retry:
            response.headers["Retry-After"] = retry
        return response

    async with serve(script, "127.0.0.1", 0, process_request=refuse, compression=None) as listening:
        yield f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}/v1/stream"


async def nothing(_: ServerConnection) -> None: ...


@pytest.mark.parametrize("kind", KINDS)
async def test_messages_and_sound_of_all_lengths_go_both_ways(kind: Kind) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    lengths = (1, 125, 126, 652, 65_535, 65_536, 200_000)
    frames = [bytes(i % 251 for i in range(length)) for length in lengths]
    async with server(echo) as url:
        heard = Heard()
        line = await open_connection(url, heard, kind=kind)
        line.say('{"name": "Zoë"}')
        for frame in frames:
            line.send(frame)
        await heard.until(1 + len(frames))
        assert heard.all == ['{"name": "Zoë"}', *frames]
        line.close()
        await heard.until(2 + len(frames))
        line.send(b"late")
        line.say("late")


@pytest.mark.parametrize("kind", KINDS)
async def test_how_the_server_closes_is_told_once(kind: Kind) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.send("bye")
        await connection.close(1013, "full")

    async with server(close) as url:
        heard = Heard()
        line = await open_connection(url, heard, kind=kind)
        await heard.until(2)
        line.close()
        await asyncio.sleep(0)
    assert heard.all == ["bye", (1013, "full")]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_connection_that_breaks_off_has_no_code(kind: Kind) -> None:
    async def vanish(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with server(vanish) as url:
        heard = Heard()
        await open_connection(url, heard, kind=kind)
        await heard.until(1)
    assert heard.all == [(None, "")]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_line_can_be_cut_from_this_side(kind: Kind) -> None:
    async def wait(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with server(wait) as url:
        heard = Heard()
        line = await open_connection(url, heard, kind=kind)
        line.abort()
        await heard.until(1)
    assert heard.all == [(None, "")]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_ping_is_answered(kind: Kind) -> None:
    answered = asyncio.Event()

    async def ping(connection: ServerConnection) -> None:
        await (await connection.ping())
        answered.set()

    async with server(ping) as url, asyncio.timeout(20):
        heard = Heard()
        line = await open_connection(url, heard, kind=kind)
        await answered.wait()
        line.close()
        await heard.until(1)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_full_server_is_told_from_one_that_is_none(kind: Kind) -> None:
    async with server(nothing, status=HTTPStatus.SERVICE_UNAVAILABLE, retry="7") as url:
        with pytest.raises(OverloadedError) as full:
            await open_connection(url, Heard(), kind=kind)
    assert full.value.retry_after == 7.0
    async with server(nothing, status=HTTPStatus.NOT_FOUND) as url:
        with pytest.raises(StreamError, match="404"):
            await open_connection(url, Heard(), kind=kind)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_is_not_there_or_does_not_answer(kind: Kind, unused_port: int) -> None:
    with pytest.raises(StreamError, match="cannot be reached"):
        await open_connection(f"ws://127.0.0.1:{unused_port}", Heard(), kind=kind)

    with socket.create_server(("127.0.0.1", unused_port)), pytest.raises(DeadlineError):
        await open_connection(f"ws://127.0.0.1:{unused_port}", Heard(), kind=kind, timeout=0.05)


async def test_an_address_that_is_none() -> None:
    with pytest.raises(StreamError, match="ws://"):
        await open_connection("http://127.0.0.1:1", Heard(), kind="websockets")
