"""Deepgram's messages: of streams (`/v1/listen` and `/v2/listen`) and of prerecorded requests."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError

from duologue.stt import Word
from duologue.stt.streaming import PositionMap
from duologue.stt.websocket.messages import no_message, parse_message

__all__ = [
    "CLOSE_STREAM",
    "FINALIZE",
    "KEEP_ALIVE",
    "Connected",
    "Failure",
    "Message",
    "Recording",
    "Results",
    "TurnInfo",
    "UtteranceEnd",
    "parse",
    "words_at",
]

FINALIZE: Final = '{"type": "Finalize"}'
KEEP_ALIVE: Final = '{"type": "KeepAlive"}'
CLOSE_STREAM: Final = '{"type": "CloseStream"}'

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Confidence = Annotated[float, Field(allow_inf_nan=False), AfterValidator(lambda value: min(max(value, 0.0), 1.0))]
"""Clamped: a rounding error is no reason to give up a stream."""


class SpokenWord(BaseModel):
    """A word; Flux need not say when it is spoken."""

    word: str
    punctuated_word: str | None = None
    start: Seconds | None = None
    end: Seconds | None = None
    confidence: Confidence | None = None


class Alternative(BaseModel):
    """What was recognized."""

    transcript: str = ""
    confidence: Confidence | None = None
    words: list[SpokenWord] = []


class Channel(BaseModel):
    """One channel's alternatives, the best first."""

    alternatives: list[Alternative] = Field(min_length=1)


class Results(BaseModel):
    """Nova: the transcript of a stretch of audio; times are in seconds of the stream."""

    type: Literal["Results"]
    start: Seconds
    duration: Seconds
    channel: Channel
    is_final: bool = False
    from_finalize: bool = False


class UtteranceEnd(BaseModel):
    """Nova: no word has come for `utterance_end_ms`."""

    type: Literal["UtteranceEnd"]
    last_word_end: float


class Connected(BaseModel):
    """Flux: the stream is open."""

    type: Literal["Connected"]


class TurnInfo(BaseModel):
    """Flux: the transcript of the turn so far, and whether it has ended."""

    type: Literal["TurnInfo"]
    event: str
    turn_index: int
    audio_window_start: Seconds
    audio_window_end: Seconds
    transcript: str
    words: list[SpokenWord] = []
    end_of_turn_confidence: Confidence


class Failure(BaseModel):
    """An error that is sent before the stream is closed. Its description may hold words of the caller."""

    type: Literal["Error"]
    code: str = ""
    variant: str = ""


class _Recognized(BaseModel):
    """The `results` of a prerecorded request."""

    channels: list[Channel] = Field(min_length=1)


class _About(BaseModel):
    """The `metadata` of a prerecorded request."""

    duration: Seconds = 0.0


class Recording(BaseModel):
    """The answer to a prerecorded request."""

    metadata: _About = _About()
    results: _Recognized


Message = Results | UtteranceEnd | Connected | TurnInfo | Failure

_KNOWN: Final = frozenset({"Results", "UtteranceEnd", "Connected", "TurnInfo", "Error"})
_MESSAGE: Final[TypeAdapter[Message]] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def parse(name: str, data: str | bytes) -> Message | None:
    """The message in a frame; None for a type that says nothing of the transcript.

    Raises ProviderUnavailableError, of `name`, for a frame that is no message, or lacks what the protocol promises.
    """
    message = parse_message(name, data)
    kind = message.get("type")
    if not isinstance(kind, str):
        raise no_message(name)
    try:
        return _MESSAGE.validate_python(message) if kind in _KNOWN else None
    except ValidationError:
        raise no_message(name) from None


def words_at(words: list[SpokenWord], clock: PositionMap) -> tuple[Word, ...]:
    """The words with their positions; none if one lacks its times."""
    placed = []
    for word in words:
        if word.start is None or word.end is None:
            return ()
        start = clock.position(word.start)
        end = max(start, clock.end(word.end))
        placed.append(Word(word.punctuated_word or word.word, start, end, word.confidence))
    return tuple(placed)
