"""A stand-in for OpenAI's Realtime transcription sessions, `/v1/realtime?intent=transcription`, on the loopback.

Sources, read on 2026-11-30: https://developers.openai.com/api/docs/guides/realtime-transcription (the address, the
configuration, commits and the events of a segment), and the client and server events of the SDK openai 3.57
(`openai.types.realtime`), by which every event in both directions is validated. It refuses unknown fields, audio before
the configuration, another format or rate, turn detection, what a model does not take, and a commit of less than 100 ms.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from openai.types.realtime import RealtimeClientEventParam, RealtimeServerEvent
from pydantic import TypeAdapter, ValidationError
from recognizer_server import RETRY_AFTER, Fault, RecognizerServer, Session
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request

from duologue.testing import spoken
from duologue.testing.spoken import understand

KEY = "sk-test-0123456789"
RATE = 24_000
EVENTS = "conversation.item.input_audio_transcription."
STREAMING = ("gpt-live-transcribe", "gpt-realtime-whisper")
"""Models that give words before a commit."""
REFUSED = {"gpt-realtime-whisper": {"keywords", "prompt"}, "gpt-transcribe": {"delay"}}
DECIMATION, SMOOTHED = 6, 121
PAUSE = RATE // DECIMATION // 20
"""Samples of silence after which a word has ended."""
_CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEventParam)
_SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


def _refusal(status: int, code: str, **headers: str) -> tuple[int, Any, dict[str, str]]:
    error = {"message": f"{KEY} is wrong", "type": "invalid_request_error", "param": None, "code": code}
    return status, {"error": error}, headers


class OpenAITranscriptionServer(RecognizerServer):
    """OpenAI. `is_late`: the first segment is answered after the second; `fails_with`: the code of its error."""

    refusals: ClassVar = {
        "unauthorized": _refusal(401, "invalid_api_key"),
        "forbidden": _refusal(403, "forbidden"),
        "quota": _refusal(429, "insufficient_quota"),
        "rate_limited": _refusal(429, "rate_limit_exceeded", **{"Retry-After": str(RETRY_AFTER)}),
        "bad_request": _refusal(400, "invalid_value"),
        "unavailable": _refusal(503, "service_unavailable"),
        "redirect": (302, {}, {"Location": "http://127.0.0.1:9/v1/realtime"}),
    }

    def __init__(self, faults: Iterable[Fault] = (), *, is_late: bool = False, fails_with: str = "") -> None:
        super().__init__(faults)
        self.is_late = is_late
        self.fails_with = fails_with
        self.configured: list[dict[str, Any]] = []
        """The configuration of each stream."""
        self.heard_s: list[float] = []
        """Seconds of audio in each segment."""

    def admit(self, request: Request) -> str | None:
        parts = urlsplit(request.path)
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return "unauthorized"
        if parts.path != "/v1/realtime" or parse_qsl(parts.query) != [("intent", "transcription")]:
            self.problems.append(f"target {request.path}")
            return "bad_request"
        return None

    def session(self, connection: ServerConnection, path: str, query: dict[str, str]) -> Session:
        return TranscriptionSession(self, connection, query)


class TranscriptionSession(Session):
    server: OpenAITranscriptionServer
    closes: ClassVar = {
        "server_error": (1011, "The server had an error"),
        "audio_refused": (1003, "no binary frames"),
    }
    error: ClassVar = {
        "type": "error",
        "event_id": "event_e",
        "error": {"type": "server_error", "code": None, "message": "a table broke"},
    }
    count = 0
    told = 0
    """Words of the segment that were sent in deltas."""
    config: dict[str, Any] | None = None

    def is_audio(self, frame: bytes) -> bool:
        return False

    async def begin(self) -> None:
        self.level = np.zeros(SMOOTHED // 2, np.int32)
        self.held: list[tuple[str, dict[str, Any]]] = []
        self.clear()
        created = {"type": "transcription", "object": "realtime.transcription_session", "id": "sess_1"}
        await self.tell("session.created", session=created)

    def clear(self) -> None:
        self.count += 1
        self.item = f"item_{self.count}"
        self.told = 0
        self.samples = 0
        self.read = np.zeros(0, np.int16)

    async def obey(self, frame: str) -> None:
        try:
            event = json.loads(frame)
            _CLIENT.validate_python(event, strict=False, extra="forbid")
        except (ValueError, ValidationError) as error:
            await self.reject("invalid_value", f"{frame[:80]}: {error}")
            return
        handler = {
            "session.update": self.configure,
            "input_audio_buffer.append": self.append,
            "input_audio_buffer.commit": self.commit,
        }.get(event["type"])
        if handler is None:
            await self.reject("invalid_event", event["type"])
            return
        await handler(event)

    async def configure(self, event: dict[str, Any]) -> None:
        session = event["session"]
        audio = session.get("audio", {}).get("input", {})
        asked = audio.get("transcription") or {}
        wrong = (
            session["type"] != "transcription"
            or audio.get("format") != {"type": "audio/pcm", "rate": RATE}
            or audio.get("turn_detection") is not None
            or asked.get("model") not in (*STREAMING, "gpt-transcribe")
            or REFUSED.get(asked["model"], set()) & asked.keys()
        )
        if wrong:
            await self.reject("invalid_value", f"the session {session}")
            return
        self.config = session
        self.server.configured.append(session)
        await self.tell("session.updated", session=session)

    async def append(self, event: dict[str, Any]) -> None:
        try:
            pcm = base64.b64decode(event["audio"], validate=True)
        except binascii.Error:
            pcm = b"\0"
        if self.config is None or not pcm or len(pcm) % 2:
            await self.reject("invalid_value", "audio")
            return
        self.samples += len(pcm) // 2
        self.level = np.concatenate([self.level, np.abs(np.frombuffer(pcm, "<i2").astype(np.int32))])
        if len(self.level) < SMOOTHED:
            return
        windows = sliding_window_view(self.level, SMOOTHED)[::DECIMATION]
        smooth = np.median(windows, axis=1)
        self.level = self.level[len(windows) * DECIMATION :]
        exact = spoken._LOWEST + spoken._STEP * np.rint((smooth - spoken._LOWEST) / spoken._STEP)
        self.read = np.concatenate([self.read, np.where(smooth < 9000, 0, exact).astype(np.int16)])
        words = self.words()
        if await self.misbehave(bool(words)) or not words:
            return
        if self.config["audio"]["input"]["transcription"]["model"] in STREAMING:
            ended = not self.read[-PAUSE:].any()
            await self.tell_words(words if ended else words[:-1])

    def words(self) -> list[str]:
        return understand(self.read.tobytes(), RATE // DECIMATION).split()

    async def tell_words(self, words: list[str]) -> None:
        for word in words[self.told :]:
            delta = word if self.told == 0 else f" {word}"
            self.told += 1
            await self.tell(EVENTS + "delta", item_id=self.item, content_index=0, delta=delta)

    async def commit(self, event: dict[str, Any]) -> None:
        self.server.received.append(event["type"])
        if self.samples < RATE // 10:
            await self.reject("input_audio_buffer_commit_empty", f"a commit of {self.samples} samples")
            return
        words, seconds = self.words(), self.samples / RATE
        if await self.misbehave(bool(words)):
            return
        if self.fault == "no_answer":
            self.fault = ""
            return
        self.server.heard_s.append(seconds)
        item = {"id": self.item, "type": "message", "role": "user", "status": "completed"}
        item["content"] = [{"type": "input_audio", "transcript": None}]  # type: ignore[assignment]  # as it is
        await self.tell("input_audio_buffer.committed", item_id=self.item, previous_item_id=None)
        await self.tell("conversation.item.added", item=item, previous_item_id=None)
        await self.tell_words(words)
        where = {"item_id": self.item, "content_index": 0}
        if self.server.fails_with:
            error = {"type": "transcription_error", "code": self.server.fails_with, "message": "a table", "param": None}
            self.server.fails_with = ""
            self.held.append((EVENTS + "failed", {"error": error, **where}))
        else:
            usage = {"type": "duration", "seconds": seconds}
            self.held.append((EVENTS + "completed", {"transcript": " ".join(words), "usage": usage, **where}))
        self.clear()
        if self.server.is_late and len(self.held) < 2:
            return
        for kind, fields in reversed(self.held):
            await self.tell(kind, **fields)
        self.held.clear()

    async def misbehave(self, words: bool) -> bool:
        if words and self.fault == "audio_refused":
            self.fault = "stall"
            error = {"type": "invalid_request_error", "code": "invalid_value", "message": "a table", "param": "audio"}
            await self.tell("error", error=error)
            return True
        return await super().misbehave(words)

    async def reject(self, code: str, problem: str) -> None:
        self.server.problems.append(problem)
        await self.tell("error", error={"type": "invalid_request_error", "code": code, "message": problem})

    async def tell(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "event_id": f"event_{self.count}", **fields}
        _SERVER.validate_python(event)
        await self.send(event)

    def broken(self) -> dict[str, Any]:
        return {"type": EVENTS + "delta", "event_id": "event_b", "content_index": 0, "delta": "A"}
