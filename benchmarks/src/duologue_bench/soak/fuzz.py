"""Clients that send what no client should: frames and messages made from a seed, and what must hold beside them."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from duologue.audio.format import FRAME_SAMPLES
from duologue.client import connect
from duologue.errors import DuologueError, OverloadedError
from duologue.wire.frames import pack
from duologue.wire.messages import Pong

__all__ = ["Fuzzed", "frame", "fuzz", "pieces", "send_pieces"]

REPLY_TIMEOUT_S: Final = 0.3
"""Seconds in which the server may answer or close before the attacker leaves."""

PONG_TIMEOUT_S: Final = 20.0
"""Seconds in which an ordinary call must be answered."""

LOOK_EVERY: Final = 20
"""Seeds between two ordinary calls."""

SETTLING: Final = 20.0
"""Seconds until nothing is left of those who left without a word."""

MAX_GROWTH: Final = 67_108_864
"""Bytes by which the server's memory may grow."""

MAX_KEPT: Final = 1000
"""Seeds that are kept."""


@dataclass(slots=True)
class Fuzzed:
    """What came of it."""

    seeds: int = 0
    calls: int = 0
    """Ordinary calls made in between, all of which must be answered."""
    failed: list[tuple[int, str]] = field(default_factory=list)
    """The seed after which one was not, and why; each can be run again by itself."""


async def fuzz(
    address: str,
    seeds: Sequence[int] | range,
    *,
    until: float = float("inf"),
    on_seed: Callable[[int], None] = lambda _: None,
) -> Fuzzed:
    """Attack the server at `address`, as `127.0.0.1:8000`, with each seed, until `time.monotonic()` is `until`."""
    result = Fuzzed()
    for seed in seeds:
        if time.monotonic() >= until:
            break
        on_seed(seed)
        await send_pieces(address, pieces(seed, address))
        result.seeds += 1
        if result.seeds % LOOK_EVERY == 0:
            result.calls += 1
            why = await _call(address)
            if why and len(result.failed) < MAX_KEPT:
                result.failed.append((seed, why))
    return result


async def _call(address: str) -> str:
    """An ordinary call: empty if it was answered, else what went wrong."""
    try:
        async with (
            asyncio.timeout(PONG_TIMEOUT_S),
            connect(f"ws://{address}/v1/stream", greeting=False, timeout=PONG_TIMEOUT_S) as call,
        ):
            await call.send_audio(bytes(2 * FRAME_SAMPLES))
            await call.ping(7)
            async for message in call:
                if isinstance(message, Pong):
                    return ""
    except OverloadedError:
        return ""  # The machine is too slow to fuzz and to call; that is no fault.
    except (DuologueError, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"
    return "The call ended without an answer."


async def send_pieces(address: str, sends: Sequence[bytes]) -> None:
    """Send these over one connection, read whatever comes, and leave without a word."""
    host, _, port = address.rpartition(":")
    with suppress(OSError, TimeoutError):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            async with asyncio.timeout(2.0):
                for piece in sends:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                while await reader.read(65_536):
                    pass
        finally:
            writer.transport.abort()


def frame(opcode: int, data: bytes = b"", *, final: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """A frame as a client sends it; its mask is zeros, which is allowed, and cheap."""
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    mask = 0x80 if masked else 0
    if len(data) < 126:
        head += bytes([mask | len(data)])
    elif len(data) < 65_536:
        head += struct.pack("!BH", mask | 126, len(data))
    else:
        head += struct.pack("!BQ", mask | 127, len(data))
    return head + (bytes(4) if masked else b"") + data


def pieces(seed: int, address: str) -> list[bytes]:
    """What the attacker of this seed sends, write by write: the same for the same seed."""
    dice = random.Random(seed)
    handshake = _handshake(dice, address)
    if dice.random() < 0.15:
        return _broken(dice, handshake)
    frames = [frame(1, _START)] if dice.random() < 0.8 else []
    frames += [_FRAMES[dice.randrange(len(_FRAMES))](dice) for _ in range(dice.randrange(1, 12))]
    stream = b"".join(frames)
    if dice.random() < 0.3:
        stream = b"".join(_broken(dice, stream))
    sends = [handshake]
    while stream:
        size = dice.choice((1, 2, 7, 100, 4096, len(stream)))
        sends.append(stream[:size])
        stream = stream[size:]
        if len(sends) > 200:
            sends.append(stream)
            break
    return sends


_START: Final = b'{"type":"start","version":1,"greeting":false}'


def _handshake(dice: random.Random, address: str) -> bytes:
    key = base64.b64encode(dice.randbytes(16)).decode()
    extra = dice.choice(("", "", "", "Origin: null\r\n", "Sec-WebSocket-Extensions: permessage-deflate\r\n"))
    return (
        f"GET /v1/stream HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n"
    ).encode()


def _broken(dice: random.Random, data: bytes) -> list[bytes]:
    """`data` with some bytes changed, lost or added."""
    damaged = bytearray(data)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(damaged) + 1)
        kind = dice.randrange(3)
        if kind == 0 and at < len(damaged):
            damaged[at] = dice.randrange(256)
        elif kind == 1:
            del damaged[at : at + dice.randrange(1, 20)]
        else:
            damaged[at:at] = dice.randbytes(dice.randrange(1, 20))
    return [bytes(damaged)]


def _message(dice: random.Random) -> bytes:
    """A message of the protocol, or nearly."""
    kinds = ("start", "mark", "text", "interrupt", "clear", "turn.begin", "turn.end", "ping", "end", "nothing", None, 7)
    values: tuple[Any, ...] = (
        0, -1, 2**53, 2**80, 1e308, "", "x" * 5000, None, True, [], {}, [[]] * 50, "\ud800", "\0",
    )  # fmt: skip
    fields = ("version", "position", "text", "id", "agent", "audio_in", "meter_s", "marks", "x")
    body: dict[str, Any] = {"type": dice.choice(kinds)}
    for _ in range(dice.randrange(4)):
        body[dice.choice(fields)] = dice.choice(values)
    if dice.random() < 0.1:
        body |= {f"{n}": n for n in range(dice.randrange(3000))}
    return json.dumps(body).encode()


def _text(dice: random.Random) -> bytes:
    kind = dice.randrange(6)
    if kind == 0:
        return frame(1, dice.randbytes(dice.randrange(300)))
    if kind == 1:
        return frame(1, b"[" * dice.randrange(1, 60_000))
    if kind == 2:
        return frame(1, b'{"type":"ping","id":' + b"9" * dice.randrange(1, 10_000) + b"}")
    return frame(1, _message(dice))


def _sound(dice: random.Random) -> bytes:
    position = dice.choice((0, 0, 320, 640, dice.randrange(2**20), 2**53, 2**64 - 1))
    size = dice.choice((0, 1, 2, 640, 640, 3200, 32_000, 33_000))
    return frame(2, pack(position, dice.choice((0, 1, 2**32 - 1)), dice.randbytes(size))[dice.choice((0, 0, 0, 5)) :])


def _parts(dice: random.Random) -> bytes:
    count = dice.choice((1, 2, 5, 300, 1500))
    first = frame(dice.choice((1, 2)), dice.randbytes(dice.randrange(20)), final=False)
    rest = [frame(0, dice.randbytes(dice.randrange(3)), final=False) for _ in range(count)]
    inside = frame(9, b"x") if dice.random() < 0.5 else b""
    return first + b"".join(rest) + inside + (frame(0, b"end") if dice.random() < 0.5 else b"")


def _control(dice: random.Random) -> bytes:
    data = dice.randbytes(dice.choice((0, 1, 4, 125, 126)))
    return frame(dice.choice((8, 9, 10)), data, final=dice.random() < 0.9) * dice.choice((1, 1, 1, 200))


def _odd(dice: random.Random) -> bytes:
    return frame(
        dice.randrange(16),
        dice.randbytes(dice.randrange(200)),
        final=dice.random() < 0.8,
        reserved=dice.choice((0, 0, 1, 2, 4, 7)),
        masked=dice.random() < 0.8,
    )


def _claims(dice: random.Random) -> bytes:
    """A length that never comes, or is written in more bytes than it takes."""
    length = dice.choice((0, 5, 2**16, 2**20, 2**21 + 1, 2**40, 2**63, 2**64 - 1))
    return struct.pack("!BBQ", 0x80 | dice.choice((1, 2)), 0xFF, length) + bytes(4) + dice.randbytes(10)


def _close(dice: random.Random) -> bytes:
    code = dice.choice((1000, 1001, 1005, 1006, 999, 3000, 4999, 65_535))
    return frame(8, struct.pack("!H", code) + dice.choice((b"", b"bye", b"\xff\xff")))


_FRAMES: Final = (_text, _text, _text, _sound, _sound, _sound, _parts, _control, _odd, _claims, _close)
