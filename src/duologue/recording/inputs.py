"""Inputs to the rules as plain JSON types, and back.

    def tap(input_: Input, now: Now) -> None:
        file.write(to_line(input_, now))

    session.tap(tap)

One record is one input with its position and time:

    {"version": 1, "pos": 16384, "wall": 1.024, "input": "VadScored", "fields": {"start": 15872, ...}}

The fields are those of the class, with their declared types: nothing is converted, left out or added. Numbers that
JSON does not have are the strings `nan`, `inf` and `-inf`. Records hold what the callers said: store them as such.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, BinaryIO, Final, Literal, SupportsFloat, Union, cast, get_args, get_origin, get_type_hints

from duologue.conversation.inputs import Input, Now
from duologue.errors import InvalidRecordingError

__all__ = ["MAX_ITEMS", "MAX_LINE_BYTES", "MAX_TEXT", "VERSION", "decode", "encode", "from_line", "read", "to_line"]

VERSION: Final = 1
"""Changes when a recorded input changes its name, its fields or their meaning."""
MAX_TEXT: Final = 250_000
"""Characters of one text."""
MAX_ITEMS: Final = 10_000
"""Elements of one list, such as the timed words of a segment."""
MAX_LINE_BYTES: Final = 4 * 2**20
"""Bytes of one line: room for a text of the longest length with each character escaped."""

_MAX_INT: Final = 2**63 - 1
_EXPECTED: Final = {bool: "true or false", str: "a string", int: "an integer", float: "a number"}
_NOT_FINITE: Final = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_KEYS: Final = frozenset(("version", "pos", "wall", "input", "fields"))
_KINDS: Final[dict[str, Any]] = {kind.__name__: kind for kind in get_args(Input)}


def encode(input_: Input, now: Now) -> dict[str, Any]:
    """Return one input as plain JSON types.

    Raises InvalidRecordingError for a value that its field may not hold, and for one beyond the limits.
    """
    name = type(input_).__name__
    if _KINDS.get(name) is not type(input_):
        raise InvalidRecordingError(f"{name} is not an input to the rules.")
    return {
        "version": VERSION,
        "pos": _encode(int, now.pos, "pos"),
        "wall": _encode(float, now.wall, "wall"),
        "input": name,
        "fields": _encode(type(input_), input_, name),
    }


def decode(record: object) -> tuple[Input, Now]:
    """Return the input of a record, with its position and time.

    Raises InvalidRecordingError for anything that `encode` does not return.
    """
    if not isinstance(record, dict):
        raise InvalidRecordingError(f"A record is {_named(record)}, and must be an object.")
    version = record.get("version")
    if type(version) is not int or version != VERSION:
        shown = version if type(version) is int and abs(version) < 10**6 else _named(version)
        raise InvalidRecordingError(f"The record has version {shown}; this release reads version {VERSION}.")
    if record.keys() != _KEYS:
        raise InvalidRecordingError(f"A record must have exactly the keys {', '.join(sorted(_KEYS))}.")
    name = record["input"]
    if not isinstance(name, str) or name not in _KINDS:
        raise InvalidRecordingError("The record names no input that this release knows.")
    now = Now(_decode(int, record["pos"], "pos"), _decode(float, record["wall"], "wall"))
    return cast(Input, _decode(_KINDS[name], record["fields"], name)), now


def to_line(input_: Input, now: Now) -> bytes:
    """Return one input as a line of JSON in ASCII, with its line feed. Raises what `encode` raises."""
    line = json.dumps(encode(input_, now), separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise InvalidRecordingError(f"The record has {len(line)} bytes; the limit is {MAX_LINE_BYTES}.")
    return line


def from_line(line: bytes) -> tuple[Input, Now]:
    """Return the input of one line. Raises InvalidRecordingError for anything that `to_line` does not return."""
    if len(line) > MAX_LINE_BYTES:
        raise InvalidRecordingError(f"A record has {len(line)} bytes; the limit is {MAX_LINE_BYTES}.")
    try:
        record = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        # The parser's own message may quote what the caller said.
        raise InvalidRecordingError(f"A record is not JSON: {type(error).__name__}.") from None
    return decode(record)


def read(file: BinaryIO) -> Iterator[tuple[Input, Now]]:
    """Return the inputs of a file of lines, in order; errors name the line, counted from 1."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        try:
            yield from_line(line)
        except InvalidRecordingError as error:
            raise InvalidRecordingError(f"Line {number}: {error.message}") from None


def _encode(kind: Any, value: Any, at: str) -> Any:
    """`value`, which `kind` declares, as plain JSON types; `at` names it in errors."""
    if (union := _choices(kind)) is not None:
        return None if value is None else _encode(union, value, at)
    if _is_record(kind):
        hints = _hints(kind)
        if type(value) is not kind:
            raise _wrong(at, kind.__name__, value)
        return {name: _encode(hint, getattr(value, name), f"{at}.{name}") for name, hint in hints.items()}
    if kind is float and not isinstance(value, int) and isinstance(value, SupportsFloat):
        number = float(value)  # numpy's numbers, too
        return number if math.isfinite(number) else repr(number)
    if isinstance(value, tuple):
        return [_encode(item, each, at) for item, each in _items(kind, value, at)]
    return _scalar(kind, value, at)


def _decode(kind: Any, value: Any, at: str) -> Any:
    """The reverse of `_encode`."""
    if (union := _choices(kind)) is not None:
        return None if value is None else _decode(union, value, at)
    if _is_record(kind):
        hints = _hints(kind)
        if not isinstance(value, dict):
            raise _wrong(at, "an object", value)
        if value.keys() != hints.keys():
            raise InvalidRecordingError(f"{at} must have exactly the fields {', '.join(hints) or '(none)'}.")
        return kind(**{name: _decode(hint, value[name], f"{at}.{name}") for name, hint in hints.items()})
    if kind is float and isinstance(value, str):
        if value not in _NOT_FINITE:
            raise _wrong(at, "a number", value)
        return _NOT_FINITE[value]
    if isinstance(value, list):
        return tuple([_decode(item, each, at) for item, each in _items(kind, value, at)])
    return _scalar(kind, value, at)


def _scalar(kind: Any, value: Any, at: str) -> Any:
    """`value` if it is a single value of `kind`, within the limits."""
    if get_origin(kind) is Literal:
        if not isinstance(value, str) or value not in get_args(kind):
            raise _wrong(at, f"one of {', '.join(map(repr, get_args(kind)))}", value)
        return value
    if kind is bool and isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise InvalidRecordingError(f"{at} has {len(value)} characters; the limit is {MAX_TEXT}.")
        return value
    if kind in (int, float) and isinstance(value, int) and not isinstance(value, bool):
        if not -_MAX_INT <= value <= _MAX_INT:
            raise InvalidRecordingError(f"{at} does not fit into 64 bits.")
        return kind(value)
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


def _choices(kind: Any) -> Any:
    """`T` of an optional `T | None`; None for any other type."""
    if get_origin(kind) not in (Union, UnionType):
        return None
    (only,) = (each for each in get_args(kind) if each is not NoneType)
    return only


def _is_record(kind: Any) -> bool:
    return is_dataclass(kind) or hasattr(kind, "_fields")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """The fields of a dataclass or a named tuple, with their types."""
    hints = get_type_hints(kind)
    names = [f.name for f in fields(kind)] if is_dataclass(kind) else kind._fields
    return {name: hints[name] for name in names}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _wrong(at: str, expected: str, value: object) -> InvalidRecordingError:
    return InvalidRecordingError(f"{at} is {_named(value)}, and must be {expected}.")


def _named(value: object) -> str:
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
