"""The protocol, version 1: the messages of both directions, and the text frames that they travel in.

A message that is in neither direction's module is refused.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from duologue.errors import InvalidMessageError
from duologue.wire.client_messages import (
    MAX_TEXT,
    Clear,
    ClientMessage,
    End,
    Interrupt,
    Mark,
    Ping,
    Reconnect,
    Start,
    Text,
    TurnBegin,
    TurnEnd,
)
from duologue.wire.fields import MAX_METADATA_BYTES
from duologue.wire.frames import MAX_TEXT_BYTES
from duologue.wire.server_messages import (
    Ack,
    AgentHeard,
    AgentText,
    Decision,
    Ended,
    Error,
    Interrupted,
    Latency,
    Limits,
    Meter,
    Pause,
    Pong,
    Reconnected,
    Resume,
    ServerMessage,
    SpeechStarted,
    SpeechStopped,
    Started,
    State,
    TranscriptFinal,
    TranscriptPartial,
)

__all__ = [
    "MAX_FAULTS",
    "MAX_TEXT",
    "Ack",
    "AgentHeard",
    "AgentText",
    "Clear",
    "ClientMessage",
    "Decision",
    "End",
    "Ended",
    "Error",
    "Interrupt",
    "Interrupted",
    "Latency",
    "Limits",
    "Mark",
    "Meter",
    "Pause",
    "Ping",
    "Pong",
    "Reconnect",
    "Reconnected",
    "Resume",
    "ServerMessage",
    "SpeechStarted",
    "SpeechStopped",
    "Start",
    "Started",
    "State",
    "Text",
    "TranscriptFinal",
    "TranscriptPartial",
    "TurnBegin",
    "TurnEnd",
    "dump",
    "make_start",
    "parse_client",
    "parse_server",
]

MAX_FAULTS: Final = 32
"""Wrong fields beyond which a message's faults are counted only."""

_CLIENT: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])
_SERVER: TypeAdapter[ServerMessage] = TypeAdapter(Annotated[ServerMessage, Field(discriminator="type")])
M = TypeVar("M")


def parse_client(text: str) -> ClientMessage:
    """The client's message in a text frame.

    Raises InvalidMessageError, which says what was wrong with which field, or that the frame is too long.
    """
    if 4 * len(text) > MAX_TEXT_BYTES and len(text.encode(errors="replace")) > MAX_TEXT_BYTES:
        raise InvalidMessageError(
            f"A text message may have {MAX_TEXT_BYTES} bytes, and this one has more.",
            hint=f"`metadata` may have {MAX_METADATA_BYTES} bytes, and `text` {MAX_TEXT} characters.",
        )
    return _parse(_CLIENT, text)


def parse_server(text: str) -> ServerMessage:
    """The server's message in a text frame. Raises InvalidMessageError, which says what was wrong with which field."""
    return _parse(_SERVER, text)


def make_start(**fields: Any) -> Start:
    """The first message. Raises InvalidMessageError, which says what is wrong with which field."""
    try:
        return Start(**fields)
    except ValidationError as error:
        raise InvalidMessageError(_explain(error)) from None


def dump(message: ClientMessage | ServerMessage) -> str:
    """The text frame of a message. What is no character, such as half of an emoji, becomes a question mark."""
    try:
        return message.model_dump_json()
    except PydanticSerializationError:
        return json.dumps(message.model_dump(), ensure_ascii=False).encode(errors="replace").decode()


def _parse(adapter: TypeAdapter[M], text: str) -> M:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise InvalidMessageError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    """The faults in one line, without the input, which may be long or confidential."""
    if error.error_count() > MAX_FAULTS:  # To list thousands takes longer than to find them.
        return f"The message is not one of the protocol: it has {error.error_count()} fields that are unknown or wrong."
    details: list[Any] = error.errors(include_url=False, include_input=False)
    faults = [
        f"{'.'.join(map(str, fault['loc'])) or 'message'}: {fault['msg'].removeprefix('Value error, ')}"[:300]
        for fault in details[:3]
    ]
    if len(details) > 3:
        faults.append(f"and {len(details) - 3} more")
    return f"The message is not one of the protocol: {'; '.join(faults)}."
