"""A speech recognizer of your own: audio goes to a WebSocket service while the user speaks, and transcripts come back.

async with VoiceSession(engine=engine, stt=MySpeechToText("wss://stt.example/v1"), ...) as session: ...
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from duologue.stt import EndOfTurn, Final, Partial, RecognitionEvent, SttCapabilities
from duologue.stt.base import StreamingSpeechToText
from duologue.stt.streaming import AudioQueue, PositionMap


class MySpeechToText(StreamingSpeechToText):
    name = "my-stt"
    capabilities = SttCapabilities(streaming=True, end_of_turn=True, typical_latency=0.25, cost=0.46)

    def __init__(self, url: str) -> None:
        self.url = url

    def stream(self, *, language: str | None = None) -> "MyStream":
        return MyStream(self.url)


class MyStream:
    def __init__(self, url: str) -> None:
        self._url, self._audio, self._clock = url, AudioQueue("my-stt"), PositionMap()
        self.push, self.finalize = self._audio.push, self._audio.finalize

    async def aclose(self) -> None:
        self._audio.close()

    async def __aiter__(self) -> AsyncIterator[RecognitionEvent]:
        async with connect(self._url, open_timeout=5) as socket:
            sending = asyncio.create_task(self._send(socket))
            try:
                async for message in socket:
                    yield self._event(json.loads(message))
            finally:
                sending.cancel()

    async def _send(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):  # the loop that reads ends too
            async for pcm, position in self._audio:  # an empty piece asks for a final
                self._clock.sent(len(pcm) // 2, position)
                await socket.send(pcm or '{"type": "finalize"}')

    def _event(self, m: dict[str, Any]) -> RecognitionEvent:
        end = self._clock.end(m["end"])  # the service counts seconds of audio from the start of the connection
        if m["type"] == "end_of_turn":
            return EndOfTurn(m["probability"], end)
        kind = Final if m["type"] == "final" else Partial
        return kind(m["text"], self._clock.position(m["start"]), end)
