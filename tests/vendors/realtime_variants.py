"""Stand-ins for services that speak variants of OpenAI's Realtime protocol: Azure OpenAI and xAI.

Sources, read on 2026-11-30: https://learn.microsoft.com/en-us/azure/foundry/openai/realtime-audio-reference (Azure
follows OpenAI's specification), https://learn.microsoft.com/en-us/answers/a/12820829 (its address and its header), and
`pydantic_ai.realtime.azure` and `.xai` of pydantic-ai-slim 2.68. xAI's own reference could not be read here: its
session's fields, and what it does with its turn detection off, are as pydantic-ai describes them. Speech is answered
as soon as it is committed, a commit without speech is ignored, a response that is asked for after an answered commit is
dropped, speech during a response stops it without an end, and nothing is truncated.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from realtime_server import KEY, RATE, Conversation, RealtimeServer, understand_microphone
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request

__all__ = ["AzureServer", "XaiServer"]


class AzureServer(RealtimeServer):
    """Azure OpenAI."""

    path = "/openai/v1/realtime"
    base = ""

    def has_key(self, request: Request) -> bool:
        return request.headers.get("api-key") == KEY and "Authorization" not in request.headers


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Format(_Strict):
    type: Literal["audio/pcm"]
    rate: Literal[24_000]


class _Audio(_Strict):
    format: _Format


class _AudioBoth(_Strict):
    input: _Audio
    output: _Audio


class _Tool(_Strict):
    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, Any]


class _Session(_Strict):
    """Without turn detection, and without a transcript of the user."""

    instructions: str
    turn_detection: None
    audio: _AudioBoth
    voice: str | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | None = None


class XaiServer(RealtimeServer):
    """xAI."""

    def conversation(self, socket: ServerConnection) -> Any:
        return _XaiConversation(self, socket)


class _XaiConversation(Conversation):
    _hears_speech = False
    _speech_is_answered = False
    """The latest input is speech that was answered..."""
    _may_be_asked = False
    """...because it was committed, and the request for the answer may still be on its way."""

    async def greet(self) -> None:
        await self._send("conversation.created", conversation={"id": self._name("conv")})

    def validate(self, event: dict[str, Any]) -> None:
        if event["type"] == "session.update":
            _Session.model_validate(event["session"])
        else:
            super().validate(event)

    async def _session_update(self, event: dict[str, Any]) -> None:
        self.server.sessions.append(event["session"])
        await self.send_unchecked("session.updated", session=event["session"])

    async def _input_audio_buffer_append(self, event: dict[str, Any]) -> None:
        if self._response is not None:
            self.server.problems.append("audio during a response stops it without an end")
        await super()._input_audio_buffer_append(event)
        if not self._hears_speech and any(self._buffer):
            self._hears_speech = True
            await self._send("input_audio_buffer.speech_started", audio_start_ms=0, item_id=self._name("item"))

    async def _input_audio_buffer_clear(self, event: dict[str, Any]) -> None:
        self._hears_speech = self._speech_is_answered = False
        await super()._input_audio_buffer_clear(event)

    async def _input_audio_buffer_commit(self, event: dict[str, Any]) -> None:
        if not self._hears_speech:
            return
        if self._response is not None:
            self.server.problems.append("a commit during a response")
        await self._commit()
        self._may_be_asked = True
        self._plan()
        await self._begin(None)

    async def _commit(self) -> None:
        words = understand_microphone(bytes(self._buffer[-60 * RATE * 2 :]))
        self._buffer.clear()
        self._hears_speech, self._speech_is_answered = False, True
        self._ask(words)
        item = self._name("item")
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=None)
        content = [{"type": "input_audio", "transcript": None}]
        await self._add({"id": item, "type": "message", "role": "user", "status": "completed", "content": content})

    async def _conversation_item_create(self, event: dict[str, Any]) -> None:
        self._speech_is_answered = False
        await super()._conversation_item_create(event)

    async def _conversation_item_truncate(self, event: dict[str, Any]) -> None:
        await self._refuse(event, "unsupported", "truncation")

    async def _response_create(self, event: dict[str, Any]) -> None:
        if self._hears_speech:
            await self._commit()
        elif self._speech_is_answered:
            if not self._may_be_asked:
                self.server.problems.append("a response that was asked for without a new input is dropped")
            self._may_be_asked = False
            return
        await super()._response_create(event)
