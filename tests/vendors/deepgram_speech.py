"""A stand-in for Deepgram's voices over a WebSocket, `/v1/speak`, on the loopback.

Sources, read on 2026-11-30: https://developers.deepgram.com/docs/streaming-text-to-speech, /docs/tts-ws-flush (20 in
60 s), /docs/tts-ws-clear, and the message types of the SDK deepgram-sdk 7.17. Text is spoken when it is flushed.
It refuses unknown parameters, values and messages, longer texts, and more flushes than are allowed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from voice_faults import Fault
from voice_server import VoiceSocketServer
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from duologue.testing.spoken import SPACE, speak

KEY = "dg-test-0123456789abcdef"
FLUSHES = 20
"""In a minute."""
PARAMETERS: dict[str, frozenset[str] | None] = {
    "model": None,
    "encoding": frozenset({"linear16"}),
    "sample_rate": frozenset({"8000", "16000", "24000", "32000", "48000"}),
    "mip_opt_out": frozenset({"true", "false"}),
    "tag": None,
}


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Speak(_Message):
    type: Literal["Speak"]
    text: str = Field(min_length=1, max_length=2000)


class Command(_Message):
    type: Literal["Flush", "Clear", "Close"]


MESSAGES: TypeAdapter[Speak | Command] = TypeAdapter(Speak | Command)


def _error(code: str) -> dict[str, str]:
    return {"err_code": code, "err_msg": f"The key {KEY} is not for the first thing.", "request_id": "r"}


class DeepgramSpeechServer(VoiceSocketServer):
    """Deepgram."""

    refusals: ClassVar = {
        "unauthorized": (401, _error("INVALID_AUTH")),
        "quota": (402, _error("ASR_PAYMENT_REQUIRED")),
        "rate_limited": (429, _error("TOO_MANY_REQUESTS")),
        "bad_request": (400, _error("Bad Request")),
        "unavailable": (503, _error("SERVICE_UNAVAILABLE")),
    }

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        super().__init__(faults)
        self.queries: list[dict[str, str]] = []
        self.received: list[str] = []
        """Types of the messages that came."""
        self.warning: dict[str, str] | None = None
        """A warning that the next flush is answered with."""

    def admit(self, request: Request) -> tuple[int, Any] | None:
        url = urlsplit(request.path)
        query = dict(parse_qsl(url.query))
        if request.headers.get("Authorization") not in (f"Token {KEY}", f"token {KEY}"):
            return self.refusals["unauthorized"]
        wrong = [n for n, v in query.items() if n not in PARAMETERS or v not in (PARAMETERS[n] or {v})]
        if url.path != "/v1/speak" or wrong or "model" not in query:
            self.problems.append(f"{url.path}: {wrong}")
            return self.refusals["bad_request"]
        self.queries.append(query)
        return None

    async def run(self, socket: ServerConnection) -> None:
        await _Connection(self, socket).serve()


class _Connection:
    def __init__(self, server: DeepgramSpeechServer, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.server = server
        self.socket = socket
        self.rate = int(dict(parse_qsl(urlsplit(socket.request.path).query)).get("sample_rate", "24000"))
        self.text = ""
        self.fault: Fault | None = None
        self.flushes: list[float] = []
        self.sequence = 0
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.speaking = asyncio.create_task(self.work())

    async def serve(self) -> None:
        about = {"request_id": "r", "model_name": "m", "model_version": "1", "model_uuid": "u"}
        await self.send(type="Metadata", **about)
        try:
            async for data in self.socket:
                try:
                    message = MESSAGES.validate_json(data)
                except ValidationError as error:
                    self.server.problems.append(str(error))
                    await self.socket.close(1008, "DATA-0001")
                    return
                self.server.received.append(message.type)
                if message.type == "Close":
                    return
                await self.take(message)
        finally:
            self.speaking.cancel()
            with suppress(asyncio.CancelledError, ConnectionClosed):
                await self.speaking

    async def take(self, message: Speak | Command) -> None:
        if isinstance(message, Speak):
            if self.fault is None:
                self.fault = self.server.take_fault()
            self.text += message.text
        elif message.type == "Flush":
            now = asyncio.get_running_loop().time()
            self.flushes = [at for at in self.flushes if at > now - 60.0] + [now]
            if len(self.flushes) > FLUSHES:
                self.server.problems.append("more flushes than are allowed")
            self.queue.put_nowait(self.text)
            self.text = ""
        else:
            self.speaking.cancel()
            with suppress(asyncio.CancelledError):
                await self.speaking
            self.text, self.fault, self.queue = "", None, asyncio.Queue()
            self.speaking = asyncio.create_task(self.work())
            await self.send(type="Cleared", sequence_id=self.sequence)

    async def work(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                text = await self.queue.get()
                if self.server.warning is not None:
                    warning, self.server.warning = self.server.warning, None
                    await self.send(type="Warning", **warning)
                    continue
                if text.strip():
                    pcm = speak(text, self.rate) + bytes(2 * round(SPACE * self.rate))
                    await self.server.utter(self.socket, self.fault or "", pcm, self.rate, self.send_audio)
                self.fault = None
                await self.send(type="Flushed", sequence_id=self.sequence)
                self.sequence += 1

    async def send_audio(self, data: bytes, begin: float, end: float) -> None:
        await self.socket.send(data)

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))
