"""Voices of Deepgram over its WebSocket: text is streamed in, and raw audio comes out.

Protocol: https://developers.deepgram.com/docs/streaming-text-to-speech, /docs/tts-ws-flush, /docs/tts-ws-clear, and the
message types of deepgram-sdk 7.17 (November 2026).
"""

from __future__ import annotations

import json
from collections import deque
from time import monotonic
from typing import Any, Final, Literal
from urllib.parse import urlencode

from pydantic import Field

from duologue.errors import ProviderError, RateLimitedError
from duologue.services import validated
from duologue.tts.websocket import Reply, SocketSettings, WebSocketVoice, parse_message, socket_base, voice_key

__all__ = ["DeepgramVoice", "DeepgramVoiceSettings"]

DEFAULT_MODEL: Final = "aura-2-thalia-en"
MAX_TEXT: Final = 2000
"""Characters of one message."""
FLUSHES: Final = 20
"""Flushes that Deepgram takes of a connection..."""
FLUSH_PERIOD: Final = 60.0
"""...in so many seconds."""
SPARE: Final = 4
"""Of these, flushes that are kept for the ends of streams."""

FLUSH: Final = '{"type": "Flush"}'
CLEAR: Final = '{"type": "Clear"}'
CLOSE: Final = '{"type": "Close"}'


class DeepgramVoiceSettings(SocketSettings):
    """Settings of a voice of Deepgram."""

    model: str = Field(DEFAULT_MODEL, min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][\w.-]*$")
    """The model, which is the voice and its language."""
    base_url: str = "wss://api.deepgram.com"
    """The region's endpoint, or a Deepgram of one's own."""
    rate: Literal[8000, 16000, 24000, 32000, 48000] = 24_000
    mip_opt_out: bool = False
    """Keeps text out of Deepgram's model improvement program; has a price."""
    tag: str | None = Field(None, min_length=1, max_length=100)
    """Marks requests in Deepgram's own usage reports."""


class DeepgramVoice(WebSocketVoice):
    """A voice that takes text while it is written. A connection speaks one stream at a time; sessions share them.

    Args:
        model: The model, which is the voice.
        api_key: The key; otherwise it is read from `api_key_file`, or from `DEEPGRAM_API_KEY`.
        options: Fields of DeepgramVoiceSettings.
    """

    def __init__(self, model: str = DEFAULT_MODEL, *, api_key: str | None = None, **options: Any) -> None:
        settings = validated(DeepgramVoiceSettings, f"the voice deepgram/{model}", {"model": model, **options})
        key = voice_key(api_key, settings, "Deepgram", "DEEPGRAM_API_KEY")
        query = {"model": settings.model, "encoding": "linear16", "sample_rate": str(settings.rate)}
        if settings.mip_opt_out:
            query["mip_opt_out"] = "true"
        if settings.tag is not None:
            query["tag"] = settings.tag
        name = f"deepgram/{settings.model}"
        base = socket_base(settings.base_url, "wss://api.deepgram.com")
        self.settings: DeepgramVoiceSettings = settings
        headers = {"Authorization": f"Token {key}"}
        self._keep_key(headers, "Authorization", "Token {}", None if api_key else settings.api_key_file)
        super().__init__(
            name,
            settings.rate,
            settings,
            aligned=False,
            url=f"{base}/v1/speak?{urlencode(query)}",
            headers=headers,
            wire=lambda: DeepgramWire(name),
        )


class DeepgramWire:
    """The messages of the WebSocket. Audio says nothing of its text, so that a connection has one context at a time.

    `Flush` speaks what was sent, and is confirmed; so is `Clear`. The context has ended when its last flush is.
    """

    streams = 1
    confirms_cancel = True
    keep_alive: float | None = None
    idle_end: float | None = None

    def __init__(self, name: str) -> None:
        self._name = name
        self._context: str | None = None
        self._open = 0
        """Flushes that are not confirmed."""
        self._has_ended = self._is_cleared = self._is_unflushed = False
        self._flushed_at: deque[float] = deque(maxlen=FLUSHES)

    @property
    def has_room(self) -> bool:
        """Whether a flush is left for the end of a stream."""
        return self._recent() < FLUSHES

    def begin(self, context: str) -> tuple[str, ...]:
        """Begin a context, of which Deepgram is not told."""
        self._context, self._open = context, 0
        self._has_ended = self._is_cleared = self._is_unflushed = False
        return ()

    def say(self, context: str, clause: str) -> tuple[str, ...]:
        """Speak a clause: at once, as long as flushes are left."""
        text = f"{clause} "
        pieces = [text[at : at + MAX_TEXT] for at in range(0, len(text), MAX_TEXT)]
        messages = [json.dumps({"type": "Speak", "text": piece}) for piece in pieces]
        self._is_unflushed = True
        if self._recent() + SPARE < FLUSHES:
            messages.append(self._flush())
        return tuple(messages)

    def stay(self, context: str) -> tuple[str, ...]:
        """Say nothing: a connection stays open."""
        return ()

    def end(self, context: str) -> tuple[str, ...] | None:
        """Speak what is left."""
        self._has_ended = True
        if self._is_unflushed:
            return (self._flush(),)
        return () if self._open else None

    def cancel(self, context: str, *, ended: bool) -> tuple[str, ...]:
        """Drop the text and the audio that is left."""
        self._is_cleared = True
        return (CLEAR,)

    def goodbye(self) -> tuple[str, ...]:
        """Close the connection."""
        return (CLOSE,)

    def read(self, data: str | bytes) -> Reply | None:
        """Read one message, or audio."""
        if isinstance(data, bytes):
            return Reply(self._context, data)
        message = parse_message(self._name, data)
        match message.get("type"):
            case "Flushed":
                self._open = max(self._open - 1, 0)
                is_final = self._has_ended and not self._open and not self._is_cleared
                return Reply(self._context, is_final=is_final)
            case "Cleared":
                return Reply(self._context, is_final=True)
            case "Warning" if "FLUSH" in str(message.get("code")):
                error = RateLimitedError(f"{self._name} takes no more flushes for a while.", provider=self._name)
                return Reply(self._context, error=error)
            case "Error":
                code = "".join(c for c in str(message.get("code", "")) if c.isalnum() or c in "_-")[:60]
                raise ProviderError(f"{self._name} reports an error ({code}).", provider=self._name)
        return None

    def _flush(self) -> str:
        self._open += 1
        self._is_unflushed = False
        self._flushed_at.append(monotonic())
        return FLUSH

    def _recent(self) -> int:
        """Flushes of the last minute."""
        since = monotonic() - FLUSH_PERIOD
        return sum(1 for at in self._flushed_at if at > since)
