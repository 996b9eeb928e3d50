"""OpenAI Realtime transcription: recognition while the user speaks, by a transcription session over a WebSocket.

Protocol: https://developers.openai.com/api/docs/guides/realtime-transcription (read on 2026-11-30), and the events of
`openai.types.realtime` of openai 3.57.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from duologue.services import ReloadsKey, read_key, validated
from duologue.stt import SttCapabilities
from duologue.stt.base import StreamingSpeechToText
from duologue.stt.openai_realtime.settings import SENT_RATE, OpenAIRealtimeSettings
from duologue.stt.openai_realtime.stream import TranscriptionStream, close_error
from duologue.stt.service import RecognizerUsage
from duologue.stt.websocket import Connection, StreamPool, dial

__all__ = ["OpenAIRealtimeSettings", "OpenAIRealtimeSpeechToText"]

_OPENAI: Final = "api.openai.com"


class OpenAIRealtimeSpeechToText(ReloadsKey, StreamingSpeechToText):
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
        self.settings: OpenAIRealtimeSettings = s
        self.name: str = f"openai-realtime/{s.model}"
        self.capabilities: SttCapabilities = SttCapabilities(
            streaming=True, rates=(SENT_RATE,), typical_latency=s.typical_latency, cost=s.cost
        )
        self.usage: RecognizerUsage = RecognizerUsage()
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._keep_key(self._headers, "Authorization", "Bearer {}", None if api_key else s.api_key_file)
        self._url = f"{s.base_url}/realtime?intent=transcription"
        self._streams = StreamPool(self.name, s, self._dial)

    def stream(self, *, language: str | None = None) -> TranscriptionStream:
        """Open a stream."""
        connect = partial(self._streams.connect, self._url)
        return TranscriptionStream(self.name, self.settings, self.usage, connect, language=language)

    async def warm(self) -> None:
        """Open the connections that are kept ready, which checks the key; none unless `warm_connections` is set."""
        await self._streams.warm(self._url)

    async def aclose(self) -> None:
        """Close the connections that are kept ready. Streams are closed by their sessions."""
        await self._streams.aclose()

    async def _dial(self, url: str) -> Connection:
        return await dial(self.name, url, self._headers, self.settings, goodbye=None, close_error=close_error)
