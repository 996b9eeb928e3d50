"""A stand-in for Deepgram's speech recognition, on the loopback: `/v1/listen`, `/v2/listen` and prerecorded requests.

Sources, read on 2026-11-30: https://developers.deepgram.com/reference/speech-to-text/listen-streaming and listen-flux
(AsyncAPI), /docs/finalize, /docs/audio-keep-alive, /docs/close-stream, /docs/utterance-end, /docs/flux/state,
/docs/flux/force-end-turn, /docs/errors, /docs/stt-troubleshooting-websocket-data-and-net-errors; and the types of the
official SDK deepgram-sdk 7.17.0.

It reads the words of `duologue.testing.spoken`. It refuses what the reference does not have: unknown parameters, values
and messages, another encoding, an empty or odd frame of audio, any frame after CloseStream.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, ClassVar, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from recognizer_server import RATE, RETRY_AFTER, Fault, RecognizerServer, Session
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request

from duologue.audio.wav import read_wav_16k
from duologue.errors import InvalidAudioError
from duologue.testing.spoken import understand_words

KEY = "dg-test-0123456789abcdef"
FOREVER = 3600.0

_REFUSALS: dict[str, tuple[int, str]] = {
    "unauthorized": (401, "INVALID_AUTH"),
    "forbidden": (403, "INSUFFICIENT_PERMISSIONS"),
    "quota": (402, "ASR_PAYMENT_REQUIRED"),
    "rate_limited": (429, "TOO_MANY_REQUESTS"),
    "bad_request": (400, "Bad Request"),
    "bad_audio": (400, "Bad Request"),
    "unavailable": (503, "SERVICE_UNAVAILABLE"),
    "redirect": (302, "Found"),
}

_BOOLEANS = frozenset({"true", "false"})
_V1: dict[str, frozenset[str] | None] = {
    "model": None,
    "encoding": frozenset({"linear16"}),
    "sample_rate": frozenset({str(RATE)}),
    "channels": frozenset({"1"}),
    "interim_results": _BOOLEANS,
    "endpointing": None,
    "utterance_end_ms": None,
    "vad_events": _BOOLEANS,
    "language": None,
    "punctuate": _BOOLEANS,
    "smart_format": _BOOLEANS,
    "numerals": _BOOLEANS,
    "profanity_filter": _BOOLEANS,
    "filler_words": _BOOLEANS,
    "no_delay": _BOOLEANS,
    "mip_opt_out": _BOOLEANS,
    "keyterm": None,
    "tag": None,
}
_V2: dict[str, frozenset[str] | None] = {
    "model": frozenset({"flux-general-en", "flux-general-multi"}),
    "encoding": frozenset({"linear16"}),
    "sample_rate": frozenset({str(RATE)}),
    "eot_threshold": None,
    "eager_eot_threshold": None,
    "eot_timeout_ms": None,
    "language_hint": None,
    "numerals": _BOOLEANS,
    "profanity_filter": _BOOLEANS,
    "mip_opt_out": _BOOLEANS,
    "keyterm": None,
    "tag": None,
}
_RECORDED = {k: v for k, v in _V1.items() if k not in ("channels", "interim_results", "endpointing", "vad_events")}


class DeepgramServer(RecognizerServer):
    """Deepgram, whose streams end after 10 s without a message."""

    refusals: ClassVar = {
        fault: (
            status,
            {"err_code": code, "err_msg": "x", "request_id": "r"},
            {
                "dg-request-id": "r",
                "dg-error": code,
                **({"Retry-After": str(RETRY_AFTER)} if status == 429 else {}),
                **({"Location": "http://127.0.0.1:9/v1/listen"} if status == 302 else {}),
            },
        )
        for fault, (status, code) in _REFUSALS.items()
    }

    def admit(self, request: Request) -> str | None:
        parts = urlsplit(request.path)
        if request.headers.get("Authorization") != f"Token {KEY}":
            return "unauthorized"
        allowed = {"/v1/listen": _V1, "/v2/listen": _V2}.get(parts.path)
        query = parse_qsl(parts.query, keep_blank_values=True)
        wrong = check(query, allowed or {}, repeated={"keyterm", "language_hint"})
        if allowed is None or wrong:
            self.problems.append(f"{parts.path}: {wrong}")
            return "bad_request"
        return None

    def session(self, connection: ServerConnection, path: str, query: dict[str, str]) -> Session:
        kind = NovaSession if path == "/v1/listen" else FluxSession
        return kind(self, connection, query)


class DeepgramSession(Session):
    goodbye = "CloseStream"
    closes: ClassVar = {"server_error": (1011, "NET-0000"), "audio_refused": (1008, "DATA-0000")}
    error: ClassVar = {"type": "Error", "code": "INTERNAL_SERVER_ERROR", "description": "words", "sequence_id": 1}


class NovaSession(DeepgramSession):
    texts = frozenset({"Finalize", "KeepAlive", "CloseStream"})
    next_interim = 0
    ended = True

    async def listen(self) -> None:
        words = self.heard()
        if await self.misbehave(bool(words)):
            return
        if self.end >= self.next_interim and self.query.get("interim_results") == "true":
            self.next_interim = self.end + RATE // 5
            await self.send(self.results(words))
        if words:
            self.ended = False
        gap = int(self.query.get("utterance_end_ms", 0)) * RATE // 1000
        if gap and not self.ended and self.end - self.last_word_end() >= gap:
            self.ended = True
            await self.final(words)
            await self.send({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": self.last_word_end() / RATE})

    last = 0

    def last_word_end(self) -> int:
        words = self.heard()
        self.last = words[-1][2] if words else self.last
        return self.last

    async def command(self, kind: str) -> None:
        if kind == "Finalize":
            if self.fault == "no_answer":
                self.fault = ""
            elif not await self.misbehave(True):
                await self.final(self.heard(), from_finalize=True)

    async def finish(self) -> None:
        await self.send(
            {
                "type": "Metadata",
                "transaction_key": "deprecated",
                "request_id": "r",
                "sha256": "0",
                "created": "2026-11-30T00:00:00Z",
                "duration": self.end / RATE,
                "channels": 1,
            }
        )

    async def final(self, words: list[tuple[str, int, int]], *, from_finalize: bool = False) -> None:
        self.last_word_end()
        await self.send({**self.results(words), "is_final": True, "speech_final": True, "from_finalize": from_finalize})
        self.start, self.pcm = self.end, bytearray()

    def results(self, words: list[tuple[str, int, int]]) -> dict[str, Any]:
        spoken = [
            {
                "word": w.lower().strip(".,?"),
                "punctuated_word": w,
                "start": a / RATE,
                "end": b / RATE,
                "confidence": 0.9,
            }
            for w, a, b in words
        ]
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": self.start / RATE,
            "duration": (self.end - self.start) / RATE,
            "is_final": False,
            "speech_final": False,
            "from_finalize": False,
            "channel": {
                "alternatives": [{"transcript": " ".join(w for w, _, _ in words), "confidence": 0.9, "words": spoken}]
            },
            "metadata": {
                "request_id": "r",
                "model_info": {"name": self.query["model"], "version": "1", "arch": "nova-3"},
                "model_uuid": "m",
            },
        }

    def broken(self) -> dict[str, Any]:
        return {**self.results([]), "start": -1}


class FluxSession(DeepgramSession):
    texts = frozenset({"CloseStream", "ForceEndTurn"})
    sequence = 0
    turn = 0
    state: Literal["initial", "ongoing", "awaiting"] = "initial"
    next_update = RATE // 4
    transcript = ""

    async def begin(self) -> None:
        await self.send({"type": "Connected", "request_id": "r", "sequence_id": 0})

    async def listen(self) -> None:
        words = self.heard()
        if await self.misbehave(bool(words)):
            return
        silence = (self.end - words[-1][2]) / RATE if words else 0.0
        text = " ".join(w for w, _, _ in words)
        eager = "eager_eot_threshold" in self.query
        if self.state == "initial" and words:
            self.state = "ongoing"
            await self.tell("StartOfTurn", text, 0.1)
        elif self.state == "ongoing" and eager and 0.25 <= silence < 0.5:
            self.state, self.transcript = "awaiting", text
            await self.tell("EagerEndOfTurn", text, 0.6)
        elif self.state == "awaiting" and text != self.transcript:
            self.state = "ongoing"
            await self.tell("TurnResumed", text, 0.2)
        elif self.state != "initial" and silence >= 0.5:
            await self.end_turn(text, "model")
        elif self.end >= self.next_update:
            await self.tell("Update", text, 0.1)

    async def end_turn(self, text: str, trigger: str) -> None:
        await self.tell("EndOfTurn", text, 0.85, trigger=trigger)
        self.state, self.turn = "initial", self.turn + 1
        self.start, self.pcm = self.end, bytearray()

    async def tell(self, event: str, text: str, confidence: float, **more: str) -> None:
        self.next_update = self.end + RATE // 4
        await self.send({**self.info(event, text, confidence), **more})

    def info(self, event: str, text: str, confidence: float) -> dict[str, Any]:
        self.sequence += 1
        return {
            "type": "TurnInfo",
            "request_id": "r",
            "sequence_id": self.sequence,
            "event": event,
            "turn_index": self.turn,
            "audio_window_start": self.start / RATE,
            "audio_window_end": self.end / RATE,
            "transcript": text,
            "words": [{"word": word, "confidence": 0.9} for word in text.split()],
            "end_of_turn_confidence": confidence,
        }

    def broken(self) -> dict[str, Any]:
        return {**self.info("Update", "", 0.1), "end_of_turn_confidence": "high"}


class DeepgramRecordings:
    """Serves prerecorded requests, one a connection."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.url = ""
        self.problems: list[str] = []
        self.queries: list[list[tuple[str, str]]] = []
        self.traces: list[str | None] = []
        """The header `traceparent` of each request."""
        self._faults = deque(faults)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"
        return self

    async def __aexit__(self, *args: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self._faults.popleft() if self._faults else ""
        if fault == "hang_up":
            return
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        status, answer = self._answer(method, target, headers, body)
        if fault in _REFUSALS:
            status, code = _REFUSALS[fault]
            about = "failed to process audio: corrupt or unsupported data" if fault == "bad_audio" else "refused"
            answer = {"err_code": code, "err_msg": f"Bad Request: {about}", "request_id": "r"}
        if fault == "stall":
            await asyncio.sleep(FOREVER)
        data = b"<html>" if fault == "garbage" else json.dumps(answer).encode()
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            "content-type: application/json",
            f"content-length: {len(data)}",
            f"retry-after: {RETRY_AFTER}",
            "connection: close",
        ]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (data[:9] if fault == "drop" else data))
        await writer.drain()

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        self.traces.append(headers.get("traceparent"))
        parts = urlsplit(target)
        query = parse_qsl(parts.query, keep_blank_values=True)
        wrong = check(query, _RECORDED, repeated={"keyterm"})
        if (method, parts.path) != ("POST", "/v1/listen") or wrong:
            self.problems.append(f"{method} {parts.path}: {wrong}")
            return 400, {"err_code": "Bad Request", "err_msg": "Unknown parameter", "request_id": "r"}
        if headers.get("authorization") != f"Token {KEY}":
            return 401, {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials.", "request_id": "r"}
        try:
            samples = read_wav_16k(body).samples
        except InvalidAudioError:
            self.problems.append("a body that is no WAV file")
            return 400, {"err_code": "Bad Request", "err_msg": "failed to process audio", "request_id": "r"}
        self.queries.append(query)
        text = " ".join(word for word, _, _ in understand_words(samples.tobytes()))
        alternative = {"transcript": text, "confidence": 0.9, "words": []}
        return 200, {
            "metadata": {
                "transaction_key": "deprecated",
                "request_id": "r",
                "sha256": "0",
                "created": "2026-11-30T00:00:00.000Z",
                "duration": len(samples) / RATE,
                "channels": 1,
                "models": ["m"],
                "model_info": {"m": {"name": "general-nova-3", "version": "1", "arch": "nova-3"}},
            },
            "results": {"channels": [{"alternatives": [alternative]}]},
        }


def check(query: list[tuple[str, str]], allowed: dict[str, frozenset[str] | None], *, repeated: set[str]) -> str:
    """What is wrong with a query; empty if nothing is."""
    names = [name for name, _ in query]
    for name, value in query:
        values = allowed.get(name, frozenset())
        if name not in allowed or not value or (values is not None and value not in values):
            return f"{name}={value}"
        if names.count(name) > 1 and name not in repeated:
            return f"{name} twice"
    return "" if "model" in names else "no model"
