"""What the rules want done, and the decisions they publish, as plain JSON types: to be compared and shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from duologue.conversation import events
from duologue.conversation.effects import Effect
from duologue.conversation.events import Event
from duologue.errors import InvalidRecordingError
from duologue.recording.codec import encode_value

__all__ = ["EffectRecord", "decode_effects", "encode_effects", "is_decision"]

EffectRecord: TypeAlias = dict[str, Any]
"""One effect: `{"effect": "TurnDecided", "fields": {"pos": 16384, ...}}`."""

_EVENTS: Final = frozenset(name for name in events.__all__ if name != Event.__name__)


def encode_effects(effects: Iterable[Effect]) -> list[EffectRecord]:
    """Return the effects of one input as plain JSON types. Raises InvalidRecordingError as `encode_value` does."""
    return [
        {"effect": type(effect).__name__, "fields": encode_value(type(effect), effect, type(effect).__name__)}
        for effect in effects
    ]


def decode_effects(line: bytes) -> list[EffectRecord]:
    """Return the effects of one line, each with its name and its fields, as recorded.

    Their fields are not checked against this release: a replay shows where they differ from what it decides now.
    Raises InvalidRecordingError for anything that is not a list of named effects.
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
    return records


def is_decision(record: EffectRecord) -> bool:
    """Return True for an event that tells what the rules decided, False for work that the session is to do."""
    return record["effect"] in _EVENTS
