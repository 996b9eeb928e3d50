"""Floods and broken frames: the calls beside them go on, memory comes back, and the log stays short."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import resource
import struct
from collections.abc import Callable, Iterator

import pytest
from attacks import Attacker, Site, frame, handshake, site
from fake_backend import DEADLINE

from duologue.server.limits import StreamLimits
from duologue.server.listener import WEBSOCKETS
from duologue.wire.frames import MAX_TEXT_BYTES, pack

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("websockets", WEBSOCKETS)]

SECONDS = 0.5
"""Time that an attack goes on for."""

MB = 1_048_576


@pytest.fixture(autouse=True)
def short_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.WARNING):
        yield
    assert len(caplog.text.splitlines()) < 100


def rss() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def goes_on(attacker: Attacker, make: Callable[[int], bytes]) -> int:
    """Send what `make` makes until the time is up or the server has had enough; returns the bytes sent."""
    loop = asyncio.get_running_loop()
    end, sent, number = loop.time() + SECONDS, 0, 0
    while loop.time() < end:
        data = make(number)
        number += 1
        if not await attacker.send(data, within=max(0.05, end - loop.time())):
            break
        sent += len(data)
    return sent


def bomb(_: int) -> bytes:
    """2 MB of unknown fields."""
    fields = ",".join(f'"{number:x}":1' for number in range(200_000))
    return frame(1, f'{{"type":"ping","id":1,{fields}}}'.encode())


BOMB = bomb(0)
TYPED = frame(1, json.dumps({"type": "text", "text": "x" * 4000}).encode())

FLOODS: dict[str, Callable[[int], bytes]] = {
    "a bomb of fields": lambda _: BOMB,
    "typed text": lambda _: TYPED * 8,
    "pings": lambda _: frame(9) * 500,
    "long pings": lambda _: frame(9, b"x" * 125) * 200,
    "pongs": lambda _: frame(10) * 500,
    "empty parts": lambda n: (b"" if n else frame(2, final=False)) + frame(0, final=False) * 500,
    "tiny parts": lambda n: (b"" if n else frame(2, final=False)) + frame(0, b"ab", final=False) * 500,
    "empty texts": lambda _: frame(1) * 200,
    "pings of the protocol": lambda _: frame(1, b'{"type":"ping","id":1}') * 200,
    "commands": lambda _: (frame(1, b'{"type":"clear"}') + frame(1, b'{"type":"interrupt"}')) * 100,
    "one sample at a time": lambda n: b"".join(frame(2, pack(n * 200 + i, 0, b"\0\0")) for i in range(200)),
    "the same again": lambda _: frame(2, pack(0, 0, bytes(640))) * 100,
    "gaps": lambda n: b"".join(frame(2, pack((n * 100 + i) * 400, 0, bytes(40))) for i in range(100)),
    "marks": lambda _: frame(1, b'{"type":"mark","position":9007199254740991}') * 200,
    "sound a hundred times too fast": lambda n: frame(2, pack(n * 16_000, 0, bytes(32_000))),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_disturbs_nobody_else(websockets: str, flood: str) -> None:
    async with site(websockets) as there, there.neighbor() as neighbor:
        await neighbor.converse(1)
        attacker = await there.attacker()
        flooding = asyncio.create_task(goes_on(attacker, FLOODS[flood]))
        await neighbor.converse(3)
        sent = await flooding
        assert sent < 16 * MB  # It is held back, or cut off: most of it lies in the buffers of the sockets.
        await neighbor.converse(1)


@pytest.mark.parametrize("flood", ["pings", "pings of the protocol", "empty parts"])
async def test_a_flood_before_the_session_is_cut_off(websockets: str, flood: str) -> None:
    async with site(websockets) as there, there.neighbor() as neighbor:
        attacker = await there.attacker(starts=False)
        flooding = asyncio.create_task(goes_on(attacker, FLOODS[flood]))
        await neighbor.converse(3)
        assert await flooding < 16 * MB


async def test_pings_of_a_client_that_does_not_read_take_no_memory(websockets: str) -> None:
    async with site(websockets, StreamLimits(progress_timeout=1.0)) as there, there.neighbor() as neighbor:
        gc.collect()
        before = rss()
        attackers = [await there.attacker(reads=False) for _ in range(4)]
        floods = [asyncio.create_task(goes_on(each, lambda _: frame(9, b"x" * 125) * 500)) for each in attackers]
        await neighbor.converse(5)
        await asyncio.gather(*floods)
        assert rss() - before < 60 * MB


async def test_a_long_text_is_one_mistake(websockets: str) -> None:
    async with site(websockets) as there:
        attacker = await there.attacker()
        assert await attacker.send(BOMB)
        async with asyncio.timeout(DEADLINE):
            while not attacker.errors:
                await asyncio.sleep(0.01)
        assert [error["code"] for error in attacker.errors][:1] == ["invalid_message"]
        assert f"{MAX_TEXT_BYTES} bytes" in attacker.errors[0]["message"]
        assert not attacker.errors[0]["fatal"]


@pytest.mark.parametrize(
    ("sends", "code"),
    [
        pytest.param(frame(2, bytes(700), reserved=4), 1002, id="compressed audio"),
        pytest.param(frame(1, b"{}", reserved=4), 1002, id="compressed text"),
        pytest.param(frame(9, reserved=2), 1002, id="a ping with reserved bits"),
        pytest.param(frame(0, b"x"), 1002, id="a part of nothing"),
        pytest.param(frame(2, final=False) + frame(2), 1002, id="a message within another"),
        pytest.param(frame(9, final=False), 1002, id="a ping in parts"),
        pytest.param(frame(9, b"x" * 126), 1002, id="a long ping"),
        pytest.param(frame(3), 1002, id="an unknown kind"),
        pytest.param(frame(11), 1002, id="an unknown control"),
        pytest.param(frame(2, bytes(700), masked=False), 1002, id="without a mask"),
        pytest.param(frame(1, b"\xff\xfe"), 1007, id="text that is no UTF-8"),
        pytest.param(frame(1, b"\xff", final=False) + frame(0, b"\xfe"), 1007, id="text in parts that is no UTF-8"),
        pytest.param(frame(2, b"", final=False) + frame(0, b"", final=False) * 1500, 1009, id="many empty parts"),
        pytest.param(frame(2, bytes(2 * MB + 1)), 1009, id="long audio"),
        pytest.param(frame(1, b" " * (2 * MB + 1)), 1009, id="long text"),
        pytest.param(struct.pack("!BBQ", 0x82, 0xFF, 2**62) + bytes(4), 1009, id="audio of 4 EiB"),
    ],
)
async def test_broken_frames_end_the_connection_with_the_documented_code(
    websockets: str, sends: bytes, code: int
) -> None:
    async with site(websockets) as there:
        attacker = await there.attacker()
        await attacker.send(sends)
        ended = await attacker.ends()
        assert ended == code or (code == 1009 and ended in (1008, 1009))


async def answer_to(there: Site, sends: bytes) -> bytes:
    host, _, port = there.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sends)
    async with asyncio.timeout(DEADLINE):
        answer = await reader.read(16)
        while await reader.read(4096):
            pass
    writer.close()
    return answer


async def test_a_handshake_that_cannot_be_parsed_is_answered_and_closed(websockets: str) -> None:
    async with site(websockets) as there:
        many = "".join(f"X-{n}: a\r\n" for n in range(300))
        for extra in (many, f"X-Long: {'a' * 9000}\r\n", f"X-Long: {'a' * 20_000}\r\n", "Content-Length: 10\r\n"):
            answer = await answer_to(there, handshake(there.address, extra) + b"0123456789")
            assert answer.startswith(b"HTTP/1.1 400")
        async with there.neighbor() as neighbor:
            await neighbor.converse(1)


@pytest.mark.parametrize("speed", [3.0])
async def test_a_client_that_is_held_back_is_not_taken_for_dead(
    websockets: str, speed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pong is behind sound that it sent before, which is taken only as fast as it sounds."""
    monkeypatch.setattr("duologue.server.listener.PONG_TIMEOUT", 0.4)
    async with site(websockets, StreamLimits(max_ahead=0.2, max_behind=0.2), keep_alive=0.8) as there:
        attacker = await there.attacker()
        session_seconds = 3.0
        loop = asyncio.get_running_loop()
        began, position = loop.time(), 0
        while (now := loop.time()) < began + session_seconds:
            assert await attacker.send(frame(2, pack(position, 0, bytes(3200))), within=2.0)
            position += 1600
            await asyncio.sleep(max(0.0, began + position / 16_000 / speed - now))
        assert not attacker.is_closed.is_set()
        assert attacker.errors
        assert {error["code"] for error in attacker.errors} == {"rate_limited"}


async def test_who_floods_while_held_back_sends_little(websockets: str) -> None:
    async with site(websockets) as there, there.neighbor() as neighbor:
        attacker = await there.attacker()
        flooding = asyncio.create_task(goes_on(attacker, lambda _: frame(9) * 2000))
        await neighbor.converse(2)
        assert await flooding < 6 * MB  # the buffers of the two sockets take 4
