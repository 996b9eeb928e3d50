"""A stand-in for OpenAI's `POST /v1/audio/speech` and `/v1/audio/transcriptions`, on the loopback.

Sources: https://developers.openai.com/api/reference/resources/audio/subresources/speech/methods/create, and the types
of the official SDK openai 3.57 (`SpeechCreateParams`), by which each request is validated; both read on 2026-11-30.
It refuses what the reference does not have: unknown fields, other types, no key, another path.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Iterable
from email.message import Message
from email.parser import BytesParser
from types import TracebackType
from typing import Any, Self

import h11
from openai.types.audio import SpeechCreateParams
from pydantic import TypeAdapter, ValidationError
from voice_faults import RETRY_AFTER, Fault

from duologue.audio.wav import read_wav_16k
from duologue.errors import InvalidAudioError
from duologue.testing.spoken import speak, understand

KEY = "sk-test-0123456789"
RATE = 24_000
PIECE = 4800
"""Bytes of audio that are sent at once: 100 ms."""
FOREVER = 3600.0

_PARAMS: TypeAdapter[Any] = TypeAdapter(SpeechCreateParams)
_REFUSALS: dict[str, tuple[int, str, str]] = {
    "unauthorized": (401, "invalid_request_error", "invalid_api_key"),
    "quota": (429, "insufficient_quota", "insufficient_quota"),
    "rate_limited": (429, "requests", "rate_limit_exceeded"),
    "bad_request": (400, "invalid_request_error", "invalid_value"),
    "unavailable": (503, "server_error", "service_unavailable"),
}


class OpenAISpeechServer:
    """Speaks each text as sound that carries its words. `faults` are for the first requests, one each."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        """Each request that was accepted."""
        self.problems: list[str] = []
        """What clients did that the reference does not allow."""
        self.connections = 0
        """Connections that were made."""
        self.open = 0
        """Connections that are open now."""
        self.cut_off = 0
        """Answers whose client went before they were complete."""
        self.traces: list[str | None] = []
        """The header `traceparent` of each request."""
        self.faults = deque(faults)
        """Faults that are still to come."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            await _Connection(self, reader, writer).serve()
        except (ConnectionError, h11.RemoteProtocolError):
            pass
        except asyncio.CancelledError:
            pass  # the server closes
        finally:
            self._tasks.discard(task)
            self.open -= 1
            writer.transport.abort()

    def take_fault(self, *, of_dialing: bool = False) -> Fault:
        """Return the next fault if it is one of its time, and else none."""
        if self.faults and (self.faults[0] in ("hang_up", "no_handshake")) == of_dialing:
            return self.faults.popleft()
        return ""


class _Connection:
    def __init__(self, server: OpenAISpeechServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER)

    async def serve(self) -> None:
        fault = self._server.take_fault(of_dialing=True)
        if fault == "hang_up":
            return
        if fault == "no_handshake":
            await self._reader.read(-1)
            return
        while True:
            request = await self._next()
            if not isinstance(request, h11.Request):
                return
            body = b""
            while isinstance(event := await self._next(), h11.Data):
                body += event.data
            if not await self._answer(request, body):
                return
            self._http.start_next_cycle()

    async def _next(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(65_536))
        return event

    async def _send(self, event: Any) -> None:
        self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()

    async def _json(self, status: int, body: Any, **headers: str) -> bool:
        data = json.dumps(body).encode()
        head = {"content-type": "application/json", "content-length": str(len(data)), **headers}
        await self._send(h11.Response(status_code=status, headers=list(head.items())))
        await self._send(h11.Data(data=data))
        await self._send(h11.EndOfMessage())
        return True

    async def _refuse(self, status: int, kind: str, code: str, message: str, **headers: str) -> bool:
        error = {"message": message, "type": kind, "param": None, "code": code}
        return await self._json(status, {"error": error}, **headers)

    async def _answer(self, request: h11.Request, body: bytes) -> bool:
        """Answer one request; False ends the connection."""
        headers = {name.decode(): value.decode() for name, value in request.headers}
        self._server.traces.append(headers.get("traceparent"))
        if headers.get("authorization") != f"Bearer {KEY}":
            return await self._refuse(401, "invalid_request_error", "invalid_api_key", f"Wrong key {headers!r}.")
        target = (request.method.decode(), request.target.decode())
        if target == ("GET", "/v1/models"):
            return await self._json(200, {"object": "list", "data": []})
        if target == ("POST", "/v1/audio/transcriptions"):
            return await self._transcribe(headers.get("content-type", ""), body)
        if target != ("POST", "/v1/audio/speech"):
            return await self._wrong(404, f"unknown target {target}")
        if headers.get("content-type") != "application/json":
            return await self._wrong(415, f"content-type {headers.get('content-type')}")
        try:
            params = json.loads(body)
            _PARAMS.validate_python(params, strict=True, extra="forbid")
        except (ValueError, ValidationError) as error:
            return await self._wrong(400, f"{error}")
        if not 0 < len(params["input"]) <= 4096 or not 0.25 <= params.get("speed", 1.0) <= 4.0:
            return await self._wrong(400, "input or speed out of range")
        if params.get("response_format") != "pcm" or params.get("stream_format", "audio") != "audio":
            return await self._wrong(400, "this stand-in speaks pcm only")
        fault = self._server.take_fault()
        if fault in _REFUSALS:
            wait = {"retry-after": str(RETRY_AFTER)} if fault == "rate_limited" else {}
            status, kind, code = _REFUSALS[fault]
            return await self._refuse(status, kind, code, f"{KEY} said {params['input']}", **wait)
        self._server.bodies.append(params)
        return await self._speak(params["input"], fault)

    async def _transcribe(self, kind: str, body: bytes) -> bool:
        form = BytesParser().parsebytes(f"content-type: {kind}\r\n\r\n".encode() + body)
        parts = form.get_payload() if form.is_multipart() else []
        assert isinstance(parts, list)
        fields: dict[str, Any] = {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            for part in parts
            if isinstance(part, Message)
        }
        audio = fields.pop("file", b"")
        asked = {name: value.decode() for name, value in fields.items()}
        unknown = asked.keys() - {"model", "response_format", "language", "prompt", "stream"}
        if unknown or not asked.get("model") or asked.get("stream", "true") not in ("true", "True"):
            return await self._wrong(400, f"wrong fields: {asked}")
        fault = self._server.take_fault()
        if fault in _REFUSALS:
            wait = {"retry-after": str(RETRY_AFTER)} if fault == "rate_limited" else {}
            status, reason, code = _REFUSALS[fault]
            return await self._refuse(status, reason, code, KEY, **wait)
        try:
            text = understand(read_wav_16k(audio).samples.tobytes())
        except InvalidAudioError:
            return await self._refuse(400, "invalid_request_error", "invalid_audio", "cannot be read")
        self._server.bodies.append(asked)
        if fault == "stall_first":
            return await self._wait()
        if fault == "garbage":
            return await self._json(200, ["no transcript"])
        if "stream" not in asked:
            return await self._json(200, {"text": text, "usage": {"type": "duration", "seconds": 1}})
        await self._send(h11.Response(status_code=200, headers=[("content-type", "text/event-stream")]))
        events = [{"type": "transcript.text.delta", "delta": word} for word in text.split()]
        for n, event in enumerate([*events, {"type": "transcript.text.done", "text": text}]):
            await self._send(h11.Data(data=f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()))
            if n == 1 and fault in ("stall", "half_open"):
                return await self._wait()
            if n == 1 and fault == "drop":
                return False
        await self._send(h11.EndOfMessage())
        return True

    async def _wrong(self, status: int, problem: str) -> bool:
        self._server.problems.append(problem)
        return await self._refuse(status, "invalid_request_error", "invalid_value", problem)

    async def _speak(self, text: str, fault: Fault) -> bool:
        if fault == "stall_first":
            return await self._wait()
        kind = "audio/mpeg" if fault == "wrong_format" else "audio/pcm"
        await self._send(h11.Response(status_code=200, headers=[("content-type", kind)]))
        pcm = speak(text, RATE)
        size = 701 if fault == "slow" else PIECE
        try:
            for at in range(0, len(pcm), size):
                await self._send(h11.Data(data=pcm[at : at + size]))
                if fault == "slow":
                    await asyncio.sleep(0)
                if fault in ("stall", "half_open"):
                    return await self._wait()
                if fault == "drop":
                    return False
            if fault == "garbage":
                await self._send(h11.Data(data=b"\x01"))
            await self._send(h11.EndOfMessage())
        except ConnectionError:
            self._server.cut_off += 1
            raise
        return True

    async def _wait(self) -> bool:
        """Say nothing until the client goes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FOREVER):
                await self._reader.read(-1)
        self._server.cut_off += 1
        return False
