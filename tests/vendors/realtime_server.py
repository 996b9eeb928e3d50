"""A stand-in for OpenAI's Realtime API (`/v1/realtime`) over a WebSocket, on the loopback.

Sources, read on 2026-11-30: https://developers.openai.com/api/docs/guides/realtime-conversations, and the client and
server events of the SDK openai 3.57 (`openai.types.realtime`), by which every event in both directions is validated.
It refuses unknown fields, a turn without audio, a second response at once, a cancel of nothing, a truncation of what
does not exist or beyond the end of the audio, and the result of a tool that was not called. Turn detection has to be
off: the session decides turns.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from openai.types.realtime import RealtimeClientEventParam, RealtimeServerEvent
from pydantic import TypeAdapter, ValidationError
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from duologue.realtime import RealtimeToolCall
from duologue.testing import spoken
from duologue.testing.fakes import PITCH
from duologue.testing.spoken import speak, understand

KEY = "sk-test-0123456789"
RATE = 24_000
CHUNK = 0.2
"""Seconds of audio in an event."""
MIN_COMMIT_S = 0.1
DECIMATION, SMOOTHED = 6, 121
SAY = "<system>Say this text word for word, and nothing else: "
_CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEventParam)
_SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
REFUSALS = {
    "unauthorized": (401, "invalid_api_key"),
    "quota": (429, "insufficient_quota"),
    "rate_limited": (429, "rate_limit_exceeded"),
    "unavailable": (503, "service_unavailable"),
}
RESPONSE_FAULTS = ("stall_first", "stall", "drop", "garbage", "failed", "expired")
"""Faults of a response; the others are of a connection."""


class RealtimeServer:
    """Answers the words in the user's audio, in sound that carries its own. `faults` come one by one.

    With `tls` it speaks HTTPS.
    """

    path: ClassVar[str] = "/v1/realtime"
    base: ClassVar[str] = "/v1"
    """What of the path clients are told."""
    parameters: ClassVar[frozenset[str]] = frozenset({"model"})
    """Of the address."""

    def __init__(
        self,
        answer: Callable[[str], Any] = lambda _: "Yes.",
        faults: Iterable[str] = (),
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self._tls = tls
        self.url = ""
        self.faults = deque(faults)
        self.problems: list[str] = []
        """What clients did that the protocol does not allow."""
        self.sessions: list[dict[str, Any]] = []
        """The configuration of each connection."""
        self.turns: list[str] = []
        """The words of each turn that was committed, or typed."""
        self.seeded: list[tuple[str, str]] = []
        """What the client wrote into the conversation before it asked for anything: role and text."""
        self.results: list[str] = []
        self.truncated: list[tuple[str, int]] = []
        """What was truncated, with the milliseconds that were heard."""
        self.traces: list[str | None] = []
        """The header `traceparent` of each handshake."""
        self.cancels = 0
        self.heard_s = 0.0
        """Seconds of audio that came."""
        self.connections: set[ServerConnection] = set()
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._check, compression=None, ssl=self._tls
        )
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{self.base}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        self.traces.append(request.headers.get("traceparent"))
        if self.faults and self.faults[0] in REFUSALS:
            status, code = REFUSALS[self.faults.popleft()]
            body = json.dumps({"error": {"code": code, "message": f"{KEY} is wrong", "type": "x", "param": None}})
            return connection.respond(HTTPStatus(status), body)
        if not self.has_key(request):
            self.problems.append("wrong key")
            return connection.respond(HTTPStatus.UNAUTHORIZED, "")
        parts = urlsplit(request.path)
        if parts.path != self.path or set(parse_qs(parts.query)) != self.parameters:
            self.problems.append(f"target {request.path}")
            return connection.respond(HTTPStatus.NOT_FOUND, "")
        return None

    def has_key(self, request: Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {KEY}"

    def conversation(self, socket: ServerConnection) -> Any:
        return Conversation(self, socket)

    async def _serve(self, socket: ServerConnection) -> None:
        self.connections.add(socket)
        conversation = self.conversation(socket)
        try:
            await conversation.serve()
        except ConnectionClosed:
            pass
        finally:
            self.connections.discard(socket)
            if conversation.speaking is not None:
                conversation.speaking.cancel()

    def take_fault(self) -> str:
        return self.faults.popleft() if self.faults and self.faults[0] in RESPONSE_FAULTS else ""


class Conversation:
    def __init__(self, server: RealtimeServer, socket: ServerConnection) -> None:
        self.server, self.socket = server, socket
        self.speaking: asyncio.Task[None] | None = None
        self._count = 0
        self._buffer = bytearray()
        self._items: dict[str, float] = {}
        """Seconds of audio of the assistant's items."""
        self._calls: set[str] = set()
        self._steps: deque[Any] = deque()
        """What the next response gives."""
        self._asked = ""
        self._response: dict[str, Any] | None = None
        self._is_configured = False

    async def serve(self) -> None:
        await self._send("session.created", session={"type": "realtime", "model": "gpt-realtime-2.1"})
        await self.greet()
        async for message in self.socket:
            assert isinstance(message, str)
            event = json.loads(message)
            try:
                self.validate(event)
            except ValidationError as error:
                await self._refuse(event, "invalid_value", str(error))
                continue
            await getattr(self, "_" + event["type"].replace(".", "_"))(event)

    async def greet(self) -> None:
        """Say what the service says when a session was created."""

    def validate(self, event: dict[str, Any]) -> None:
        _CLIENT.validate_python(event, strict=False, extra="forbid")

    async def _session_update(self, event: dict[str, Any]) -> None:
        session = event["session"]
        audio = session["audio"]["input"]
        if audio["turn_detection"] is not None or audio["format"] != {"type": "audio/pcm", "rate": RATE}:
            self.server.problems.append(f"audio {audio}")
        self.server.sessions.append(session)
        self._is_configured = True
        await self._send("session.updated", session=session)

    async def _input_audio_buffer_append(self, event: dict[str, Any]) -> None:
        pcm = base64.b64decode(event["audio"], validate=True)
        self.server.heard_s += len(pcm) / 2 / RATE
        self._buffer += pcm

    async def _input_audio_buffer_clear(self, _: dict[str, Any]) -> None:
        self._buffer.clear()
        await self._send("input_audio_buffer.cleared")

    async def _input_audio_buffer_commit(self, event: dict[str, Any]) -> None:
        if len(self._buffer) < MIN_COMMIT_S * RATE * 2:
            await self._refuse(event, "input_audio_buffer_commit_empty", "the buffer is too small")
            return
        words = understand_microphone(bytes(self._buffer))
        self._buffer.clear()
        self._ask(words)
        item = self._name("item")
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=None)
        content = [{"type": "input_audio", "transcript": None}]
        await self._add({"id": item, "type": "message", "role": "user", "status": "completed", "content": content})

    async def _conversation_item_create(self, event: dict[str, Any]) -> None:
        item = {"id": self._name("item"), **event["item"]}
        if item["type"] == "function_call_output":
            if item["call_id"] not in self._calls:
                await self._refuse(event, "item_call_id_not_found", "no such call")
                return
            self._calls.discard(item["call_id"])
            self.server.results.append(item["output"])
        else:
            text = " ".join(part.get("text", "") for part in item["content"])
            if item["role"] == "user":
                self._ask(text)
            self.server.seeded.append((item["role"], text))
        await self._add(item)

    async def _conversation_item_truncate(self, event: dict[str, Any]) -> None:
        length = self._items.get(event["item_id"])
        if length is None or event["content_index"] != 0 or not 0 <= event["audio_end_ms"] <= length * 1000 + 1:
            await self._refuse(event, "invalid_value", f"cannot truncate {event} of {length}")
            return
        self.server.truncated.append((event["item_id"], event["audio_end_ms"]))
        fields = {key: event[key] for key in ("item_id", "content_index", "audio_end_ms")}
        await self._send("conversation.item.truncated", **fields)

    async def _response_cancel(self, event: dict[str, Any]) -> None:
        if self._response is None:
            await self._refuse(event, "response_cancel_not_active", "nothing to cancel")
            return
        self.server.cancels += 1
        if self.speaking is not None:
            self.speaking.cancel()
        await self._done("cancelled", {"type": "cancelled", "reason": "client_cancelled"})

    async def _response_create(self, event: dict[str, Any]) -> None:
        if self._response is not None:
            await self._refuse(event, "conversation_already_has_active_response", "one at a time")
            return
        self._plan()
        await self._begin(event.get("response", {}).get("metadata"))

    def _plan(self) -> None:
        """Decide what the response to what was asked gives; without a question, what was left of the last one."""
        if self._asked:
            self.server.turns.append(self._asked)
            steps = answer_steps(self._asked, self.server.answer)
            self._steps, self._asked = steps, ""

    async def _begin(self, metadata: Any) -> None:
        """Begin a response."""
        self._response = {
            "id": self._name("resp"),
            "object": "realtime.response",
            "status": "in_progress",
            "output": [],
            "metadata": metadata,
        }
        await self._send("response.created", response=self._response)
        self.speaking = asyncio.create_task(self._speak(self.server.take_fault()))

    async def _speak(self, fault: str) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._steps_of_response(fault)

    async def _steps_of_response(self, fault: str) -> None:
        assert self._response is not None
        if fault == "failed":
            error = {"type": "server_error", "code": "rate_limit_exceeded"}
            await self._done("failed", {"type": "failed", "error": error})
            return
        if fault == "garbage":
            await self.socket.send("{]")
        if fault == "stall_first":
            return
        while self._steps:
            step = self._steps.popleft()
            if isinstance(step, RealtimeToolCall):
                await self._call(step)
                break
            await self._say(step, fault)
            if fault == "stall":
                return
            if fault == "drop":
                self.socket.transport.abort()
                return
        await self._done("completed", None)

    async def _call(self, step: RealtimeToolCall) -> None:
        assert self._response is not None
        call = self._name("call")
        self._calls.add(call)
        item = {"id": self._name("item"), "type": "function_call", "call_id": call, "name": step.name}
        item |= {"arguments": step.arguments, "status": "completed"}
        where = {"response_id": self._response["id"], "output_index": len(self._response["output"])}
        self._response["output"].append(item)
        await self._send("response.output_item.added", item=item, **where)
        await self._add(item)
        fields = {"item_id": item["id"], "call_id": call, "name": step.name, "arguments": step.arguments}
        await self._send("response.function_call_arguments.done", **fields, **where)
        await self._send("response.output_item.done", item=item, **where)

    async def _say(self, text: str, fault: str) -> None:
        assert self._response is not None
        item = {"id": self._name("item"), "type": "message", "role": "assistant", "status": "completed", "content": []}
        where = {"response_id": self._response["id"], "output_index": len(self._response["output"])}
        self._response["output"].append(item)
        await self._send("response.output_item.added", item=item, **where)
        await self._add(item)
        where |= {"item_id": item["id"], "content_index": 0}
        pcm = speak(text, RATE, pitch=PITCH) + bytes(round(0.1 * RATE) * 2)
        size = round(CHUNK * RATE) * 2
        words = [f"{word} " for word in text.split()]
        for at in range(0, len(pcm), size):
            if words:
                await self._send("response.output_audio_transcript.delta", delta=words.pop(0), **where)
            chunk = pcm[at : at + size]
            self._items[str(item["id"])] = (at + len(chunk)) / 2 / RATE
            await self._send("response.output_audio.delta", delta=base64.b64encode(chunk).decode(), **where)
            if fault in ("stall", "drop"):
                return
        for word in words:
            await self._send("response.output_audio_transcript.delta", delta=word, **where)
        await self._send("response.output_audio.done", **where)
        await self._send("response.output_audio_transcript.done", transcript=text, **where)

    async def _done(self, status: str, details: dict[str, Any] | None) -> None:
        assert self._response is not None
        done, self._response = self._response, None
        usage = {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}
        await self._send(
            "response.done", response={**done, "status": status, "status_details": details, "usage": usage}
        )

    def _ask(self, text: str) -> None:
        self._asked = text

    async def _add(self, item: dict[str, Any]) -> None:
        await self._send("conversation.item.added", item=item, previous_item_id=None)

    async def _refuse(self, event: dict[str, Any], code: str, problem: str) -> None:
        self.server.problems.append(f"{event.get('type')}: {problem}")
        error = {"type": "invalid_request_error", "code": code, "message": problem, "event_id": event.get("event_id")}
        await self._send("error", error=error)

    async def _send(self, kind: str, **fields: Any) -> None:
        _SERVER.validate_python({"type": kind, "event_id": "event", **fields})
        await self.send_unchecked(kind, **fields)

    async def send_unchecked(self, kind: str, **fields: Any) -> None:
        """Send an event that OpenAI does not have."""
        await self.socket.send(json.dumps({"type": kind, "event_id": self._name("event"), **fields}))

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"


def answer_steps(said: str, answer: Callable[[str], Any]) -> deque[Any]:
    """What is given in answer: texts, and calls of tools. A text that is to be said is said."""
    found = said[len(SAY) : -len("</system>")] if said.startswith(SAY) else answer(said)
    return deque([found] if isinstance(found, str | RealtimeToolCall) else found)


def understand_microphone(pcm: bytes) -> str:
    """Read words whose sound was resampled: the levels are smoothed, and rounded to those that sound may have."""
    level = np.pad(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)), SMOOTHED // 2, mode="edge")
    smooth = np.median(sliding_window_view(level, SMOOTHED)[::DECIMATION], axis=1)
    exact = spoken._LOWEST + spoken._STEP * np.rint((smooth - spoken._LOWEST) / spoken._STEP)
    return understand(np.where(smooth < 9000, 0, exact).astype("<i2").tobytes(), RATE // DECIMATION)
