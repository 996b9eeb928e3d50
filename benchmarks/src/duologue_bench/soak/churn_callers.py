"""Short calls of every kind: people who say a word and hang up, who vanish, and programs that talk nonsense."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from duologue.audio.format import FRAME_SAMPLES
from duologue.callers.connection import CallerConnection
from duologue.callers.dial import open_connection
from duologue.callers.log import Refusal
from duologue.callers.ticker import Ticker
from duologue.callers.voice import Utterance
from duologue.errors import DuologueError, OverloadedError
from duologue.wire import messages as wire
from duologue.wire.fields import VERSION
from duologue.wire.frames import MAX_MESSAGE_BYTES

__all__ = ["KINDS", "WORDS", "ChurnCallers", "Kind", "Visit"]

Kind = Literal["brief", "answered", "greeting", "vanishes", "nonsense"]
"""What a caller does. `brief`: says a word or two and hangs up; `answered`: waits until the answer begins; `greeting`:
hangs up in the midst of it; `vanishes`: cuts the connection while it speaks; `nonsense`: breaks the protocol."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

WORDS: Final = ("Hello?", "Yes, please.", "No, thank you.", "Four people.", "Tomorrow, please.")

_OF_TWENTY: Final[tuple[Kind, ...]] = (
    *("brief",) * 7, *("answered",) * 5, *("greeting",) * 2, *("vanishes",) * 3, *("nonsense",) * 3,
)  # fmt: skip

_ANSWER_S: Final = 8.0
"""Who gets no answer for so long hangs up."""
_PATIENCE_S: Final = 30.0
"""A visit that takes longer hangs."""
_HEADER: Final = struct.Struct("<QI")
_MANY: Final = 25
"""Mistakes: more than the server forgives in ten seconds."""

_NONSENSE: Final[dict[str, tuple[int | None, ...]]] = {
    "sound_first": (1008,), "no_json": (1008,), "no_type": (1008,), "mistakes": (1008,), "noise": (1008,),
    "too_long": (1009, None), "no_text": (1007,), "no_http": (None,),
}  # fmt: skip
"""What is sent, and the expected close code of the server; None without a WebSocket, or where a client that is
still sending does not come to read it."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of one."""

    kind: Kind
    how: str
    """The nonsense that was sent, or empty."""
    ended: str
    """The code of the closing handshake and the reason; else what went wrong."""
    proper: bool
    """It ended as it should."""
    refusal: Refusal | None = None
    """There was no room: come again."""


_INSTEAD_OF_START: Final = ("sound_first", "no_json", "no_type")


class ChurnCallers:
    """Makes one visit after another; what each does is drawn by `seed`."""

    def __init__(
        self, url: str, said: Sequence[Utterance], noise: Sequence[bytes], ticker: Ticker, *, seed: int
    ) -> None:
        self._url = url
        self._said = said
        self._noise = noise
        self._ticker = ticker
        self._seed = seed

    async def visit(self, number: int) -> Visit:
        """The visit of this number: the same for the same number."""
        draw = random.Random(f"{self._seed} {number}")
        kind = _OF_TWENTY[number % len(_OF_TWENTY)]
        how = draw.choice(tuple(_NONSENSE)) if kind == "nonsense" else ""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                if how == "no_http":
                    return await self._no_http(draw)
                if how == "no_text":
                    return await self._no_text()
                return await self._call(kind, how, draw)
        except TimeoutError:
            return Visit(kind, how, f"took more than {_PATIENCE_S:g} s", proper=False)
        except DuologueError as error:
            after = error.retry_after if isinstance(error, OverloadedError) else None
            refusal = Refusal(error.code, None, after, bool(error.message))
            return Visit(kind, how, error.code, proper=False, refusal=refusal if refusal.clear else None)

    async def _call(self, kind: Kind, how: str, draw: random.Random) -> Visit:
        caller = _ChurnCaller(kind, how, draw, self._said, self._noise)
        line = await open_connection(self._url, caller)
        try:
            caller.begin(line)
            self._ticker.join(caller.tick)
            await caller.over.wait()
        finally:
            self._ticker.leave(caller.tick)
            line.abort()
        return caller.visit()

    async def _no_http(self, draw: random.Random) -> Visit:
        """Odd bytes where a request belongs."""
        answer = await _exchange(self._url, b"", draw.randbytes(400) + b"\r\n\r\n")
        proper = not answer or answer.startswith(b"HTTP/1.1 400")
        return Visit("nonsense", "no_http", answer[:12].decode("latin-1") or "closed", proper)

    async def _no_text(self) -> Visit:
        """A text message that is no UTF-8."""
        path = urlsplit(self._url)
        request = (
            f"GET {path.path} HTTP/1.1\r\nHost: {path.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        answer = await _exchange(self._url, request.encode(), b"\x81\x82\x00\x00\x00\x00\xff\xfe")
        close = answer[answer.rfind(b"\x88") :]
        code = int.from_bytes(close[2:4], "big") if len(close) >= 4 else None
        if code == 1013:
            told = wire.parse_server(answer[answer.index(b"{") : answer.index(b"}") + 1].decode())
            after = told.retry_after_s if isinstance(told, wire.Error) else None
            return Visit("nonsense", "no_text", "1013", False, Refusal("overloaded", code, after, after is not None))
        return Visit("nonsense", "no_text", str(code), code in _NONSENSE["no_text"])


async def _exchange(url: str, request: bytes, message: bytes) -> bytes:
    """All that the server answers to these bytes until it closes the connection; `request` is answered first."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        answer = b""
        if request:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
        writer.write(message)
        with suppress(ConnectionResetError):  # it closed before it had read everything
            while part := await reader.read(65_536):
                answer += part
        return answer
    finally:
        writer.transport.abort()


def _talk_nonsense(how: str, line: CallerConnection, draw: random.Random) -> None:
    match how:
        case "sound_first":
            line.send(draw.randbytes(652))
        case "no_json":
            line.say('{"type": "start", "version": ')
        case "no_type":
            line.say('{"version": 1, "please": "talk"}')
        case "mistakes":
            for _ in range(_MANY):
                line.say('{"type": "dance"}')
        case "noise":
            for _ in range(_MANY):
                line.send(draw.randbytes(2 * draw.randint(0, 400) + 1))
        case "too_long":
            line.send(bytes(2 * MAX_MESSAGE_BYTES + 1))


class _ChurnCaller:
    """A caller that opens a WebSocket: it observes the connection, and speaks each 20 ms."""

    def __init__(
        self, kind: Kind, how: str, draw: random.Random, said: Sequence[Utterance], noise: Sequence[bytes]
    ) -> None:
        self.over = asyncio.Event()
        self._kind = kind
        self._how = how
        self._draw = draw
        self._noise = noise
        self._said = draw.choice(said).frames
        self._cut_at = draw.randrange(len(self._said))
        """The frame before which one who vanishes is gone."""
        self._line: CallerConnection | None = None
        self._started = False
        self._sent = 0
        self._asked = False
        self._vanished = False
        self._ended = ""
        self._code: int | None = None
        self._error: wire.Error | None = None
        self._now: Callable[[], float] = asyncio.get_running_loop().time
        self._give_up = self._now() + _ANSWER_S

    def begin(self, line: CallerConnection) -> None:
        self._line = line
        if self._how in _INSTEAD_OF_START:
            _talk_nonsense(self._how, line, self._draw)
        else:
            line.say(wire.dump(wire.Start(version=VERSION, greeting=self._kind == "greeting")))

    def text(self, message: str) -> None:
        match wire.parse_server(message):
            case wire.Started():
                self._started = True
                if self._how and self._line is not None:
                    _talk_nonsense(self._how, self._line, self._draw)
            case wire.Ended() as ended:
                self._ended = ended.reason
            case wire.Error(fatal=True) as error:
                self._error = error

    def sound(self, message: bytes) -> None:
        if self._kind == "greeting" or (self._kind == "answered" and self._sent >= len(self._said)):
            self._hang_up()

    def closed(self, code: int | None, reason: str) -> None:
        self._code = code
        self._line = None
        self.over.set()

    def tick(self, due: float) -> None:
        line = self._line
        if line is None or not self._started or self._how:
            return
        if self._kind == "vanishes" and self._sent >= self._cut_at:
            self._vanished = True
            line.abort()
            self.over.set()
            return
        speaks = self._kind != "greeting" and self._sent < len(self._said)
        frame = self._said[self._sent] if speaks else self._noise[self._sent % len(self._noise)]
        line.send(_HEADER.pack(self._sent * FRAME_SAMPLES, 0) + frame)
        self._sent += 1
        if (self._kind == "brief" and not speaks) or self._now() > self._give_up:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._line is not None and not self._asked:
            self._asked = True
            self._line.say(wire.dump(wire.End()))

    def visit(self) -> Visit:
        """What came of it."""
        how = self._how
        if self._vanished:
            return Visit(self._kind, how, "vanished", proper=True)
        ended = f"{self._code} {self._ended}".strip()
        if self._error is not None and self._error.code == OverloadedError.code:
            refusal = Refusal(
                self._error.code, self._code, self._error.retry_after_s, says_why=bool(self._error.message)
            )
            return Visit(self._kind, how, ended, proper=False, refusal=refusal)
        if how:
            return Visit(self._kind, how, ended, proper=self._code in _NONSENSE[how])
        return Visit(self._kind, how, ended, proper=(self._code, self._ended) == (1000, "client_end"))
