"""Voices of Cartesia over its WebSocket: text is streamed into contexts, audio and the times of words come out.

Protocol: https://docs.cartesia.ai/api-reference/tts/websocket, /use-the-api/tts-websocket/contexts and buffering,
/use-the-api/api-errors, and the message types of the SDK cartesia 4.2 (November 2026).
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal
from uuid import uuid4

from pydantic import Field

from duologue.services import error_code, error_for, validated
from duologue.tts.websocket import (
    Reply,
    SocketSettings,
    Timed,
    WebSocketVoice,
    parse_message,
    socket_base,
    timed_rows,
    voice_key,
)

__all__ = ["CartesiaSettings", "CartesiaVoice"]

DEFAULT_MODEL: Final = "sonic-3.5"
VERSION: Final = "2026-03-01"
"""Of the protocol."""


class CartesiaSettings(SocketSettings):
    """Settings of a voice of Cartesia."""

    voice: str = Field(min_length=1, max_length=200)
    """The id of the voice."""
    model: str = Field(DEFAULT_MODEL, min_length=1, max_length=200)
    base_url: str = "wss://api.cartesia.ai"
    rate: Literal[8000, 16000, 22050, 24000, 44100, 48000] = 24_000
    language: str | None = Field(None, min_length=2, max_length=10)
    """Code of the language that the voice speaks."""
    speed: float | None = Field(None, ge=0.6, le=1.5)
    volume: float | None = Field(None, ge=0.5, le=2.0)
    emotion: str | None = Field(None, min_length=1, max_length=50)
    alignment: bool = True
    """Ask when words sound. Otherwise heard text is estimated."""
    streams_per_connection: int = Field(20, ge=1, le=100)
    """Streams that share a connection at once."""
    idle_end: float = Field(0.5, gt=0, lt=1)
    """Seconds without text and audio after which a stream goes on in another context: Cartesia drops it after 1 s."""


class CartesiaVoice(WebSocketVoice):
    """A voice that takes text while it is written, and says when each word sounds.

    All sessions share its connections, many streams on each.

    Args:
        model: The model; or the id of the voice, if `voice` is not given.
        voice: The id of the voice.
        api_key: The key; otherwise it is read from `api_key_file`, or from `CARTESIA_API_KEY`.
        options: Fields of CartesiaSettings.
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, *, voice: str = "", api_key: str | None = None, **options: Any
    ) -> None:
        if not voice and not model.startswith("sonic"):
            model, voice = DEFAULT_MODEL, model
        given = {"model": model, "voice": voice, **options}
        settings = validated(CartesiaSettings, f"the voice cartesia/{model}", given)
        key = voice_key(api_key, settings, "Cartesia", "CARTESIA_API_KEY")
        base = socket_base(settings.base_url, "wss://api.cartesia.ai")
        name = f"cartesia/{settings.model}"
        self.settings: CartesiaSettings = settings
        headers = {"X-API-Key": key}
        self._keep_key(headers, "X-API-Key", "{}", None if api_key else settings.api_key_file)
        super().__init__(
            name,
            settings.rate,
            settings,
            aligned=settings.alignment,
            url=f"{base}/tts/websocket?cartesia_version={VERSION}",
            headers=headers,
            wire=lambda: CartesiaWire(name, settings),
        )


class CartesiaWire:
    """The messages of the WebSocket. Text is collected into clauses here, so that Cartesia need not wait for more."""

    confirms_cancel = False
    keep_alive: float | None = None
    has_room = True

    def __init__(self, name: str, settings: CartesiaSettings) -> None:
        self._name = name
        self.streams: int = settings.streams_per_connection
        self.idle_end: float | None = settings.idle_end
        # An id must not come twice, whatever connection it was used on.
        self._prefix = f"{uuid4().hex}-"
        generation = {
            name: getattr(settings, name)
            for name in ("speed", "volume", "emotion")
            if getattr(settings, name) is not None
        }
        self._fields: dict[str, Any] = {
            "model_id": settings.model,
            "voice": {"mode": "id", "id": settings.voice},
            "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": settings.rate},
            "add_timestamps": settings.alignment,
            "max_buffer_delay_ms": 0,
            **({"language": settings.language} if settings.language else {}),
            **({"generation_config": generation} if generation else {}),
        }

    def begin(self, context: str) -> tuple[str, ...]:
        """Say nothing: the first text opens a context."""
        return ()

    def say(self, context: str, clause: str) -> tuple[str, ...]:
        """Speak a clause."""
        return (self._text(context, f"{clause} ", more=True),)

    def stay(self, context: str) -> tuple[str, ...]:
        """Say nothing: a context cannot be kept."""
        return ()

    def end(self, context: str) -> tuple[str, ...]:
        """Say that no text follows."""
        return (self._text(context, "", more=False),)

    def cancel(self, context: str, *, ended: bool) -> tuple[str, ...]:
        """Stop a context."""
        return (json.dumps({"context_id": self._prefix + context, "cancel": True}),)

    def goodbye(self) -> tuple[str, ...]:
        """Say nothing: the WebSocket is closed."""
        return ()

    def read(self, data: str | bytes) -> Reply | None:
        """Read one message."""
        message = parse_message(self._name, data)
        found = message.get("context_id")
        context = found.removeprefix(self._prefix) if isinstance(found, str) and found else None
        match message.get("type"):
            case "error":
                status = message.get("status_code")
                status = status if isinstance(status, int) and 400 <= status <= 599 else None
                return Reply(
                    context, error=error_for(self._name, status, error_code({"code": message.get("error_code")}))
                )
            case "chunk" if isinstance(message.get("data"), str):
                return Reply(context, message["data"])
            case "timestamps":
                return Reply(context, timed=_timed(message.get("word_timestamps")))
            case "done":
                return Reply(context, is_final=True)
        return None

    def _text(self, context: str, text: str, *, more: bool) -> str:
        return json.dumps({**self._fields, "transcript": text, "continue": more, "context_id": self._prefix + context})


def _timed(words: Any) -> tuple[Timed, ...]:
    """Return each word with its times in the context; nothing if they make no sense."""
    if not isinstance(words, dict):
        return ()
    rows = timed_rows(words.get("words"), words.get("start"), words.get("end"))
    return tuple((f"{text} ", float(start), float(end)) for text, start, end in rows)
