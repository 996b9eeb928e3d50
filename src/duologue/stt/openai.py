"""Recognition by any endpoint that speaks OpenAI's `/v1/audio/transcriptions`: whole utterances, one request each.

Protocol: https://developers.openai.com/api/reference/resources/audio/subresources/transcriptions/methods/create, and
`openai.types.audio` of openai 3.57 (November 2026).
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from pydantic import Field, field_validator

from duologue.audio.format import RATE
from duologue.audio.wav import write_wav
from duologue.dialing import CONNECTION_IDLE_S, http_client
from duologue.errors import ConfigError, DeadlineError, DuologueError, InvalidAudioError, ProviderUnavailableError
from duologue.services import ReloadsKey, error_code, error_for, http_address, read_key, retry_after, validated
from duologue.stt import SttCapabilities, Transcript
from duologue.stt.base import BatchSpeechToText
from duologue.stt.service import RecognizerUsage, ServiceSettings

__all__ = ["OpenAISpeechToText", "OpenAITranscriptionSettings"]

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
STREAMED_MODELS: Final = ("gpt-live-transcribe", "gpt-realtime-whisper")
"""Models of OpenAI that `/v1/audio/transcriptions` does not have."""
_OPENAI: Final = "api.openai.com"


class OpenAITranscriptionSettings(ServiceSettings):
    """Settings of a recognizer behind `/v1/audio/transcriptions`. Times are in seconds."""

    model: str = Field(min_length=1, max_length=200)
    base_url: str = "https://api.openai.com/v1"
    api_key_env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The environment variable that holds the key, if not `OPENAI_API_KEY`."""
    language: str | None = Field(None, min_length=2, max_length=10)
    """Of calls that do not name theirs."""
    prompt: str | None = Field(None, max_length=4096)
    """Names and terms to expect, if the model heeds them."""
    streamed: bool = False
    """Ask for the transcript in pieces, so that an answer that stalls is noticed after `stall_timeout`."""
    request_timeout: float = Field(20.0, gt=0, le=600)
    """For the transcript, once the audio has been sent."""
    max_connections: int = Field(20, ge=1, le=10_000)
    """Requests at once."""
    typical_latency: float | None = Field(0.6, ge=0, le=60)
    """From the end of speech to its words, until it has been measured."""

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, url: str) -> str:
        return http_address(url, "http://127.0.0.1:8000/v1")


class OpenAISpeechToText(ReloadsKey, BatchSpeechToText):
    """A recognizer that is sent each utterance as a WAV file. One serves all sessions of a process.

    Args:
        model: The model, such as `gpt-transcribe`. There is no default: OpenAI's whisper-1 and gpt-4o-transcribe shut
            down on 2027-02-26.
        api_key: The key; otherwise it is read from `api_key_file` or the environment. `OPENAI_API_KEY` is sent to
            OpenAI only.
        options: Fields of OpenAITranscriptionSettings.
    """

    def __init__(self, model: str = "", *, api_key: str | None = None, **options: Any) -> None:
        if not model:
            hint = "Write openai/gpt-transcribe, or the model of your endpoint."
            raise ConfigError("A recognizer of OpenAI's interface needs a model.", hint=hint)
        if model in STREAMED_MODELS:
            hint = f"Write openai-realtime/{model}."
            raise ConfigError(f"{model} is used through a transcription session, and takes no requests.", hint=hint)
        s = validated(OpenAITranscriptionSettings, f"openai/{model}", {"model": model, **options})
        is_openai = urlsplit(s.base_url).hostname == _OPENAI
        variable = s.api_key_env or ("OPENAI_API_KEY" if is_openai else None)
        key = api_key or read_key(s.api_key_file, variable, optional=not is_openai and s.api_key_env is None)
        self.settings: OpenAITranscriptionSettings = s
        self.name: str = f"openai/{s.model}"
        self.capabilities: SttCapabilities = SttCapabilities(
            partials=False, rates=(RATE,), typical_latency=s.typical_latency, cost=s.cost
        )
        self.usage: RecognizerUsage = RecognizerUsage()
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._keep_key(self._headers, "Authorization", "Bearer {}", None if api_key else s.api_key_file)
        self._client: httpx2.AsyncClient | None = None

    def reload_key(self) -> bool:
        """Read the key from its file again, for requests that are made later; False if it is not from a file."""
        is_read = super().reload_key()
        if is_read and self._client is not None:
            self._client.headers.update(self._headers)
        return is_read

    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        """Transcribe one utterance in one request."""
        if len(pcm) % 2:
            raise InvalidAudioError(f"{len(pcm)} bytes are not whole 16-bit samples.")
        s, spoken = self.settings, language or self.settings.language
        if not pcm:
            return Transcript("", language=spoken or "en")
        try:
            async with asyncio.timeout(s.connect_timeout + s.request_timeout):
                text = await self._request(pcm, spoken)
        except (TimeoutError, httpx2.TimeoutException):
            late = f"{self.name} gave no transcript in time."
            raise DeadlineError(late, provider=self.name) from None
        except httpx2.HTTPError as error:
            message = f"{self.name} cannot be reached, or broke off: {type(error).__name__}."
            raise ProviderUnavailableError(message, provider=self.name) from None
        seconds = len(pcm) / 2 / RATE
        self.usage.requests += 1
        self.usage.requested_s += seconds
        return Transcript(text.strip(), audio_s=seconds, language=spoken or "en")

    async def warm(self) -> None:
        """Check the key where the endpoint lists its models."""
        s = self.settings
        try:
            async with asyncio.timeout(s.connect_timeout + s.stall_timeout):
                answer = await self._connected().get(f"{s.base_url}/models")
        except (TimeoutError, httpx2.TimeoutException):
            raise DeadlineError(f"{self.name} did not answer in time.", provider=self.name) from None
        except httpx2.HTTPError as error:
            message = f"{self.name} cannot be reached: {type(error).__name__}."
            raise ProviderUnavailableError(message, provider=self.name) from None
        if answer.status_code in (401, 403):
            raise error_for(self.name, answer.status_code)

    async def aclose(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _request(self, pcm: bytes, language: str | None) -> str:
        s, wav = self.settings, io.BytesIO()
        write_wav(wav, pcm, RATE)
        fields = {"model": s.model, "response_format": "json"}
        fields |= {name: value for name, value in (("language", language), ("prompt", s.prompt)) if value is not None}
        if s.streamed:
            fields["stream"] = "true"
        async with self._connected().stream(
            "POST",
            f"{s.base_url}/audio/transcriptions",
            data=fields,
            files={"file": ("audio.wav", wav.getvalue(), "audio/wav")},
        ) as response:
            async with aclosing(self._body(response)) as body:
                if response.is_success and "event-stream" in response.headers.get("content-type", ""):
                    return await self._streamed(body)
                answer = b"".join([chunk async for chunk in body])
            if not response.is_success:
                raise self._refusal(response, answer)
        return self._text(answer, "text")

    async def _body(self, response: httpx2.Response) -> AsyncGenerator[bytes, None]:
        """Yield the body, up to a limit, each piece in time."""
        left, chunks = MAX_ANSWER_BYTES, response.aiter_bytes()
        limit = self.settings.stall_timeout if self.settings.streamed else None
        while left > 0:
            try:
                async with asyncio.timeout(limit):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            left -= len(chunk)
            yield chunk

    async def _streamed(self, body: AsyncGenerator[bytes, None]) -> str:
        """Read events until the whole transcript has come."""
        held = b""
        async for chunk in body:
            *lines, held = (held + chunk).split(b"\n")
            for line in lines:
                if line.startswith(b"data:") and b"transcript.text.done" in line:
                    return self._text(line.removeprefix(b"data:"), "text")
                if line.startswith(b"data:") and b'"error"' in line:
                    raise error_for(self.name, None, error_code(json.loads(line.removeprefix(b"data:"))))
        raise ProviderUnavailableError(f"{self.name} broke off its transcript.", provider=self.name)

    def _text(self, answer: bytes, field: str) -> str:
        try:
            text = json.loads(answer)[field]
        except (ValueError, LookupError, TypeError):
            text = None
        if not isinstance(text, str):
            message = f"{self.name} answered with what is no transcript."
            raise ProviderUnavailableError(message, provider=self.name)
        return text

    def _refusal(self, response: httpx2.Response, body: bytes) -> DuologueError:
        try:
            code = error_code(json.loads(body))
        except ValueError:
            code = ""
        status, wait = response.status_code, retry_after(response.headers.get("Retry-After"))
        return error_for(self.name, status, code, wait, bad_audio=status in (413, 415) or "audio" in code)

    def _connected(self) -> httpx2.AsyncClient:
        if self._client is None:
            s = self.settings
            self._client = http_client(
                s.base_url,
                headers=self._headers,
                timeout=httpx2.Timeout(s.request_timeout, connect=s.connect_timeout, pool=s.connect_timeout),
                limits=httpx2.Limits(
                    max_connections=s.max_connections,
                    max_keepalive_connections=s.max_connections,
                    keepalive_expiry=CONNECTION_IDLE_S,
                ),
            )
        return self._client
