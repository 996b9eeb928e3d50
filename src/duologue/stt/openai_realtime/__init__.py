"""OpenAI Realtime transcription: recognition while the user speaks, by a transcription session over a WebSocket.

Protocol: https://developers.openai.com/api/docs/guides/realtime-transcription (read on 2026-11-30), and the events of
`openai.types.realtime` of openai 3.57.
"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlsplit

from duologue.services import read_key, validated
from duologue.stt import SttCapabilities
from duologue.stt.base import StreamingSpeechToText
from duologue.stt.openai_realtime.settings import SENT_RATE, OpenAIRealtimeSettings
from duologue.stt.openai_realtime.stream import TranscriptionStream, close_error
from duologue.stt.service import RecognizerUsage
from duologue.stt.websocket import Connection, dial

__all__ = ["OpenAIRealtimeSettings", "OpenAIRealtimeSpeechToText"]

_OPENAI: Final = "api.openai.com"


class OpenAIRealtimeSpeechToText(StreamingSpeechToText):
    """Recognition by a Realtime transcription session. One serves all sessions of a process.

    Args:
        api_key: The key; otherwise it is read from `api_key_file` or the environment. `OPENAI_API_KEY` is sent to
            OpenAI only.
        options: Fields of OpenAIRealtimeSettings.

    Raises:
        ConfigError: An option is unknown or wrong, or there is no key.
    """

    def __init__(self, *, api_key: str | None = None, **options: Any) -> None:
        s = validated(OpenAIRealtimeSettings, "openai-realtime", options)
        is_openai = urlsplit(s.base_url).hostname == _OPENAI
        variable = s.api_key_env or ("OPENAI_API_KEY" if is_openai else None)
        key = api_key or read_key(s.api_key_file, variable, optional=not is_openai and s.api_key_env is None)
        self.settings = s
        self.name = f"openai-realtime/{s.model}"
        self.capabilities = SttCapabilities(
            streaming=True, rates=(SENT_RATE,), typical_latency=s.typical_latency, cost=s.cost
        )
        self.usage = RecognizerUsage()
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def stream(self, *, language: str | None = None) -> TranscriptionStream:
        """Open a stream."""
        update = json.dumps({"type": "session.update", "session": self.settings.session(language)})
        url = f"{self.settings.base_url}/realtime?intent=transcription"

        async def connect() -> Connection:
            connection = await dial(self.name, url, self._headers, self.settings, goodbye=None, close_error=close_error)
            await connection.send(update)
            return connection

        return TranscriptionStream(self.name, self.settings, self.usage, connect)
