"""A stand-in for the Gemini Live API over a WebSocket, on the loopback.

Sources, read on 2026-11-30: https://ai.google.dev/api/live (messages, and that a client message has one field), and the
types of the SDK google-genai 2.34 (`LiveClientMessage`, `LiveServerMessage`), by which every message in both directions
is validated: they know no other fields. What a model does is as `pydantic_ai.realtime.google` describes it.

It decides turns by itself, as Gemini does: speech that is followed by `SILENCE_S` of silence is answered, unasked. It
refuses a second setup, audio that is not 16 kHz PCM, and the result of a tool that was not called.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections import deque
from typing import Any, Final

from realtime_server import KEY, RealtimeServer, answer_steps
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from duologue.realtime import RealtimeToolCall
from duologue.testing.fakes import PITCH
from duologue.testing.spoken import speak, understand
from environment import environment

environment("realtime")

from google.genai import types  # noqa: E402  # found by the line above

__all__ = ["GeminiServer"]

HEARS: Final = 16_000
SPEAKS: Final = 24_000
SILENCE_S: Final = 0.2
CHUNK_S: Final = 0.2


class GeminiServer(RealtimeServer):
    """Gemini Live."""

    path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    base = ""
    parameters = frozenset()

    def has_key(self, request: Request) -> bool:
        return request.headers.get("x-goog-api-key") == KEY

    def conversation(self, socket: ServerConnection) -> Any:
        return _Conversation(self, socket)


class _Conversation:
    def __init__(self, server: GeminiServer, socket: ServerConnection) -> None:
        self.server, self.socket = server, socket
        self.speaking: asyncio.Task[None] | None = None
        self._buffer = bytearray()
        self._checked = 0
        """How much of it is known to be no whole turn."""
        self._steps: deque[Any] = deque()
        self._calls: set[str] = set()
        self._count = 0

    async def serve(self) -> None:
        await self._setup(self._read(await self.socket.recv()))
        async for data in self.socket:
            message = self._read(data)
            if message.client_content is not None:
                await self._content(message.client_content)
            elif message.realtime_input is not None:
                await self._hear(message.realtime_input)
            elif message.tool_response is not None:
                await self._results(message.tool_response)
            else:
                self.server.problems.append(f"another message: {data!r:.80}")

    def _read(self, data: str | bytes) -> Any:
        raw = json.loads(data)
        if len(raw) != 1:
            self.server.problems.append(f"a message with the fields {sorted(raw)}")
        return types.LiveClientMessage.model_validate(raw)

    async def _setup(self, message: Any) -> None:
        setup = message.setup
        modalities = [each.value for each in setup.generation_config.response_modalities]
        if modalities != ["AUDIO"] or setup.output_audio_transcription is None:
            self.server.problems.append(f"setup {setup}")
        self.server.sessions.append(setup.model_dump(exclude_none=True))
        await self._send(setup_complete={})

    async def _content(self, content: Any) -> None:
        for turn in content.turns or ():
            text = " ".join(part.text for part in turn.parts)
            self.server.seeded.append(("user" if turn.role == "user" else "assistant", text))
        last = content.turns[-1] if content.turns else None
        if content.turn_complete and last is not None and last.role == "user" and len(content.turns) == 1:
            self._answer(self.server.seeded[-1][1])

    async def _hear(self, heard: Any) -> None:
        audio = heard.audio
        if audio is None or audio.mime_type != f"audio/pcm;rate={HEARS}" or len(audio.data) % 2:
            self.server.problems.append("realtime input that is not 16 kHz PCM")
            return
        self.server.heard_s += len(audio.data) / 2 / HEARS
        self._buffer += audio.data
        silence = round(SILENCE_S * HEARS) * 2
        end = self._buffer.find(bytes(silence), max(0, self._checked - silence))
        while end >= 0:
            words = understand(bytes(self._buffer[: end + silence & ~1]))
            del self._buffer[: end + silence & ~1]
            if words:
                self._answer(words)
            end = self._buffer.find(bytes(silence))
        self._checked = len(self._buffer)

    async def _results(self, response: Any) -> None:
        for result in response.function_responses:
            if result.id not in self._calls:
                self.server.problems.append(f"the result of {result.id}")
                continue
            self._calls.discard(result.id)
            self.server.results.append(result.response["output"])
        if not self._calls:
            self._speak("")

    def _answer(self, said: str) -> None:
        self.server.turns.append(said)
        self._steps = answer_steps(said, self.server.answer)
        self._speak(self.server.take_fault())

    def _speak(self, fault: str) -> None:
        if self.speaking is not None:
            self.speaking.cancel()
        self.speaking = asyncio.create_task(self._run(fault))

    async def _run(self, fault: str) -> None:
        with contextlib.suppress(ConnectionClosed):
            if fault == "garbage":
                await self.socket.send("{]")
            if fault in ("garbage", "stall_first"):
                return
            while self._steps:
                step = self._steps.popleft()
                if isinstance(step, RealtimeToolCall):
                    await self._call(step)
                    return
                await self._say(step, fault)
                if fault == "stall":
                    return
                if fault == "drop":
                    self.socket.transport.abort()
                    return
            usage = {"prompt_token_count": 10, "response_token_count": 20, "total_token_count": 30}
            await self._send(server_content={"generation_complete": True})
            await self._send(server_content={"turn_complete": True}, usage_metadata=usage)

    async def _call(self, step: RealtimeToolCall) -> None:
        self._count += 1
        call = f"call_{self._count}"
        self._calls.add(call)
        called = {"id": call, "name": step.name, "args": json.loads(step.arguments)}
        await self._send(tool_call={"function_calls": [called]})

    async def _say(self, text: str, fault: str) -> None:
        pcm = speak(text, SPEAKS, pitch=PITCH) + bytes(round(0.1 * SPEAKS) * 2)
        size = round(CHUNK_S * SPEAKS) * 2
        words = [f"{word} " for word in text.split()]
        for at in range(0, len(pcm), size):
            if words:
                await self._send(server_content={"output_transcription": {"text": words.pop(0)}})
            data = base64.b64encode(pcm[at : at + size]).decode()
            blob = {"mime_type": f"audio/pcm;rate={SPEAKS}", "data": data}
            await self._send(server_content={"model_turn": {"parts": [{"inline_data": blob}]}})
            if fault in ("stall", "drop"):
                return
        for word in words:
            await self._send(server_content={"output_transcription": {"text": word}})

    async def _send(self, **fields: Any) -> None:
        message = types.LiveServerMessage.model_validate(fields)
        await self.socket.send(message.model_dump_json(by_alias=True, exclude_none=True))
