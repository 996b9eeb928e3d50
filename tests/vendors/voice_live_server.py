"""A stand-in for Azure AI Voice Live (`/voice-live/realtime`) over a WebSocket, on the loopback.

Sources, read on 2026-11-30: https://learn.microsoft.com/azure/ai-services/speech-service/voice-live-api-reference, and
the fields and events of the SDK azure-ai-voicelive 1.3.1 (`RequestSession`, `ServerEvent`). It is OpenAI's protocol as
it was in beta: a flat session, and other names of some events. What it does is as the stand-in of OpenAI Realtime does.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict
from realtime_server import RATE, Conversation
from realtime_variants import AzureServer
from websockets.asyncio.server import ServerConnection

__all__ = ["VoiceLiveServer"]

NAMES = {
    "conversation.item.added": "conversation.item.created",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
"""Events whose names differ."""


class _Strict(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)


class _Voice(_Strict):
    type: Literal["openai", "azure-standard", "azure-custom", "azure-personal", "azure-realtime-native"]
    name: str


class _Tool(_Strict):
    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, Any]


class _Session(_Strict):
    """Without turn detection, and without a transcript of the user."""

    instructions: str
    modalities: list[Literal["text", "audio"]]
    input_audio_format: Literal["pcm16"]
    output_audio_format: Literal["pcm16"]
    input_audio_sampling_rate: Literal[24_000]
    turn_detection: None
    voice: _Voice | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | None = None
    max_response_output_tokens: int | None = None


class VoiceLiveServer(AzureServer):
    """Azure AI Voice Live."""

    path = "/voice-live/realtime"
    parameters = frozenset({"api-version", "model"})

    def conversation(self, socket: ServerConnection) -> Any:
        return _VoiceLiveConversation(self, socket)


class _VoiceLiveConversation(Conversation):
    def validate(self, event: dict[str, Any]) -> None:
        if event["type"] == "session.update":
            _Session.model_validate(event["session"])
        else:
            super().validate(event)

    async def _session_update(self, event: dict[str, Any]) -> None:
        session = event["session"]
        # As the other stand-ins keep it.
        self.server.sessions.append({**session, "audio": {"input": {"rate": RATE}, "output": {}}})
        await self.send_unchecked("session.updated", session=session)

    async def send_unchecked(self, kind: str, **fields: Any) -> None:
        if kind == "session.created":
            fields["session"].pop("type")
        await super().send_unchecked(NAMES.get(kind, kind), **fields)
