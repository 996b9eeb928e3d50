"""The settings of turn-taking in a recording: written, read by another release, and changed by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from duologue.conversation.config import ConversationConfig
from duologue.errors import ConfigError, InvalidRecordingError
from duologue.recording.codec import decode_value, encode_value

__all__ = ["change_settings", "decode_settings", "encode_settings", "parse_assignments", "setting_names"]

C = TypeVar("C")
MAX_ASSIGNMENT: Final = 1000
"""Characters of one `name=value`."""


def encode_settings(config: ConversationConfig) -> dict[str, Any]:
    """Return the settings as plain JSON types."""
    return cast(dict[str, Any], encode_value(ConversationConfig, config, "settings"))


def decode_settings(record: Any) -> tuple[ConversationConfig, list[str]]:
    """Return recorded settings, and a line for each that this release has and the recording lacks, or the reverse.

    What the recording lacks takes its default. Raises InvalidRecordingError for a value that cannot be.
    """
    notes: list[str] = []
    try:
        return _decode(ConversationConfig, record, "", notes), notes
    except ConfigError as error:
        raise InvalidRecordingError(f"The recorded settings cannot be used: {error.message}") from None


def _decode(kind: type[C], record: Any, at: str, notes: list[str]) -> C:
    if not isinstance(record, dict):
        raise InvalidRecordingError(f"The recorded settings{f' of {at}' if at else ''} are no object.")
    hints = get_type_hints(kind)
    prefix = f"{at}." if at else ""
    notes += [f"{prefix}{name} is recorded, and this release has no such setting" for name in record.keys() - hints]
    values: dict[str, Any] = {}
    for name, hint in hints.items():
        if name not in record:
            notes.append(f"{prefix}{name} is not recorded, and has its default")
        elif is_dataclass(hint):
            values[name] = _decode(cast(type[Any], hint), record[name], f"{prefix}{name}", notes)
        else:
            values[name] = decode_value(hint, record[name], f"{prefix}{name}")
    return kind(**values)


def setting_names() -> list[str]:
    """Return the names that `change_settings` takes, such as `endpointing.threshold`."""
    return list(_names(ConversationConfig, ""))


def _names(kind: type, prefix: str) -> Iterable[str]:
    hints = get_type_hints(kind)
    for field in fields(kind):
        if is_dataclass(hints[field.name]):
            yield from _names(hints[field.name], f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"


def parse_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """Return `name=value` texts as a dict. Raises ConfigError for anything else, and for an unknown name."""
    known = setting_names()
    found: dict[str, str] = {}
    for text in assignments:
        name, equals, value = text[:MAX_ASSIGNMENT].partition("=")
        name = name.strip()
        if not equals or not name:
            raise ConfigError(f"{text[:40]!r} is no setting.", hint="Write name=value, as endpointing.threshold=0.6.")
        if name not in known:
            near = [each for each in known if each.endswith(f".{name}")] or get_close_matches(name, known, n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"The settings are {', '.join(known)}."
            raise ConfigError(f"There is no setting {name!r}.", hint=hint)
        found[name] = value.strip()
    return found


def change_settings(config: ConversationConfig, changes: Mapping[str, str]) -> ConversationConfig:
    """Return the settings with others in place of those named. Raises ConfigError for what cannot be."""
    return cast(ConversationConfig, _changed(config, changes, ""))


def _changed(config: Any, changes: Mapping[str, str], prefix: str) -> Any:
    """Change all at once: settings that go together may not be valid one by one."""
    hints = get_type_hints(type(config))
    values: dict[str, Any] = {}
    for first in dict.fromkeys(name.partition(".")[0] for name in changes):
        below = {name.partition(".")[2]: text for name, text in changes.items() if name.partition(".")[0] == first}
        if is_dataclass(hints[first]):
            values[first] = _changed(getattr(config, first), below, f"{prefix}{first}.")
        else:
            values[first] = _value(hints[first], below[""], f"{prefix}{first}")
    return replace(config, **values)


def _value(hint: Any, text: str, name: str) -> Any:
    """Return the value that `text` means for a setting of this type."""
    if get_origin(hint) in (Union, UnionType):
        *others, hint = (each for each in get_args(hint) if each is not NoneType)
        for other in others:
            with suppress(ConfigError):
                return _value(other, text, name)
    if get_origin(hint) is Literal:
        if text in get_args(hint):
            return text
        raise ConfigError(f"{name} is {text!r}, and must be one of {', '.join(get_args(hint))}.")
    if get_origin(hint) is tuple:
        parts = text.strip("()[] ").split(",")
        kinds = get_args(hint)
        if kinds[-1] is ...:
            parts = [part for part in parts if part.strip()]
            kinds = (kinds[0],) * len(parts)
        if len(parts) != len(kinds):
            raise ConfigError(f"{name} is {text!r}, and must be {len(kinds)} values with a comma between them.")
        return tuple(_value(kind, part.strip(), name) for kind, part in zip(kinds, parts, strict=True))
    if hint is bool:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise ConfigError(f"{name} is {text!r}, and must be true or false.")
    if hint is str:
        return text
    try:
        return hint(text)
    except ValueError:
        kind = "an integer" if hint is int else "a number"
        raise ConfigError(f"{name} is {text!r}, and must be {kind}.") from None
