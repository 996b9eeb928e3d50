"""A stand-in for OpenAI's Live API (`/v1/live/sessions`, GPT-Live) over a WebSocket, on the loopback.

Sources, read on 2026-11-30: https://developers.openai.com/api/docs/guides/voice-websockets,
https://learn.microsoft.com/azure/foundry/openai/gpt-live-reference, and the client and server events of the SDK
openai 3.57 (`openai.types.live`), by which every event in both directions is validated. What no reference says is as
`pydantic_ai.realtime.openai_live` of pydantic-ai-slim 2.68 describes it.

The session is a timeline that only the user's audio advances, silence included: for each piece that comes, a piece of
the same length goes out, silent where the model says nothing. There are no turns in the protocol. Speech that is
followed by `SILENCE_S` of silence is answered; the model falls silent when it is spoken to for `YIELD_S`. Tools, and
typed text, are the business of a Responses backend, whose events are nested.

It refuses commands before `session.start`, a second start, unknown fields, audio that is not whole samples, and the
result of a tool that was not called.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from typing import Annotated, Any, Final

import numpy as np
from openai.types.live import ClientEventParam, ServerEvent
from openai.types.responses import ResponseStreamEvent
from pydantic import Field, TypeAdapter, ValidationError
from realtime_server import RATE, RealtimeServer, answer_steps, understand_microphone
from websockets.asyncio.server import ServerConnection

from duologue.realtime import RealtimeToolCall
from duologue.testing.fakes import PITCH
from duologue.testing.spoken import speak

__all__ = ["LiveServer"]

SILENCE_S: Final = 0.4
YIELD_S: Final = 0.3
LOUD: Final = 4500
"""The peak of a piece in which somebody speaks."""
_CLIENT: TypeAdapter[Any] = TypeAdapter(ClientEventParam)
_SERVER: TypeAdapter[Any] = TypeAdapter(ServerEvent)
_NESTED: TypeAdapter[Any] = TypeAdapter(Annotated[ResponseStreamEvent, Field(discriminator="type")])


class LiveServer(RealtimeServer):
    """OpenAI Live."""

    path = "/v1/live/sessions"
    parameters = frozenset()

    def conversation(self, socket: ServerConnection) -> Any:
        return _Conversation(self, socket)


class _Conversation:
    speaking = None
    """What the server cancels; this one speaks with what it hears."""

    def __init__(self, server: LiveServer, socket: ServerConnection) -> None:
        self.server, self.socket = server, socket
        self._session: dict[str, Any] = {}
        self._count = 0
        self._ms = 0.0
        """The timeline."""
        self._heard = bytearray()
        self._hears_speech = False
        self._quiet_s = self._overlap_s = self._speech_s = 0.0
        self._transcribed = ""
        self._track = bytearray()
        """Speech that is still to go out."""
        self._words: deque[tuple[int, str]] = deque()
        """Words, and the byte of the track with which each begins."""
        self._steps: deque[Any] = deque()
        self._typed = ""
        self._calls: set[str] = set()
        self._delegation = ""
        self._fault = ""
        self._spoken = 0
        """Pieces of speech since the answer began."""

    async def serve(self) -> None:
        async for message in self.socket:
            assert isinstance(message, str)
            event = json.loads(message)
            try:
                _CLIENT.validate_python(event, strict=False, extra="forbid")
            except ValidationError as error:
                await self._refuse(event, str(error))
                continue
            if bool(self._session) == (event["type"] == "session.start"):
                await self._refuse(event, "session.start comes first, and once")
                continue
            await getattr(self, "_" + event["type"].replace(".", "_"))(event)

    # --- what comes ---

    async def _session_start(self, event: dict[str, Any]) -> None:
        config = event["session"]
        if config["audio"]["format"] != {"type": "audio/pcm", "rate": RATE}:
            self.server.problems.append(f"audio {config['audio']}")
        if config["delegation"]["type"] != "responses":
            self.server.problems.append(f"delegation {config['delegation']}")
        self.server.sessions.append(config)
        for item in config.get("input", ()):
            self.server.seeded.append((item["role"], " ".join(part["text"] for part in item["content"])))
        self._session = {**config, "id": self._name("sess"), "expires_at": 2_000_000_000, "status": "active"}
        await self._send("session.started", session=self._session)

    async def _session_close(self, _: dict[str, Any]) -> None:
        await self._close("close_requested")

    async def _session_input_audio_append(self, event: dict[str, Any]) -> None:
        pcm = base64.b64decode(event["audio"], validate=True)
        if len(pcm) % 2:
            self.server.problems.append("half a sample")
        seconds = len(pcm) / 2 / RATE
        self.server.heard_s += seconds
        await self._hear(pcm, seconds)
        await self._say_on(len(pcm))
        before, self._ms = self._ms, self._ms + seconds * 1000
        if int(before / 1000) != int(self._ms / 1000):
            await self._send("session.usage.updated", usage={"seconds": int(self._ms / 1000)})

    async def _session_thinking_append(self, event: dict[str, Any]) -> None:
        at = round(self._ms)
        await self._send("session.thinking.appended", start_ms=at, end_ms=at)

    async def _response_item_create(self, event: dict[str, Any]) -> None:
        item = event["item"]
        if item["type"] == "function_call_output":
            if item["call_id"] not in self._calls:
                await self._refuse(event, "no such call")
                return
            self._calls.discard(item["call_id"])
            self.server.results.append(item["output"])
        else:
            self._typed = " ".join(part["text"] for part in item["content"])
            self.server.seeded.append((item["role"], self._typed))

    async def _response_create(self, event: dict[str, Any]) -> None:
        if self._typed:
            typed, self._typed = self._typed, ""
            await self._delegate(typed, event.get("event_id"))
        elif self._calls:
            await self._refuse(event, "results are missing")
        else:
            await self._work()

    # --- what is heard and said ---

    async def _hear(self, pcm: bytes, seconds: float) -> None:
        self._heard += pcm
        if np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)).max(initial=0) > LOUD:
            self._hears_speech, self._quiet_s = True, 0.0
            self._speech_s += seconds
            if self._speech_s >= YIELD_S and not self._transcribed:
                await self._transcribe()
            self._overlap_s += seconds if self._track else 0.0
            if self._overlap_s >= YIELD_S:
                self._track.clear()
                self._words.clear()
            return
        self._quiet_s += seconds
        if not self._hears_speech:
            del self._heard[: -RATE * 2]
        elif self._quiet_s >= SILENCE_S:
            said = await self._transcribe()
            self._heard.clear()
            self._hears_speech, self._overlap_s, self._speech_s, self._transcribed = False, 0.0, 0.0, ""
            if said:
                await self._answer(said)

    async def _transcribe(self) -> str:
        """Send what was said since the last time; returns all words of the speech so far."""
        said = understand_microphone(bytes(self._heard))
        start, end = round(max(0.0, self._ms - 1000)), round(self._ms)
        if more := said.removeprefix(self._transcribed):
            await self._send("session.input_transcript.delta", delta=more, start_ms=start, end_ms=end)
        self._transcribed = said
        return said

    async def _answer(self, said: str) -> None:
        """Answer speech: at once, or with the help of the backend."""
        fault = self._begin(said)
        if fault == "stall_first":
            self._steps.clear()
        elif fault == "failed" or any(isinstance(step, RealtimeToolCall) for step in self._steps):
            await self._delegate("", None)
        else:
            await self._speak()

    def _begin(self, said: str) -> str:
        self.server.turns.append(said)
        self._steps = answer_steps(said, self.server.answer)
        self._fault, self._spoken = self.server.take_fault(), 0
        return self._fault

    async def _speak(self) -> None:
        """Say all that comes before the next call of a tool."""
        if self._fault == "garbage":
            await self.socket.send("{]")
        while self._steps and isinstance(self._steps[0], str):
            text = self._steps.popleft()
            pcm, words = speak(text, RATE, pitch=PITCH), text.split()
            at = len(self._track)
            self._track += pcm
            self._words.extend((at + n * len(pcm) // len(words), f" {word}") for n, word in enumerate(words))

    async def _say_on(self, size: int) -> None:
        """Send as much of the track as was heard; silence where nothing is said."""
        if self._fault == "stall" and self._spoken > 2:
            return
        start, end = round(self._ms), round(self._ms + size / 2 / RATE * 1000)
        piece = bytes(self._track[:size])
        del self._track[:size]
        if piece:
            self._spoken += 1
            self._words = deque((at - size, word) for at, word in self._words)
            while self._words and self._words[0][0] < 0:
                _, word = self._words.popleft()
                await self._send("session.output_transcript.delta", delta=word, start_ms=start, end_ms=end)
        data = base64.b64encode(piece.ljust(size, b"\0")).decode()
        message = {"type": "session.output_audio.delta", "delta": data, "start_ms": start, "end_ms": end}
        _SERVER.validate_python(message)  # the one event that has no id
        await self.socket.send(json.dumps(message))
        if self._fault == "drop" and self._spoken > 2:
            self.socket.transport.abort()
        elif self._fault == "expired" and self._spoken > 2:
            await self._close("expired")

    # --- the backend ---

    async def _delegate(self, typed: str, event_id: str | None) -> None:
        self._delegation = self._name("del")
        if typed:
            self._begin(typed)
        delegation = {"id": self._delegation, "type": "delegation", "target": "responses"}
        await self._send(
            "session.delegation.created", delegation=delegation, offset_ms=round(self._ms), client_event_id=event_id
        )
        await self._work()

    async def _work(self) -> None:
        """One response of the backend: a call of a tool, or the answer, which the model then says."""
        response = self._name("resp")
        await self._nested("response.created", response=_response(response, "in_progress"))
        if self._fault == "failed":
            self._steps.clear()
            error = {"code": "rate_limit_exceeded", "message": "too many"}
            await self._nested("response.failed", response=_response(response, "failed", error=error))
            return
        if self._steps and isinstance(self._steps[0], RealtimeToolCall):
            await self._call(self._steps.popleft())
        await self._nested("response.completed", response=_response(response, "completed"))
        if not self._calls:
            await self._speak()

    async def _call(self, step: RealtimeToolCall) -> None:
        call = self._name("call")
        self._calls.add(call)
        item = {"id": self._name("item"), "type": "function_call", "call_id": call, "name": step.name}
        item |= {"arguments": step.arguments, "status": "completed"}
        await self._nested("response.output_item.done", item=item, output_index=0)

    async def _nested(self, kind: str, **fields: Any) -> None:
        self._count += 1
        event = {"type": kind, "sequence_number": self._count, **fields}
        _NESTED.validate_python(event)
        await self._send("response.event", event=event, delegation_id=self._delegation)

    # --- sending ---

    async def _close(self, reason: str) -> None:
        await self._send(
            "session.closed", reason=reason, session=self._session, usage={"seconds": int(self._ms / 1000)}
        )
        await self.socket.close()

    async def _refuse(self, event: dict[str, Any], problem: str) -> None:
        self.server.problems.append(f"{event.get('type')}: {problem}")
        await self._send("error", error={"type": "invalid_request_error", "code": "invalid_value", "message": problem})

    async def _send(self, kind: str, **fields: Any) -> None:
        message = {"type": kind, "event_id": self._name("event"), **fields}
        _SERVER.validate_python(message)
        await self.socket.send(json.dumps(message))

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"


def _response(name: str, status: str, **more: Any) -> dict[str, Any]:
    details = {
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    usage = {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30, **details}
    return {
        "id": name,
        "object": "response",
        "created_at": 1,
        "model": "gpt-6-sol",
        "status": status,
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage if status != "in_progress" else None,
        **more,
    }
