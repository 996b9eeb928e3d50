"""A stand-in for AssemblyAI's streaming recognition, `/v3/ws`, on the loopback.

Sources, read on 2026-11-30: https://www.assemblyai.com/docs/streaming/message-sequence (messages and their order), and
of the same site /docs/streaming/common-session-errors-and-closures (codes, 50 to 1000 ms of audio a message, no faster
than real time) and /docs/streaming/universal-streaming/turn-detection; and the types of the SDK assemblyai 1.8.2.
It refuses unknown parameters, values and messages, and messages of audio of another length. A `ForceEndpoint` in a
turn without words has no answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from recognizer_server import RATE, RETRY_AFTER, Fault, RecognizerServer, Session
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request

KEY = "aai-test-0123456789abcdef"
_PARAMETERS: dict[str, frozenset[str] | None] = {
    "sample_rate": frozenset({"16000"}),
    "encoding": frozenset({"pcm_s16le"}),
    "speech_model": frozenset(
        {"universal-streaming-english", "universal-streaming-multilingual", "universal-3-5-pro", "u3-rt-pro"}
    ),
    "format_turns": frozenset({"true", "false", "True"}),  # the SDK writes it as Python does
    "keyterms_prompt": None,
    "language_codes": None,
    "end_of_turn_confidence_threshold": None,
    "min_turn_silence": None,
    "max_turn_silence": None,
}


class AssemblyAIServer(RecognizerServer):
    """AssemblyAI. `closes_with` are an error and its code with which the next streams end once there are words."""

    refusals: ClassVar = {
        "unauthorized": (401, {"error": "Unauthorized"}, {}),
        "forbidden": (403, {"error": "Forbidden"}, {}),
        "quota": (402, {"error": "Insufficient account balance"}, {}),
        "rate_limited": (429, {"error": "Too many"}, {"Retry-After": str(RETRY_AFTER)}),
        "bad_request": (400, {"error": "Bad Request"}, {}),
        "unavailable": (503, {"error": "Unavailable"}, {}),
        "redirect": (302, {}, {"Location": "http://127.0.0.1:9/v3/ws"}),
    }

    def __init__(self, faults: Iterable[Fault] = (), *, errors: Iterable[tuple[int, str]] = ()) -> None:
        super().__init__(faults)
        self.errors = list(errors)
        """Errors with which the first streams end."""
        self.sent: list[tuple[float, int]] = []
        """When each message of audio came, in seconds of the loop, and its bytes."""

    def admit(self, request: Request) -> str | None:
        parts = urlsplit(request.path)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if request.headers.get("Authorization") != KEY:
            return "unauthorized"
        wrong = [
            name
            for name, value in query
            if name not in _PARAMETERS or (_PARAMETERS[name] is not None and value not in (_PARAMETERS[name] or ()))
        ]
        if parts.path != "/v3/ws" or wrong or not {"speech_model", "sample_rate"} <= dict(query).keys():
            self.problems.append(f"{parts.path}: {wrong}")
            return "bad_request"
        return None

    def session(self, connection: ServerConnection, path: str, query: dict[str, str]) -> Session:
        return AssemblyAISession(self, connection, query)


class AssemblyAISession(Session):
    server: AssemblyAIServer
    goodbye = "Terminate"
    texts = frozenset({"Terminate", "ForceEndpoint", "KeepAlive"})
    closes: ClassVar = {
        "server_error": (3005, "Session Cancelled: An error occurred"),
        "audio_refused": (3007, "Input duration violation: 20 ms. Expected between 50 and 1000 ms"),
    }
    error: ClassVar = {"type": "Error", "error_code": 3005, "error": "Session Cancelled: An error occurred"}
    order = 0
    shown: tuple[str, bool] = ("", False)

    def is_audio(self, frame: bytes) -> bool:
        self.server.sent.append((asyncio.get_running_loop().time(), len(frame)))
        return RATE // 20 <= len(frame) // 2 <= RATE and len(frame) % 2 == 0

    async def begin(self) -> None:
        await self.send({"type": "Begin", "id": "s", "expires_at": 1_796_000_000})
        if self.server.errors:
            code, text = self.server.errors.pop(0)
            await self.send({"type": "Error", "error_code": code, "error": text})
            await self.connection.close(code, text)

    async def listen(self) -> None:
        words = self.heard()
        if await self.misbehave(bool(words)) or not words:
            return
        silence = (self.end - words[-1][2]) / RATE
        text = " ".join(word for word, _, _ in words)
        if silence >= 0.4:
            await self.end_turn(words)
        elif (text, silence >= 0.2) != self.shown:
            self.shown = (text, silence >= 0.2)
            await self.send(self.turn(words, 0.85 if silence >= 0.2 else 0.05))

    async def command(self, kind: str) -> None:
        if kind != "ForceEndpoint":
            return
        if self.fault == "no_answer":
            self.fault = ""
        elif not await self.misbehave(True) and (words := self.heard()):
            await self.end_turn(words)

    async def end_turn(self, words: list[tuple[str, int, int]]) -> None:
        is_plain = self.query["speech_model"].startswith("universal-streaming")
        if is_plain:
            await self.send({**self.turn(words, 0.85), "end_of_turn": True})
        if not is_plain or self.query.get("format_turns", "false").lower() == "true":
            formatted = self.turn(words, 0.85, formatted=True)
            await self.send({**formatted, "end_of_turn": True, "turn_is_formatted": True})
        self.order += 1
        self.start, self.pcm = self.end, bytearray()

    async def finish(self) -> None:
        seconds = self.end // RATE
        await self.send({"type": "Termination", "audio_duration_seconds": seconds, "session_duration_seconds": seconds})

    def turn(self, words: list[tuple[str, int, int]], confidence: float, *, formatted: bool = False) -> dict[str, Any]:
        texts = [w if formatted else w.lower().strip(".,?!") for w, _, _ in words]
        return {
            "type": "Turn",
            "turn_order": self.order,
            "turn_is_formatted": False,
            "end_of_turn": False,
            "transcript": " ".join(texts if formatted else texts[:-1]),
            "utterance": "",
            "end_of_turn_confidence": confidence,
            "words": [
                {
                    "text": text,
                    "start": 1000 * start // RATE,
                    "end": 1000 * end // RATE,
                    "confidence": 0.9,
                    "word_is_final": formatted or n + 1 < len(words),
                }
                for n, (text, (_, start, end)) in enumerate(zip(texts, words, strict=True))
            ],
        }

    def broken(self) -> dict[str, Any]:
        return {**self.turn([], 0.1), "words": "none"}


def parameters(server: AssemblyAIServer) -> dict[str, Any]:
    """The query of the last stream, with lists as lists."""
    return {k: json.loads(v) if v.startswith("[") else v for k, v in server.queries[-1]}
