"""Voices of ElevenLabs over its multi-context WebSocket: text is streamed in, audio and its alignment come out.

Protocol: https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-multi-stream-input, and
the message types of the SDK elevenlabs 2.78 (November 2026).
"""

from __future__ import annotations

import json
from typing import Any, Final

from duologue.errors import ConfigError, ProviderError
from duologue.services import error_code, error_for, validated
from duologue.tts.elevenlabs_settings import DEFAULT_MODEL, ElevenLabsSettings, socket_url
from duologue.tts.websocket import Reply, Timed, WebSocketVoice, parse_message, timed_rows, voice_key

__all__ = ["ElevenLabsSettings", "ElevenLabsVoice"]

MAX_CONTEXTS: Final = 5
"""Contexts of one connection, as the service limits them: one that was closed counts until it says `isFinal`."""


class ElevenLabsVoice(WebSocketVoice):
    """A voice that takes text while it is written, and says when each word sounds.

    All sessions share its connections, up to five streams on each.

    Args:
        model: The model; or the id of the voice, if `voice` is not given.
        voice: The id of the voice.
        api_key: The key; otherwise it is read from `api_key_file`, or from `ELEVENLABS_API_KEY`.
        options: Fields of ElevenLabsSettings.
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, *, voice: str = "", api_key: str | None = None, **options: Any
    ) -> None:
        if not voice and not model.startswith("eleven_"):
            model, voice = DEFAULT_MODEL, model
        given = {"model": model, "voice": voice, **options}
        settings = validated(ElevenLabsSettings, f"the voice elevenlabs/{model}", given)
        if settings.model.startswith("eleven_v3"):
            raise ConfigError(f"The model {settings.model} cannot be streamed text.", hint="Use eleven_flash_v2_5.")
        if settings.keep_alive >= settings.inactivity_timeout:
            raise ConfigError(
                f"keep_alive is {settings.keep_alive:g} s, and must be less than inactivity_timeout, "
                f"which is {settings.inactivity_timeout} s."
            )
        key = voice_key(api_key, settings, "ElevenLabs", "ELEVENLABS_API_KEY")
        name = f"elevenlabs/{settings.model}"
        self.settings: ElevenLabsSettings = settings
        headers = {"xi-api-key": key}
        self._keep_key(headers, "xi-api-key", "{}", None if api_key else settings.api_key_file)
        super().__init__(
            name,
            settings.rate,
            settings,
            aligned=settings.alignment,
            url=socket_url(settings),
            headers=headers,
            wire=lambda: ElevenLabsWire(name, settings),
        )


class ElevenLabsWire:
    """The messages of the multi-context WebSocket."""

    streams = MAX_CONTEXTS
    confirms_cancel = True
    idle_end: float | None = None
    has_room = True

    def __init__(self, name: str, settings: ElevenLabsSettings) -> None:
        self._name = name
        self.keep_alive: float | None = settings.keep_alive
        names = ("stability", "similarity_boost", "style", "use_speaker_boost", "speed")
        self._voice = {name: getattr(settings, name) for name in names if getattr(settings, name) is not None}

    def begin(self, context: str) -> tuple[str, ...]:
        """Open a context with the settings of the voice."""
        settings = {"voice_settings": self._voice} if self._voice else {}
        return (json.dumps({"text": " ", "context_id": context, **settings}),)

    def say(self, context: str, clause: str) -> tuple[str, ...]:
        """Speak a clause: without the flush the service waits for more text."""
        return (json.dumps({"text": f"{clause} ", "context_id": context, "flush": True}),)

    def stay(self, context: str) -> tuple[str, ...]:
        """Keep a context open."""
        return (json.dumps({"text": "", "context_id": context}),)

    def end(self, context: str) -> tuple[str, ...]:
        """Close a context; what was flushed is still spoken."""
        return (json.dumps({"context_id": context, "close_context": True}),)

    def cancel(self, context: str, *, ended: bool) -> tuple[str, ...]:
        """Close a context, if it is open."""
        return () if ended else self.end(context)

    def goodbye(self) -> tuple[str, ...]:
        """Close the connection."""
        return (json.dumps({"close_socket": True}),)

    def read(self, data: str | bytes) -> Reply:
        """Read one message."""
        message = parse_message(self._name, data)
        found = message.get("contextId") or message.get("context_id")
        context = found if isinstance(found, str) else None
        if message.get("error") or message.get("code"):
            return Reply(context, error=error_for(self._name, None, error_code(message)))
        audio = message.get("audio") or ""
        is_final = bool(message.get("isFinal") or message.get("is_final"))
        if not isinstance(audio, str):
            raise ProviderError(f"{self._name} sent audio that is not base64.", provider=self._name)
        return Reply(context, audio, _timed(message) if audio else (), from_here=True, is_final=is_final)


def _timed(message: dict[str, Any]) -> tuple[Timed, ...]:
    """Return each character with its times, counted from the audio of the message; nothing if they make no sense."""
    alignment = message.get("alignment") or message.get("normalizedAlignment")
    if not isinstance(alignment, dict):
        return ()
    rows = timed_rows(*(alignment.get(key) for key in ("chars", "charStartTimesMs", "charDurationsMs")))
    return tuple((char, start / 1000, (start + length) / 1000) for char, start, length in rows)
