"""The base of voices over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from typing import Final

from pydantic import Field
from websockets.asyncio.client import ClientConnection

from duologue.dialing import open_socket
from duologue.errors import ConfigError, ProviderUnavailableError
from duologue.services import ReloadsKey, read_key, socket_address
from duologue.tts import SpeechItem, TextToSpeech, TtsCapabilities
from duologue.tts.service import ServiceSettings, VoiceUsage
from duologue.tts.websocket.connection import Context
from duologue.tts.websocket.pool import ConnectionPool
from duologue.tts.websocket.reader import AudioReader
from duologue.tts.websocket.wire import Wire
from duologue.tts.websocket.writer import TextWriter

__all__ = ["SocketSettings", "WebSocketVoice", "socket_base", "voice_key"]

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024


class SocketSettings(ServiceSettings):
    """Settings of each voice over a WebSocket."""

    ping_interval: float = Field(5.0, gt=0, le=60)
    """Seconds between two pings, and for each answer."""


class WebSocketVoice(ReloadsKey, TextToSpeech):
    """A voice that takes text while it is written. All sessions share its connections.

    Args:
        name: A short name for errors and logs.
        rate: Samples a second of its audio.
        settings: What the user chose.
        aligned: The service says when each word sounds.
        url: Where connections are made.
        headers: Of the handshake, the key among them.
        wire: Makes the vendor's protocol for a connection.
    """

    def __init__(
        self,
        name: str,
        rate: int,
        settings: SocketSettings,
        *,
        aligned: bool,
        url: str,
        headers: Mapping[str, str],
        wire: Callable[[], Wire],
    ) -> None:
        self.name = name
        self.rate = rate
        self.capabilities: TtsCapabilities = TtsCapabilities(
            streams_text=True,
            aligned=aligned,
            rates=(rate,),
            languages=settings.languages,
            typical_latency=settings.typical_latency,
            cost=settings.cost,
        )
        self.usage: VoiceUsage = VoiceUsage()
        self._socket_settings = settings
        self._url = url
        self._headers = headers
        self._pool = ConnectionPool(
            name, self._dial, wire, size=settings.max_connections, timeout=settings.connect_timeout
        )

    async def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        """Speak `text`, clause by clause as it is written. There is no seed."""
        if isinstance(text, str) and not text.strip():
            return
        s = self._socket_settings
        writer = TextWriter(await self._pool.lease(), self._pool.lease, self.usage)
        reader = AudioReader(self.name, self.rate, self.usage, writer.words, aligned=self.capabilities.aligned)
        task = asyncio.create_task(writer.run(text), name=f"{self.name} text")
        context: Context | None = None
        try:
            self.usage.streams += 1
            while (context := await writer.next_context()) is not None:
                reader.begin_context()
                while (reply := await context.next(s.first_audio_timeout, s.stall_timeout)) is not None:
                    for item in reader.read(reply, writer.chars):
                        yield item
                self._check_ended(context)
            if (rest := reader.end()) is not None:
                yield rest
        finally:
            task.cancel()
            if context is not None:
                context.leave()
            writer.leave()
            # What a half-open connection does not take is not waited for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await writer.drain()
                    await asyncio.wait([task])

    def _check_ended(self, context: Context) -> None:
        """Raise if the service has ended a context by itself that owes audio, or that it should have kept."""
        may_expire = context.connection.wire.idle_end is not None and not context.owes
        if not (context.is_closed or may_expire):
            raise ProviderUnavailableError(f"{self.name} ended before the text did.", provider=self.name)

    async def _dial(self) -> ClientConnection:
        s = self._socket_settings
        return await open_socket(
            self.name,
            self._url,
            self._headers,
            open_timeout=s.connect_timeout,
            ping_interval=s.ping_interval,
            ping_timeout=s.ping_interval,
            close_timeout=1.0,
            max_size=MAX_MESSAGE_BYTES,
        )

    async def warm(self) -> None:
        """Open a connection, which checks the key."""
        await self._pool.warm()

    async def aclose(self) -> None:
        """Close all connections. A later stream opens new ones."""
        await self._pool.close()


def socket_base(url: str, example: str) -> str:
    """Return the `ws://` or `wss://` address of a base URL. Raises ConfigError for what is no address."""
    try:
        return socket_address(url, example).removesuffix("/v1")
    except ValueError as error:
        raise ConfigError(f"base_url {error}.", hint=f"Write it as {example}") from None


def voice_key(api_key: str | None, settings: ServiceSettings, vendor: str, variable: str) -> str:
    """Return the key that was given, or else that of the settings or of the environment.

    Raises ConfigError if there is none, or if it cannot be read.
    """
    key = api_key or read_key(
        settings.api_key_file, settings.api_key_env or variable, optional=settings.api_key_env is None
    )
    if not key:
        raise ConfigError(f"{vendor}'s voices need a key.", hint=f"Set {variable} or api_key_file.")
    return key
