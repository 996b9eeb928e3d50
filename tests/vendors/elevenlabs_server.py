"""A stand-in for ElevenLabs' multi-context WebSocket, on the loopback.

Sources, read on 2026-11-30: the AsyncAPI description at
https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-multi-stream-input, the guide
https://elevenlabs.io/docs/eleven-api/guides/how-to/websockets/multi-context-web-socket (five contexts a connection),
the message types of the SDK elevenlabs 2.78, and for the codes of errors pipecat-ai/pipecat issues 4114 and 4132.
It refuses unknown fields and parameters, a context that does not begin with a space, settings after the first message,
text that does not end with a space, and a sixth context; a closed context counts until `isFinal` was sent.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterable
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from voice_faults import Fault
from voice_server import VoiceSocketServer
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from duologue.testing.spoken import CHARACTER, SPACE, speak

KEY = "xi-test-0123456789"
MAX_CONTEXTS = 5
RATES = ("pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100")
PARAMETERS = {
    "model_id",
    "language_code",
    "enable_logging",
    "enable_ssml_parsing",
    "output_format",
    "inactivity_timeout",
    "sync_alignment",
    "auto_mode",
    "apply_text_normalization",
    "seed",
}
DIALING: dict[str, tuple[int, str]] = {
    "unauthorized": (401, "invalid_api_key"),
    "quota": (401, "quota_exceeded"),
    "rate_limited": (429, "too_many_concurrent_requests"),
    "bad_request": (400, "voice_not_found"),
    "unavailable": (503, "internal_server_error"),
}


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class VoiceSettings(_Message):
    stability: float | None = Field(None, ge=0, le=1)
    similarity_boost: float | None = Field(None, ge=0, le=1)
    style: float | None = Field(None, ge=0, le=1)
    use_speaker_boost: bool | None = None
    speed: float | None = Field(None, ge=0.7, le=1.2)


class Begin(_Message):
    text: Literal[" "]
    context_id: str
    voice_settings: VoiceSettings | None = None


class KeepAlive(_Message):
    text: Literal[""]
    context_id: str


class Flush(_Message):
    text: Literal[""]
    context_id: str
    flush: Literal[True]


class Text(_Message):
    text: str = Field(pattern=r"\S $")
    context_id: str
    flush: bool = False


class CloseContext(_Message):
    context_id: str
    close_context: Literal[True]


class CloseSocket(_Message):
    close_socket: Literal[True]


ClientMessage = Begin | KeepAlive | Flush | Text | CloseContext | CloseSocket
MESSAGES: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)


def _detail(code: str) -> dict[str, Any]:
    return {"detail": {"status": code, "message": f"The key {KEY} is not for the first thing."}}


class ElevenLabsServer(VoiceSocketServer):
    """ElevenLabs."""

    refusals: ClassVar = {fault: (status, _detail(code)) for fault, (status, code) in DIALING.items()}

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        super().__init__(faults)
        self.texts: list[list[str]] = []
        """The texts of each context."""
        self.settings: list[VoiceSettings | None] = []
        """The settings of each context."""
        self.kept_alive = 0
        self.most = 0
        """The most contexts that a connection had at once."""
        self.refusal: dict[str, Any] | None = None
        """An error that the next text of a context is answered with."""
        self.releases: asyncio.Event | None = None
        """When contexts that are closed are confirmed, if not at once."""

    def admit(self, request: Request) -> tuple[int, Any] | None:
        if request.headers.get("xi-api-key") != KEY:
            return 401, _detail("invalid_api_key")
        url = urlsplit(request.path)
        query = dict(parse_qsl(url.query, strict_parsing=True))
        wrong = sorted(query.keys() - PARAMETERS)
        if wrong or url.path != "/v1/text-to-speech/voice_1/multi-stream-input":
            self.problems.append(f"unknown: {wrong} {url.path}")
            return 404, _detail("not_found")
        if query.get("output_format") not in RATES or not 1 <= int(query.get("inactivity_timeout", "20")) <= 180:
            self.problems.append(f"wrong parameters: {query}")
            return 400, _detail("invalid_parameters")
        return None

    async def run(self, socket: ServerConnection) -> None:
        await _Connection(self, socket).serve()


class _Connection:
    def __init__(self, server: ElevenLabsServer, socket: ServerConnection) -> None:
        assert socket.request is not None
        query = dict(parse_qsl(urlsplit(socket.request.path).query))
        self.server = server
        self.socket = socket
        self.rate = int(query["output_format"].removeprefix("pcm_"))
        self.contexts: dict[str, _Context] = {}

    async def serve(self) -> None:
        try:
            async for data in self.socket:
                try:
                    message = MESSAGES.validate_json(data)
                except ValidationError as error:
                    await self.refuse("invalid_message", str(error))
                    return
                if isinstance(message, CloseSocket):
                    return
                if not await self._take(message):
                    return
        finally:
            for context in self.contexts.values():
                context.task.cancel()
            await asyncio.gather(*(c.task for c in self.contexts.values()), return_exceptions=True)

    async def _take(self, message: Begin | KeepAlive | Flush | Text | CloseContext) -> bool:
        context = self.contexts.get(message.context_id)
        if context is None:
            if not isinstance(message, Begin):
                return await self.refuse("invalid_message", f"{message!r} for a context that is not open")
            if len(self.contexts) == MAX_CONTEXTS:
                return await self.refuse("max_active_conversations", "Maximum simultaneous contexts exceeded (5).")
            self.server.texts.append([])
            self.server.settings.append(message.voice_settings)
            self.contexts[message.context_id] = _Context(self, message.context_id, self.server.texts[-1])
            self.server.most = max(self.server.most, len(self.contexts))
            return True
        if isinstance(message, Begin) or context.is_closed:
            return await self.refuse("invalid_message", f"{message!r} for a context that has begun or is closed")
        if isinstance(message, KeepAlive):
            self.server.kept_alive += 1
        elif isinstance(message, Flush):
            context.add("", flush=True)
        elif isinstance(message, CloseContext):
            context.is_closed = True
            context.queue.put_nowait(None)
        else:
            if self.server.refusal is not None:
                refusal, self.server.refusal = self.server.refusal, None
                await self.socket.send(json.dumps(refusal))
                return "contextId" in refusal
            context.texts.append(message.text)
            context.add(message.text, flush=message.flush)
        return True

    async def refuse(self, code: str, problem: str) -> bool:
        self.server.problems.append(problem)
        await self.socket.send(json.dumps({"message": problem, "error": code, "code": 1008}))
        await self.socket.close(1008, problem[:100])
        return False


class _Context:
    def __init__(self, connection: _Connection, name: str, texts: list[str]) -> None:
        self.is_closed = False
        self.texts = texts
        self.queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._connection = connection
        self._name = name
        self._held = ""
        self._is_first = True
        self._fault: Fault = connection.server.take_fault()
        self.task = asyncio.create_task(self._run())

    def add(self, text: str, *, flush: bool) -> None:
        self._held += text
        if flush:
            self.queue.put_nowait(self._held)
            self._held = ""

    async def _run(self) -> None:
        connection = self._connection
        try:
            while (text := await self.queue.get()) is not None:
                if text:
                    await self._speak(text)
            if self._held:
                await self._speak(self._held)
            if connection.server.releases is not None:
                await connection.server.releases.wait()
            if self._fault != "garbage":
                await self._send(isFinal=True)
            del connection.contexts[self._name]
        except ConnectionClosed:
            pass

    async def _send(self, **message: Any) -> None:
        await self._connection.socket.send(json.dumps({**message, "contextId": self._name}))

    async def _speak(self, text: str) -> None:
        connection = self._connection
        rate = connection.rate
        pcm = speak(text, rate)
        chars = list(text.strip())
        if not self._is_first:
            pcm, chars = bytes(round(SPACE * rate) * 2) + pcm, [" ", *chars]
        self._is_first = False
        starts = [0.0]
        for char in chars:
            starts.append(starts[-1] + (SPACE if char == " " else CHARACTER))

        async def send(data: bytes, begin: float, end: float) -> None:
            heard = [i for i in range(len(chars)) if begin <= starts[i] + 1e-9 < end]
            alignment = {
                "chars": [chars[i] for i in heard],
                "charStartTimesMs": [round((starts[i] - begin) * 1000) for i in heard],
                "charDurationsMs": [round((starts[i + 1] - starts[i]) * 1000) for i in heard],
            }
            audio = base64.b64encode(data).decode()
            await self._send(audio=audio, alignment=alignment, normalizedAlignment=alignment)

        await connection.server.utter(connection.socket, self._fault, pcm, rate, send)
