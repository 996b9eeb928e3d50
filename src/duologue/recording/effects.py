"""What the rules want done, and the decisions they publish, as plain JSON types: to be compared and shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from duologue.conversation import events
from duologue.conversation.effects import Effect
from duologue.conversation.events import Event
from duologue.errors import InvalidRecordingError
from duologue.recording.codec import decode_value, encode_value

__all__ = ["EffectRecord", "decode_effects", "encode_effects", "is_decision"]

EffectRecord: TypeAlias = dict[str, Any]
"""One effect: `{"effect": "TurnDecided", "fields": {"pos": 16384, ...}}`."""

_READ: Final[dict[str, dict[str, Any]]] = {
    "TurnDecided": {
        "turn": int, "text": str, "pos": int, "start": int, "silence": float, "probability": float, "reason": str,
    },
    "TurnContinued": {"turn": int},
    "AgentHeard": {"turn": int, "generation": int, "pos": int, "text": str, "interrupted": bool},
    "SpeechStarted": {"turn": int, "start": int},
    "RequestTranscript": {"ask": int, "start": int, "end": int, "due": int, "before": str},
    "RequestEndOfTurn": {"ask": int, "start": int, "end": int, "due": int},
}  # fmt: skip
"""Fields on which the rest of this package relies, as in a transcript or the turns of a call."""

_EVENTS: Final = frozenset(name for name in events.__all__ if name != Event.__name__)


def encode_effects(effects: Iterable[Effect]) -> list[EffectRecord]:
    """Return the effects of one input as plain JSON types. Raises InvalidRecordingError as `encode_value` does."""
    return [
        {"effect": type(effect).__name__, "fields": encode_value(type(effect), effect, type(effect).__name__)}
        for effect in effects
    ]


def decode_effects(line: bytes) -> list[EffectRecord]:
    """Return the effects of one line, each with its name and its fields, as recorded.

    Most fields are not checked against this release: a replay shows where they differ from what it decides now.
    Raises InvalidRecordingError for anything that is not a list of named effects, and if one lacks what is read of it.
    """
    try:
        records = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidRecordingError(f"A line of effects is not JSON: {type(error).__name__}.") from None
    if not isinstance(records, list) or not all(
        isinstance(each, dict)
        and each.keys() == {"effect", "fields"}
        and isinstance(each["effect"], str)
        and isinstance(each["fields"], dict)
        for each in records
    ):
        raise InvalidRecordingError("A line of effects must be a list of objects with the keys effect and fields.")
    for record in records:
        for name, kind in _READ.get(record["effect"], {}).items():
            at = f"{record['effect']}.{name}"
            if name not in record["fields"]:
                raise InvalidRecordingError(f"{at} is missing.", hint="Use the release of duologue that recorded it.")
            decode_value(kind, record["fields"][name], at)
    return records


def is_decision(record: EffectRecord) -> bool:
    """Return True for an event that tells what the rules decided, False for work that the session is to do."""
    return record["effect"] in _EVENTS
