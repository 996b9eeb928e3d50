"""Values of declared types as plain JSON types, and back: frozen dataclasses, named tuples, enums and scalars.

Nothing is converted, left out or added. Numbers that JSON does not have are the strings `nan`, `inf` and `-inf`.
Errors name the place, and never the value, which may be what a caller said.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, SupportsFloat, Union, get_args, get_origin, get_type_hints

from duologue.errors import InvalidRecordingError

__all__ = ["MAX_ITEMS", "MAX_TEXT", "decode_value", "encode_value", "json_name"]

MAX_TEXT: Final = 250_000
"""Characters of one text."""
MAX_ITEMS: Final = 10_000
"""Elements of one list, such as the timed words of a segment."""

_MAX_INT: Final = 2**63 - 1
_EXPECTED: Final = {bool: "true or false", str: "a string", int: "an integer", float: "a number"}
_NOT_FINITE: Final = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def encode_value(kind: Any, value: Any, at: str) -> Any:
    """Return `value`, which is of type `kind`, as plain JSON types; `at` names it in errors.

    Raises InvalidRecordingError for a value that its type may not hold, and for one beyond the limits.
    """
    if (members := _members(kind)) is not None:
        return None if value is None and _may_be_none(kind) else _first_that(encode_value, members, value, at)
    if _is_record(kind):
        hints = _hints(kind)
        if type(value) is not kind:
            raise _wrong(at, kind.__name__, value)
        return {name: encode_value(hint, getattr(value, name), f"{at}.{name}") for name, hint in hints.items()}
    if kind is float and not isinstance(value, int) and isinstance(value, SupportsFloat):
        number = float(value)  # numpy's numbers, too
        return number if math.isfinite(number) else repr(number)
    if isinstance(value, tuple):
        return [encode_value(item, each, at) for item, each in _items(kind, value, at)]
    return _scalar(kind, value, at)


def decode_value(kind: Any, value: Any, at: str) -> Any:
    """Return the value of type `kind` that `encode_value` wrote. Raises InvalidRecordingError for anything else."""
    if (members := _members(kind)) is not None:
        return None if value is None and _may_be_none(kind) else _first_that(decode_value, members, value, at)
    if _is_record(kind):
        hints = _hints(kind)
        if not isinstance(value, dict):
            raise _wrong(at, "an object", value)
        if value.keys() != hints.keys():
            raise InvalidRecordingError(f"{at} must have exactly the fields {', '.join(hints) or '(none)'}.")
        return kind(**{name: decode_value(hint, value[name], f"{at}.{name}") for name, hint in hints.items()})
    if kind is float and isinstance(value, str):
        if value not in _NOT_FINITE:
            raise _wrong(at, "a number", value)
        return _NOT_FINITE[value]
    if isinstance(value, list):
        return tuple([decode_value(item, each, at) for item, each in _items(kind, value, at)])
    return _scalar(kind, value, at)


def _scalar(kind: Any, value: Any, at: str) -> Any:
    """`value` if it is a single value of `kind`, within the limits."""
    if get_origin(kind) is Literal:
        if not isinstance(value, str) or value not in get_args(kind):
            raise _wrong(at, f"one of {', '.join(map(repr, get_args(kind)))}", value)
        return value
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        if not isinstance(value, str) or value not in [member.value for member in kind]:
            raise _wrong(at, f"one of {', '.join(repr(str(member)) for member in kind)}", value)
        return kind(value)
    if kind is bool and isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise InvalidRecordingError(f"{at} has {len(value)} characters; the limit is {MAX_TEXT}.")
        return value
    if kind in (int, float) and isinstance(value, int) and not isinstance(value, bool):
        if not -_MAX_INT <= value <= _MAX_INT:
            raise InvalidRecordingError(f"{at} does not fit into 64 bits.")
        if (number := kind(value)) != value:
            raise InvalidRecordingError(f"{at} is more exact than a number of 64 bits.")
        return number
    if kind is float and isinstance(value, float) and math.isfinite(value):
        return value
    raise _wrong(at, _EXPECTED.get(kind, "a list"), value)


def _items(kind: Any, values: Any, at: str) -> list[tuple[Any, Any]]:
    """The elements of a tuple, each with its declared type."""
    if get_origin(kind) is not tuple:
        raise _wrong(at, "a single value", values)
    hints = get_args(kind)
    if hints[-1] is ...:
        hints = (hints[0],) * len(values)
    if len(values) > MAX_ITEMS:
        raise InvalidRecordingError(f"{at} has {len(values)} elements; the limit is {MAX_ITEMS}.")
    if len(values) != len(hints):
        raise InvalidRecordingError(f"{at} has {len(values)} elements, and must have {len(hints)}.")
    return list(zip(hints, values, strict=True))


def _members(kind: Any) -> list[Any] | None:
    """The types of a union, without None; None for any other type."""
    if get_origin(kind) not in (Union, UnionType):
        return None
    return [each for each in get_args(kind) if each is not NoneType]


def _may_be_none(kind: Any) -> bool:
    return NoneType in get_args(kind)


def _first_that(convert: Callable[[Any, Any, str], Any], members: list[Any], value: Any, at: str) -> Any:
    """What the first member that takes `value` makes of it."""
    *others, last = members
    for member in others:
        try:
            return convert(member, value, at)
        except InvalidRecordingError:
            continue
    return convert(last, value, at)


def _is_record(kind: Any) -> bool:
    return is_dataclass(kind) or hasattr(kind, "_fields")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """The fields of a dataclass or a named tuple, with their types."""
    hints = get_type_hints(kind)
    names = [f.name for f in fields(kind)] if is_dataclass(kind) else kind._fields
    return {name: hints[name] for name in names}


def _wrong(at: str, expected: str, value: object) -> InvalidRecordingError:
    return InvalidRecordingError(f"{at} is {json_name(value)}, and must be {expected}.")


def json_name(value: object) -> str:
    """The JSON name of a value's type: the value itself may be what the caller said."""
    names = {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "true or false",
        int: "an integer",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
