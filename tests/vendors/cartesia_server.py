"""A stand-in for Cartesia's WebSocket for speech, on the loopback.

Sources, read on 2026-11-30: https://docs.cartesia.ai/api-reference/tts/websocket (messages), and of the same site
/use-the-api/tts-websocket/contexts (continuations, expiry after 1 s, cancel), /use-the-api/tts-websocket/buffering,
/use-the-api/api-errors, /use-the-api/concurrency-limits-and-timeouts; and the message types of the SDK cartesia 4.2.
It refuses unknown fields and values, another version, inputs of a context that differ in more than their text, text
that joins two words, and an input for a context that has ended or expired.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterable
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from voice_faults import Fault
from voice_server import VoiceSocketServer
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from duologue.testing.spoken import SPACE, speak, word_timings

KEY = "sk_car_test_0123456789"
VERSIONS = ("2026-03-01", "2026-08-14", "2025-04-16")
"""The second is the SDK's, the third that of LiveKit's plugin."""


def _error(status: int, code: str) -> tuple[int, dict[str, Any]]:
    words = f"The key {KEY} is not for the first thing."
    return status, {"error_code": code, "title": "Refused", "message": words, "request_id": "r"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)


class OutputFormat(_Strict):
    container: Literal["raw"]
    encoding: Literal["pcm_s16le"]
    sample_rate: Literal[8000, 16000, 22050, 24000, 44100, 48000]


class Voice(_Strict):
    mode: Literal["id"] = "id"
    id: str


class GenerationConfig(_Strict):
    speed: float | None = Field(None, ge=0.6, le=1.5)
    volume: float | None = Field(None, ge=0.5, le=2.0)
    emotion: str | None = None


class Generation(_Strict):
    context_id: str = Field(min_length=1)
    model_id: str
    transcript: str
    voice: Voice
    output_format: OutputFormat
    language: str | None = None
    add_timestamps: bool = False
    use_normalized_timestamps: bool = False
    max_buffer_delay_ms: int = Field(3000, ge=0, le=5000)
    generation_config: GenerationConfig | None = None
    more: bool = Field(False, alias="continue")


class Cancel(_Strict):
    context_id: str
    cancel: Literal[True]


class CartesiaServer(VoiceSocketServer):
    """Cartesia."""

    refusals: ClassVar = {
        "unauthorized": _error(401, "unauthorized"),
        "quota": _error(402, "quota_exceeded"),
        "rate_limited": _error(429, "concurrency_limited"),
        "bad_request": _error(400, "model_not_found"),
        "unavailable": _error(503, "internal_server_error"),
    }

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        super().__init__(faults)
        self.generations: list[Generation] = []
        self.cancelled: list[str] = []
        self.contexts: list[str] = []
        self.refusal: dict[str, Any] | None = None
        """An error that the next text is answered with."""
        self.expiry = 1.0
        """Seconds after its last audio in which a context expires."""

    def admit(self, request: Request) -> tuple[int, Any] | None:
        url = urlsplit(request.path)
        query = dict(parse_qsl(url.query))
        headers = request.headers
        version = query.get("cartesia_version") or headers.get("Cartesia-Version")
        if headers.get("X-API-Key") != KEY and headers.get("Authorization") != f"Bearer {KEY}":
            return _error(401, "unauthorized")
        if url.path != "/tts/websocket" or query.keys() - {"cartesia_version"} or version not in VERSIONS:
            self.problems.append(f"unknown: {request.path} {version}")
            return _error(404, "not_found")
        return None

    async def run(self, socket: ServerConnection) -> None:
        await _Connection(self, socket).serve()


class _Connection:
    def __init__(self, server: CartesiaServer, socket: ServerConnection) -> None:
        self.server = server
        self.socket = socket
        self.contexts: dict[str, _Context] = {}

    async def serve(self) -> None:
        try:
            async for data in self.socket:
                try:
                    await self._take(json.loads(data))
                except (ValueError, ValidationError) as error:
                    await self.refuse(str(error), None)
        finally:
            for context in self.contexts.values():
                context.task.cancel()
            await asyncio.gather(*(c.task for c in self.contexts.values()), return_exceptions=True)

    async def _take(self, message: dict[str, Any]) -> None:
        if "cancel" in message:
            cancel = Cancel.model_validate(message)
            self.server.cancelled.append(cancel.context_id)
            if cancel.context_id not in self.contexts:
                self.server.problems.append("cancel of a context that was never there")
            else:
                self.contexts[cancel.context_id].task.cancel()
            return
        request = Generation.model_validate(message)
        name = request.context_id
        context = self.contexts.get(name)
        if context is None:
            context = self.contexts[name] = _Context(self, request)
            self.server.contexts.append(name)
        elif context.ended or context.task.done():
            await self.refuse("an input for a context that has ended or expired", name)
            return
        elif context.fixed != request.model_dump(exclude={"transcript", "more"}):
            await self.refuse("an input whose fields are not those of its context", name)
            return
        joined = context.text[-1:] + request.transcript[:1]
        if (request.more and not request.transcript.strip()) or (len(joined) == 2 and joined == joined.strip()):
            await self.refuse(f"the transcript {request.transcript!r} is empty or joins words", name)
            return
        context.text += request.transcript
        self.server.generations.append(request)
        if self.server.refusal is not None:
            refusal, self.server.refusal = self.server.refusal, None
            context.task.cancel()
            await self.send(name, type="error", done=True, **refusal)
            return
        context.ended = not request.more
        context.queue.put_nowait(request)

    async def refuse(self, problem: str, context: str | None) -> None:
        self.server.problems.append(problem)
        await self.send(context, type="error", done=True, status_code=400, error_code="bad_request", title="Refused",
                        message=problem, request_id="r")  # fmt: skip

    async def send(self, context: str | None, **message: Any) -> None:
        await self.socket.send(json.dumps({**message, **({"context_id": context} if context else {})}))


class _Context:
    def __init__(self, connection: _Connection, request: Generation) -> None:
        self.fixed = request.model_dump(exclude={"transcript", "more"})
        self.queue: asyncio.Queue[Generation] = asyncio.Queue()
        self.ended = False
        self.text = ""
        self._connection = connection
        self._seconds = 0.0
        self._fault: Fault = connection.server.take_fault()
        self.task = asyncio.create_task(self._run(request.context_id))

    async def _run(self, name: str) -> None:
        connection = self._connection
        try:
            more = True
            while more:
                async with asyncio.timeout(connection.server.expiry if self._seconds else None):
                    request = await self.queue.get()
                more = request.more
                if request.transcript.strip():
                    await self._speak(request)
            if self._fault != "garbage":
                await connection.send(name, type="done", done=True, status_code=206)
        except (ConnectionClosed, TimeoutError):
            pass

    async def _speak(self, request: Generation) -> None:
        rate = request.output_format.sample_rate
        pcm, lead, began = speak(request.transcript, rate), 0.0, self._seconds
        if began:
            pcm, lead = bytes(round(SPACE * rate) * 2) + pcm, SPACE
        self._seconds += len(pcm) / 2 / rate
        words = [(w.text, lead + w.start, lead + w.end) for w in word_timings(request.transcript)]
        name, connection = request.context_id, self._connection

        async def send(data: bytes, begin: float, end: float) -> None:
            heard = [word for word in words if begin <= word[1] + 1e-9 < end]
            audio = base64.b64encode(data).decode()
            await connection.send(name, type="chunk", data=audio, done=False, status_code=206, step_time=1.0)
            if heard and request.add_timestamps:
                times = {
                    "words": [text for text, _, _ in heard],
                    "start": [round(began + start, 6) for _, start, _ in heard],
                    "end": [round(began + end, 6) for _, _, end in heard],
                }
                await connection.send(name, type="timestamps", done=False, status_code=206, word_timestamps=times)

        await connection.server.utter(connection.socket, self._fault, pcm, rate, send)
