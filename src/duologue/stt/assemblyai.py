"""AssemblyAI: recognition while the user speaks, with a confidence that the turn has ended.

Protocol: https://www.assemblyai.com/docs/streaming/message-sequence, and of the same site
/docs/streaming/common-session-errors-and-closures and /docs/streaming/universal-streaming/turn-detection; and the
message types of the SDK assemblyai 1.8 (November 2026).
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from time import monotonic
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, Field, StringConstraints, ValidationError, field_validator

from duologue.audio.format import RATE
from duologue.errors import (
    AuthenticationError,
    DuologueError,
    InvalidAudioError,
    ProviderError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
)
from duologue.services import ReloadsKey, read_key, socket_address, validated
from duologue.stt import EndOfTurn, Partial, RecognitionEvent, SttCapabilities, Word
from duologue.stt import Final as FinalTranscript
from duologue.stt.base import StreamingSpeechToText
from duologue.stt.service import RecognizerUsage, SocketSettings
from duologue.stt.websocket import AskedStream, Connection, StreamPool, dial, no_message, parse_message

__all__ = ["AssemblyAISettings", "AssemblyAISpeechToText"]

TERMINATE: Final = '{"type": "Terminate"}'
FORCE_ENDPOINT: Final = '{"type": "ForceEndpoint"}'
LEAST: Final = RATE // 20
"""Samples of the shortest message that AssemblyAI takes: 50 ms..."""
MOST: Final = RATE
"""...and of the longest: 1 s."""

Term = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]


class AssemblyAISettings(SocketSettings):
    """Settings of the AssemblyAI recognizer. Times are in seconds unless the name ends in `_ms`."""

    model: str = Field("universal-streaming-english", min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][\w.:-]*$")
    """`universal-streaming-english`, `universal-streaming-multilingual`, or a model of the Universal 3 family."""
    base_url: str = "wss://streaming.assemblyai.com"
    """`wss://streaming.eu.assemblyai.com` is in Europe."""
    format_turns: bool = True
    """Universal-Streaming: punctuation and capitals, which turn-taking uses. Universal 3 always has them."""
    keyterm: tuple[Term, ...] = Field((), max_length=100)
    """Names and terms to expect."""
    end_of_turn_confidence_threshold: float | None = Field(None, ge=0, le=1)
    """Confidence with which AssemblyAI ends a turn by itself."""
    min_turn_silence_ms: int | None = Field(None, ge=0, le=10_000)
    """Silence after which it does so, if it is confident..."""
    max_turn_silence_ms: int | None = Field(None, ge=0, le=60_000)
    """...and in any case."""
    max_burst: float = Field(5.0, ge=0, le=60)
    """Seconds of audio that are sent at once after a fault. More goes no faster than..."""
    max_pace: float = Field(1.25, ge=1, le=1000)
    """...so many times real time: AssemblyAI closes a stream that sends faster."""
    cost: float | None = Field(None, ge=0)
    """US dollars for an hour of a stream."""

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, url: str) -> str:
        return socket_address(url, "wss://streaming.assemblyai.com")

    @property
    def has_plain_turns(self) -> bool:
        """Whether each turn comes without punctuation first, and then with it."""
        return self.format_turns and self.model.startswith("universal-streaming")

    def stream_url(self, language: str | None) -> str:
        """Where a stream of 16 kHz mono PCM16 is opened."""
        query = {"sample_rate": str(RATE), "encoding": "pcm_s16le", "speech_model": self.model}
        if self.model.startswith("universal-streaming"):
            query["format_turns"] = str(self.format_turns).lower()
        elif language is not None:
            query["language_codes"] = json.dumps([language])
        if self.keyterm:
            query["keyterms_prompt"] = json.dumps(self.keyterm)
        silences = {"min_turn_silence": self.min_turn_silence_ms, "max_turn_silence": self.max_turn_silence_ms}
        query |= {name: str(value) for name, value in silences.items() if value is not None}
        if self.end_of_turn_confidence_threshold is not None:
            query["end_of_turn_confidence_threshold"] = f"{self.end_of_turn_confidence_threshold:g}"
        return f"{self.base_url}/v3/ws?{urlencode(query)}"


class AssemblyAISpeechToText(ReloadsKey, StreamingSpeechToText):
    """The AssemblyAI recognizer. One serves all sessions of a process.

    Args:
        api_key: The key; by default that of `api_key_file`, or of the environment variable `ASSEMBLYAI_API_KEY`.
        options: Fields of AssemblyAISettings.

    Raises:
        ConfigError: An option is unknown or wrong, or there is no key.
    """

    def __init__(self, *, api_key: str | None = None, **options: Any) -> None:
        settings = validated(AssemblyAISettings, "assemblyai", options)
        self.settings: AssemblyAISettings = settings
        self.name: str = f"assemblyai/{settings.model}"
        english = settings.model == "universal-streaming-english"
        self.capabilities: SttCapabilities = SttCapabilities(
            streaming=True,
            word_times=True,
            end_of_turn=True,
            languages=frozenset({"en"}) if english else frozenset(),
            rates=(8_000, 16_000, 24_000, 44_100, 48_000),
            typical_latency=settings.typical_latency,
            cost=settings.cost,
        )
        self.usage: RecognizerUsage = RecognizerUsage()
        self._headers = {"Authorization": api_key or str(read_key(settings.api_key_file, "ASSEMBLYAI_API_KEY"))}
        self._keep_key(self._headers, "Authorization", "{}", None if api_key else settings.api_key_file)
        self._streams = StreamPool(self.name, settings, self._dial)

    def stream(self, *, language: str | None = None) -> AssemblyAIStream:
        """Open a stream."""
        self.check_language(language)
        connect = partial(self._streams.connect, self.settings.stream_url(language))
        return AssemblyAIStream(self.name, self.settings, self.usage, connect)

    async def warm(self) -> None:
        """Open the connections that are kept ready, which checks the key; none unless `warm_connections` is set."""
        await self._streams.warm(self.settings.stream_url(None))

    async def aclose(self) -> None:
        """Close the connections that are kept ready. Streams are closed by their sessions."""
        await self._streams.aclose()

    async def _dial(self, url: str) -> Connection:
        return await dial(self.name, url, self._headers, self.settings, goodbye=TERMINATE, close_error=close_error)


class SpokenWord(BaseModel):
    """A word; times are in milliseconds of the stream."""

    text: str
    start: float = Field(ge=0, allow_inf_nan=False)
    end: float = Field(ge=0, allow_inf_nan=False)
    confidence: float | None = None


class Turn(BaseModel):
    """The transcript of the turn so far. `words` has those that may still change, `transcript` not."""

    type: Literal["Turn"]
    end_of_turn: bool
    turn_is_formatted: bool
    transcript: str
    end_of_turn_confidence: float = Field(allow_inf_nan=False)
    words: list[SpokenWord]


class AssemblyAIStream(AskedStream):
    """A stream. `finalize` sends `ForceEndpoint`, which ends AssemblyAI's turn, and not the user's."""

    vendor = "assemblyai"
    request = FORCE_ENDPOINT
    _settings: AssemblyAISettings

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._held = bytearray()
        """Audio that is not enough for a message."""
        self._began = 0.0
        self._sent = 0

    async def _send_audio(self, connection: Connection, pcm: bytes, position: int) -> None:
        for at in range(0, len(pcm) // 2, MOST // 2):
            piece = pcm[2 * at : 2 * at + MOST]
            self._count(len(piece) // 2, position + at)
            self._held += piece
            if len(self._held) // 2 >= LEAST:
                await self._send_held(connection)

    async def _request_final(self, connection: Connection, position: int) -> None:
        if self._held:
            missing = LEAST - len(self._held) // 2
            self._held += bytes(2 * missing)
            self._clock.sent(missing, position)
            await self._send_held(connection)
        await super()._request_final(connection, position)

    async def _send_held(self, connection: Connection) -> None:
        s, now = self._settings, monotonic()
        self._began = self._began or now
        self._sent += len(self._held) // 2
        wait = (self._sent / RATE - s.max_burst) / s.max_pace - (now - self._began)
        data = bytes(self._held)
        self._held.clear()
        if wait > 0:
            await asyncio.sleep(wait)
        await connection.send(data)

    def _read(self, frame: str | bytes) -> list[RecognitionEvent]:
        message = parse_message(self.name, frame)
        if message.get("type") == "Error" or "error" in message:
            code = message.get("error_code")
            raise close_error(self.name, code if isinstance(code, int) else 0, str(message.get("error")))
        if message.get("type") != "Turn":
            self.usage.unknown_messages += message.get("type") not in ("Begin", "SpeechStarted", "Termination")
            return []
        try:
            turn = Turn.model_validate(message)
        except ValidationError:
            raise no_message(self.name) from None
        return self._turn(turn)

    def _turn(self, turn: Turn) -> list[RecognitionEvent]:
        start = max(self._clock.position(turn.words[0].start / 1000), self._covered) if turn.words else self._covered
        end = max(start, self._clock.end(turn.words[-1].end / 1000)) if turn.words else start
        self._heard = max(self._heard, end)
        text = " ".join(word.text for word in turn.words)
        sure = EndOfTurn(min(max(turn.end_of_turn_confidence, 0.0), 1.0), self._heard)
        is_final = turn.end_of_turn and (turn.turn_is_formatted or not self._settings.has_plain_turns)
        if not is_final:
            self._has_words = bool(text)
            return [Partial(text, start, end), sure]
        self._has_words = False
        end = max(end, self._answered(end))
        self._covered = max(self._covered, end)
        # The opinion on a turn that was ended by request came before.
        opinions = [] if self._settings.has_plain_turns else [sure]
        return [*opinions, FinalTranscript(turn.transcript.strip(), start, end, self._words(turn, end))]

    def _words(self, turn: Turn, last: int) -> tuple[Word, ...]:
        words = []
        for word in turn.words:
            start = min(self._clock.position(word.start / 1000), last)
            end = min(max(start, self._clock.end(word.end / 1000)), last)
            words.append(Word(word.text, start, end, word.confidence))
        return tuple(words)


def close_error(name: str, code: int, reason: str) -> DuologueError:
    """Return the error of the tree for an error of a stream, or for its close."""
    said, lower = f" ({code})" if code else "", reason.lower()
    if "concurrent" in lower or "too many" in lower or code == 3009:
        return RateLimitedError(f"{name} asks for fewer streams{said}.", provider=name)
    if any(word in lower for word in ("balance", "funds", "credit", "paid")):
        return QuotaExceededError(f"{name} says that the account is used up{said}.", provider=name)
    if code in (401, 403, 1008, 4001):
        return AuthenticationError(f"{name} does not accept the key{said}.", provider=name)
    if code == 3007:
        return InvalidAudioError(f"{name} does not accept the audio, or its pace{said}.", provider=name)
    if code in (3005, 3008) or 1000 <= code < 1016 or not code:
        return ProviderUnavailableError(f"{name} closed the stream{said}.", provider=name)
    return ProviderError(f"{name} rejected what it was sent{said}.", provider=name, hint="Check the model's settings.")
