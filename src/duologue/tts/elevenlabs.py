"""Voices of ElevenLabs over its multi-context WebSocket: text is streamed in, audio and its alignment come out.

Protocol: https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-multi-stream-input, and
the message types of the SDK elevenlabs 2.78 (November 2026).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from duologue.errors import ConfigError, DeadlineError, ProviderUnavailableError
from duologue.loopback import is_loopback
from duologue.services import error_code, error_for, read_key, retry_after, validated
from duologue.tts import SpeechItem, TextToSpeech, TtsCapabilities
from duologue.tts.elevenlabs_settings import DEFAULT_MODEL, ElevenLabsSettings, socket_url
from duologue.tts.elevenlabs_socket import ConnectionPool, Context
from duologue.tts.elevenlabs_stream import AudioReader, TextWriter
from duologue.tts.service import VoiceUsage

__all__ = ["ElevenLabsSettings", "ElevenLabsVoice"]

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
MAX_CONTEXTS: Final = 5
"""Contexts of one connection, as the service limits them."""


class _Connect(connect):
    """A connection that follows no redirect: it would take the key to another host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class ElevenLabsVoice(TextToSpeech):
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
        key = api_key or read_key(
            settings.api_key_file, settings.api_key_env or "ELEVENLABS_API_KEY", optional=settings.api_key_env is None
        )
        if not key:
            raise ConfigError("ElevenLabs' voices need a key.", hint="Set ELEVENLABS_API_KEY or api_key_file.")
        self.name = f"elevenlabs/{settings.model}"
        self.rate = settings.rate
        self.capabilities = TtsCapabilities(
            streams_text=True,
            aligned=settings.alignment,
            rates=(settings.rate,),
            languages=settings.languages,
            typical_latency=settings.typical_latency,
            cost=settings.cost,
        )
        self.usage = VoiceUsage()
        self.settings = settings
        self._url = socket_url(settings)
        self._key = key
        self._pool = ConnectionPool(
            self.name,
            self._dial,
            size=settings.max_connections,
            places=MAX_CONTEXTS,
            timeout=settings.connect_timeout,
        )

    async def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        """Speak `text`, clause by clause as it is written. There is no seed."""
        if isinstance(text, str) and not text.strip():
            return
        context = await self._pool.lease()
        writer = TextWriter(self.settings, self.usage, context)
        task = asyncio.create_task(writer.run(text), name=f"{self.name} text")
        try:
            self.usage.streams += 1
            reader = AudioReader(self.name, self.settings, self.usage, writer.words)
            while (message := await self._next(context)) is not None:
                for item in reader.read(message, writer.chars):
                    yield item
            if not context.is_closed:
                raise ProviderUnavailableError(f"{self.name} ended before the text did.", provider=self.name)
            if (rest := reader.end()) is not None:
                yield rest
        finally:
            task.cancel()
            writer.stop()
            context.leave()
            # What a half-open connection does not take is not waited for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await context.connection.drain()
                    await asyncio.wait([task])

    async def _next(self, context: Context) -> dict[str, Any] | None:
        return await context.next(self.settings.first_audio_timeout, self.settings.stall_timeout)

    async def _dial(self) -> ClientConnection:
        s = self.settings
        try:
            return await _Connect(
                self._url,
                additional_headers={"xi-api-key": self._key},
                open_timeout=s.connect_timeout,
                ping_interval=s.ping_interval,
                ping_timeout=s.ping_interval,
                close_timeout=1.0,
                max_size=MAX_MESSAGE_BYTES,
                compression=None,
                # A service on this machine is never asked by way of a proxy.
                proxy=None if is_loopback(self._url) else True,
            )
        except InvalidStatus as error:
            answer = error.response
            try:
                code = error_code(json.loads(answer.body or b""))
            except ValueError:
                code = ""
            raise error_for(
                self.name, answer.status_code, code, retry_after(answer.headers.get("Retry-After"))
            ) from None
        except TimeoutError:
            raise DeadlineError(
                f"{self.name} could not be connected to within {s.connect_timeout:g} s.", provider=self.name
            ) from None
        except (OSError, WebSocketException, EOFError) as error:
            raise ProviderUnavailableError(
                f"{self.name} cannot be reached: {type(error).__name__}.", provider=self.name
            ) from None

    async def warm(self) -> None:
        """Open a connection, which checks the key."""
        await self._pool.warm()

    async def aclose(self) -> None:
        """Close all connections. A later stream opens new ones."""
        await self._pool.close()
