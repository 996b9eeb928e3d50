"""Voices of any endpoint that speaks OpenAI's `/v1/audio/speech`: OpenAI, Kokoro-FastAPI, speaches and others.

Protocol: https://developers.openai.com/api/reference/resources/audio/subresources/speech, and
`openai.types.audio.SpeechCreateParams` of openai 3.57 (November 2026).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx2
from pydantic import Field, field_validator

from duologue.dialing import http_client
from duologue.errors import (
    ConfigError,
    DeadlineError,
    ProviderError,
    ProviderUnavailableError,
    StreamError,
    with_cause,
)
from duologue.services import ReloadsKey, error_code, error_for, http_address, read_key, retry_after, validated
from duologue.tts import AudioChunk, SpeechItem, TextToSpeech, TtsCapabilities
from duologue.tts.service import (
    MAX_AUDIO_SECONDS,
    MAX_AUDIO_SECONDS_PER_CHAR,
    ServiceSettings,
    VoiceUsage,
    compressed_form,
)

__all__ = ["OpenAISpeechSettings", "OpenAIVoice"]

MAX_ERROR_BYTES: Final = 64 * 1024
"""What is read of the body of an error."""
_OPENAI: Final = "api.openai.com"
_RAW_TYPES: Final = ("audio/pcm", "audio/x-pcm", "audio/l16", "audio/raw", "application/octet-stream")


class OpenAISpeechSettings(ServiceSettings):
    """Settings of a voice behind `/v1/audio/speech`."""

    model: str = Field(min_length=1, max_length=200)
    voice: str = Field(min_length=1, max_length=200)
    base_url: str = "https://api.openai.com/v1"
    instructions: str | None = Field(None, max_length=4096)
    """How to speak; not every model heeds it."""
    speed: float | None = Field(None, ge=0.25, le=4.0)
    rate: Literal[8000, 16000, 22050, 24000, 44100, 48000] = 24_000
    """Samples a second of the endpoint's PCM. OpenAI's is 24000."""
    keep_alive: float = Field(30.0, ge=0, le=3600)
    """Seconds that an unused connection stays open."""

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, url: str) -> str:
        return http_address(url, "http://127.0.0.1:8880/v1")


class OpenAIVoice(ReloadsKey, TextToSpeech):
    """A voice that is given one clause a request, and streams raw PCM. All sessions share its connections.

    Args:
        model: The model, such as `kokoro`. There is no default: OpenAI's tts-1, tts-1-hd and gpt-4o-mini-tts shut down
            on 2027-01-06.
        voice: The voice, such as `af_heart`.
        api_key: The key; otherwise it is read from `api_key_file` or the environment. `OPENAI_API_KEY` is sent to
            OpenAI only.
        options: Fields of OpenAISpeechSettings.
    """

    def __init__(self, model: str = "", *, voice: str = "", api_key: str | None = None, **options: Any) -> None:
        if not (model and voice):
            raise ConfigError(
                "A voice of OpenAI's speech interface needs a model and a voice, and has no default for either.",
                hint='Give both in Python: tts_provider("openai/MODEL", voice="VOICE"). The --tts option cannot name a '
                "voice.",
            )
        given = {"model": model, "voice": voice, **options}
        settings = validated(OpenAISpeechSettings, f"the voice openai/{model}", given)
        url = settings.base_url
        host = urlsplit(url).hostname
        key = api_key or read_key(
            settings.api_key_file,
            settings.api_key_env or ("OPENAI_API_KEY" if host == _OPENAI else None),
            optional=settings.api_key_env is None,
        )
        if key is None and host == _OPENAI:
            raise ConfigError("OpenAI's voices need a key.", hint="Set OPENAI_API_KEY or api_key_file.")
        self.name: str = f"openai/{settings.model}"
        self.rate: int = settings.rate
        self.capabilities: TtsCapabilities = TtsCapabilities(
            rates=(settings.rate,),
            languages=settings.languages,
            typical_latency=settings.typical_latency,
            cost=settings.cost,
        )
        self.usage: VoiceUsage = VoiceUsage()
        self.settings: OpenAISpeechSettings = settings
        self._url = url
        self._headers = {"Accept-Encoding": "identity"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._keep_key(self._headers, "Authorization", "Bearer {}", None if api_key else settings.api_key_file)
        self._client: httpx2.AsyncClient | None = None

    def reload_key(self) -> bool:
        """Read the key from its file again, for requests that are made later; False if it is not from a file."""
        is_read = super().reload_key()
        if is_read and self._client is not None:
            self._client.headers.update(self._headers)
        return is_read

    async def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        """Speak `text`, which is sent as a whole. There is no seed."""
        if not isinstance(text, str):
            text = "".join([piece async for piece in text])
        if not text.strip():
            return
        response = await self._request(text)
        try:
            self.usage.streams += 1
            self.usage.characters += len(text)
            async for pcm in self._audio(response, len(text)):
                yield AudioChunk(pcm)
        finally:
            await response.aclose()

    async def _request(self, text: str) -> httpx2.Response:
        s = self.settings
        body: dict[str, Any] = {"model": s.model, "voice": s.voice, "input": text, "response_format": "pcm"}
        if s.instructions is not None:
            body["instructions"] = s.instructions
        if s.speed is not None:
            body["speed"] = s.speed
        client = self._connected()
        request = client.build_request("POST", f"{self._url}/audio/speech", json=body)
        response: httpx2.Response | None = None
        try:
            async with asyncio.timeout(s.connect_timeout + s.first_audio_timeout):
                response = await client.send(request, stream=True)
                await self._check(response)
        except BaseException as error:
            if response is not None:
                await response.aclose()
            if isinstance(error, httpx2.HTTPError | TimeoutError):
                raise self._failed(error, f"gave no audio for {s.first_audio_timeout:g} s") from None
            raise
        return response

    async def _check(self, response: httpx2.Response) -> None:
        """Raise the error that the head of an answer stands for."""
        if response.is_success:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            encoding = response.headers.get("content-encoding", "identity").strip().lower()
            if kind and kind not in _RAW_TYPES:
                raise self._not_pcm(kind)
            if encoding not in ("", "identity"):
                raise self._not_pcm(encoding)
            return
        if response.is_redirect:
            raise ProviderError(
                f"{self.name} redirects to another address.",
                provider=self.name,
                hint="Correct base_url; the key and the text are not sent on.",
            )
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_ERROR_BYTES:
                break
        try:
            code = error_code(json.loads(body[:MAX_ERROR_BYTES]))
        except ValueError:
            code = ""
        raise error_for(self.name, response.status_code, code, retry_after(response.headers.get("retry-after")))

    async def _audio(self, response: httpx2.Response, chars: int) -> AsyncIterator[bytes]:
        """Yield whole samples, wherever the network cuts them."""
        s = self.settings
        left = round((MAX_AUDIO_SECONDS + MAX_AUDIO_SECONDS_PER_CHAR * chars) * self.rate) * 2
        half, is_first = b"", True
        chunks = response.aiter_raw()
        while True:
            timeout = s.first_audio_timeout if is_first else s.stall_timeout
            try:
                async with asyncio.timeout(timeout):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                break
            except (httpx2.HTTPError, TimeoutError) as error:
                raise self._failed(error, f"gave no audio for {timeout:g} s") from None
            data = half + chunk
            if is_first and len(data) < 4:
                half = data
                continue
            if is_first and (form := compressed_form(data)):
                raise self._not_pcm(form)
            is_first = False
            whole = len(data) & ~1
            half = data[whole:]
            left -= whole
            self.usage.audio_bytes += whole
            if left < 0:
                raise ProviderError(f"{self.name} gave too much audio for its text.", provider=self.name)
            if whole:
                yield data[:whole]
        if len(half) % 2:
            raise with_cause(
                ProviderUnavailableError(f"{self.name} ended in the middle of a sample.", provider=self.name),
                StreamError("odd number of bytes"),
            )
        if half:
            self.usage.audio_bytes += len(half)
            yield half

    def _not_pcm(self, form: str) -> ProviderError:
        return ProviderError(
            f"{self.name} answered with {form[:60]!r} and not with raw PCM.",
            provider=self.name,
            hint="The endpoint must support response_format pcm, uncompressed.",
        )

    def _failed(self, error: BaseException, late: str) -> ProviderError:
        """Return the error of the tree for a failure of the network."""
        if isinstance(error, httpx2.PoolTimeout):
            return DeadlineError(
                f"All {self.settings.max_connections} connections of {self.name} were busy for "
                f"{self.settings.connect_timeout:g} s.",
                provider=self.name,
                hint="Raise max_connections.",
            )
        if isinstance(error, httpx2.ConnectTimeout):
            return DeadlineError(
                f"{self.name} could not be connected to within {self.settings.connect_timeout:g} s.",
                provider=self.name,
            )
        if isinstance(error, TimeoutError | httpx2.TimeoutException):
            return DeadlineError(f"{self.name} {late}.", provider=self.name)
        if isinstance(error, httpx2.ConnectError):
            return ProviderUnavailableError(f"{self.name} cannot be reached.", provider=self.name)
        return ProviderUnavailableError(
            f"{self.name} broke off the connection: {type(error).__name__}.", provider=self.name
        )

    def _connected(self) -> httpx2.AsyncClient:
        if self._client is None:
            s = self.settings
            self._client = http_client(
                self._url,
                headers=self._headers,
                timeout=httpx2.Timeout(None, connect=s.connect_timeout, pool=s.connect_timeout, write=s.stall_timeout),
                limits=httpx2.Limits(
                    max_connections=s.max_connections,
                    max_keepalive_connections=s.max_connections,
                    keepalive_expiry=s.keep_alive,
                ),
            )
        return self._client

    async def warm(self) -> None:
        """Open a connection, and check the key where the endpoint lists its models."""
        s = self.settings
        try:
            async with asyncio.timeout(s.connect_timeout + s.first_audio_timeout):
                answer = await self._connected().get(f"{self._url}/models")
        except (httpx2.HTTPError, TimeoutError) as error:
            raise self._failed(error, f"did not answer for {s.first_audio_timeout:g} s") from None
        if answer.status_code in (401, 403):
            raise error_for(self.name, answer.status_code)

    async def aclose(self) -> None:
        """Close all connections. A later stream opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
