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
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, cast, get_args

from duologue.conversation.inputs import Input, Now
from duologue.errors import InvalidRecordingError
from duologue.recording.codec import decode_value, encode_value, json_name

__all__ = ["MAX_LINE_BYTES", "VERSION", "decode", "encode", "from_line", "read", "to_line"]

VERSION: Final = 1
"""Changes when a recorded input changes its name, its fields or their meaning."""
MAX_LINE_BYTES: Final = 4 * 2**20
"""Bytes of one line: room for a text of the longest length with each character escaped."""

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
        "pos": encode_value(int, now.pos, "pos"),
        "wall": encode_value(float, now.wall, "wall"),
        "input": name,
        "fields": encode_value(type(input_), input_, name),
    }


def decode(record: object) -> tuple[Input, Now]:
    """Return the input of a record, with its position and time.

    Raises InvalidRecordingError for anything that `encode` does not return.
    """
    if not isinstance(record, dict):
        raise InvalidRecordingError(f"A record is {json_name(record)}, and must be an object.")
    version = record.get("version")
    if type(version) is not int or version != VERSION:
        shown = version if type(version) is int and abs(version) < 10**6 else json_name(version)
        raise InvalidRecordingError(f"The record has version {shown}; this release reads version {VERSION}.")
    if record.keys() != _KEYS:
        raise InvalidRecordingError(f"A record must have exactly the keys {', '.join(sorted(_KEYS))}.")
    name = record["input"]
    if not isinstance(name, str) or name not in _KINDS:
        raise InvalidRecordingError("The record names no input that this release knows.")
    now = Now(decode_value(int, record["pos"], "pos"), decode_value(float, record["wall"], "wall"))
    return cast(Input, decode_value(_KINDS[name], record["fields"], name)), now


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


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
