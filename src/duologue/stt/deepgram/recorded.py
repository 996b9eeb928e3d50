"""Deepgram's prerecorded transcription: one HTTP request for a whole utterance or file."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Final

import httpx2
from pydantic import ValidationError

from duologue.audio.format import RATE
from duologue.audio.wav import write_wav
from duologue.dialing import CONNECTION_IDLE_S, http_client
from duologue.errors import DeadlineError, DuologueError, InvalidAudioError, ProviderUnavailableError
from duologue.services import error_for, retry_after
from duologue.stt.deepgram.messages import Recording
from duologue.stt.deepgram.settings import DeepgramSettings

__all__ = ["RecordedTranscription"]

MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
MAX_ERROR_BYTES: Final = 64 * 1024


class RecordedTranscription:
    """Sends recordings to `/v1/listen`. All sessions share its connections, which are made when they are needed."""

    def __init__(self, name: str, settings: DeepgramSettings, headers: dict[str, str]) -> None:
        self._name = name
        self._settings = settings
        self._headers = headers
        self._client: httpx2.AsyncClient | None = None

    async def transcribe(self, pcm: bytes, language: str | None) -> str:
        """The words in 16 kHz mono PCM16. Raises the error of the tree that says why there are none."""
        if len(pcm) % 2:
            raise InvalidAudioError(f"{len(pcm)} bytes are not whole 16-bit samples.")
        s, wav = self._settings, io.BytesIO()
        write_wav(wav, pcm, RATE)
        try:
            async with asyncio.timeout(s.connect_timeout + s.request_timeout):
                answer = await self._post(wav.getvalue(), language)
        except (TimeoutError, httpx2.TimeoutException):
            late = f"{self._name} gave no transcript within {s.request_timeout:g} s."
            raise DeadlineError(late, provider=self._name) from None
        except httpx2.HTTPError as error:
            message = f"{self._name} cannot be reached, or broke off: {type(error).__name__}."
            raise ProviderUnavailableError(message, provider=self._name) from None
        try:
            found = Recording.model_validate_json(answer)
        except ValidationError:
            message = f"{self._name} answered with what is no transcript."
            raise ProviderUnavailableError(message, provider=self._name) from None
        return found.results.channels[0].alternatives[0].transcript.strip()

    async def aclose(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _post(self, wav: bytes, language: str | None) -> bytes:
        url = f"{self._settings.base_url}/v1/listen"
        parameters = self._settings.recording_parameters(language)
        headers = {**self._headers, "Content-Type": "audio/wav"}
        async with self._connected().stream(
            "POST", url, params=httpx2.QueryParams([*parameters]), content=wav, headers=headers
        ) as response:
            limit = MAX_ANSWER_BYTES if response.is_success else MAX_ERROR_BYTES
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > limit:
                    break
            if not response.is_success:
                raise self._refusal(response, bytes(body))
            return bytes(body)

    def _refusal(self, response: httpx2.Response, body: bytes) -> DuologueError:
        try:
            said = json.loads(body)
            text = str(said.get("err_msg") or said.get("message") or "") if isinstance(said, dict) else ""
        except ValueError:
            text = ""
        wait = retry_after(response.headers.get("Retry-After"))
        status = response.status_code
        bad_audio = status in (413, 415) or (status == 400 and "audio" in text.lower())
        return error_for(self._name, status, wait=wait, bad_audio=bad_audio)

    def _connected(self) -> httpx2.AsyncClient:
        if self._client is None:
            s = self._settings
            self._client = http_client(
                s.base_url,
                timeout=httpx2.Timeout(s.request_timeout, connect=s.connect_timeout),
                limits=httpx2.Limits(
                    max_connections=s.max_requests,
                    max_keepalive_connections=s.max_requests,
                    keepalive_expiry=CONNECTION_IDLE_S,
                ),
            )
        return self._client
