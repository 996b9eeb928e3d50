"""The file of a recorded call: a line that names the format, then blocks, each with its length and its checksum.

Blocks are only ever appended, so that a file whose process was killed holds all blocks but the last. The first is the
header. `Kind` says what each holds; docs/recording.md describes the format for other programs.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, BinaryIO, Final

from duologue.errors import InvalidRecordingError

__all__ = [
    "FORMAT_VERSION", "MAX_BLOCK_BYTES", "SUFFIX", "Block", "Kind", "check_recording", "open_blocks", "pack_audio",
    "pack_block", "pack_json", "pack_speech", "preamble", "read_json", "unpack_audio", "unpack_speech",
]  # fmt: skip

FORMAT_VERSION: Final = 1
"""Changes when a block changes its meaning. A new kind of block is no change: readers pass over unknown ones."""
SUFFIX: Final = ".call"
MAX_BLOCK_BYTES: Final = 32 * 2**20
"""Bytes of one block's content, before and after it is unpacked."""

_MAGIC: Final = b"duologue-call %d\n"
_HEAD: Final = struct.Struct("<BxxxII")
"""Kind, bytes of content, and its CRC-32."""
_AUDIO: Final = struct.Struct("<q")
"""Position of the first sample."""
_SPEECH: Final = struct.Struct("<qqqd")
"""Position in the input at which it was sent, position in the output, generation, and wall time."""


class Kind(IntEnum):
    """What a block holds."""

    HEADER = 1
    """JSON: the call, its settings, the models and the versions."""
    EVENTS = 2
    """Lines of JSON, deflated: inputs to the rules, each followed by a list of its effects if it had any."""
    HEARD = 3
    """The user's audio as it was heard: the position of the first sample, and 16-bit PCM at 16 kHz."""
    CLEANED = 4
    """The user's audio less the agent's echo, where it was removed: as HEARD."""
    SPOKEN = 5
    """The agent's audio as it was sent: where, when, of which generation, and 16-bit PCM at the output's rate."""
    END = 6
    """JSON: why the call ended, its turns with their latencies, and what the recording lacks."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block; audio is read only when it is needed."""

    kind: int
    content: bytes


def preamble() -> bytes:
    """Return what a file begins with."""
    return _MAGIC % FORMAT_VERSION


def pack_block(kind: int, content: bytes) -> bytes:
    """Return a block as it is appended to the file."""
    return _HEAD.pack(kind, len(content), zlib.crc32(content)) + content


def pack_json(kind: Kind, value: dict[str, Any]) -> bytes:
    """Return a block of JSON."""
    return pack_block(kind, json.dumps(value, separators=(",", ":")).encode())


def read_json(block: Block) -> dict[str, Any]:
    """Return what a block of JSON holds. Raises InvalidRecordingError if that is no object."""
    try:
        value = json.loads(block.content)
    except (ValueError, RecursionError) as error:
        raise InvalidRecordingError(f"A block is not JSON: {type(error).__name__}.") from None
    if not isinstance(value, dict):
        raise InvalidRecordingError("A block of JSON must hold an object.")
    return value


def pack_audio(position: int, pcm: bytes) -> bytes:
    """Return the content of a block of the user's audio."""
    return _AUDIO.pack(position) + pcm


def unpack_audio(block: Block) -> tuple[int, bytes]:
    """Return the position and the samples of a block of the user's audio."""
    _check_size(block, _AUDIO.size)
    position: int = _AUDIO.unpack_from(block.content)[0]
    _check_position(position)
    return position, block.content[_AUDIO.size :]


def pack_speech(input_position: int, position: int, generation: int, wall: float, pcm: bytes) -> bytes:
    """Return the content of a block of the agent's audio."""
    return _SPEECH.pack(input_position, position, generation, wall) + pcm


def unpack_speech(block: Block) -> tuple[int, int, int, float, bytes]:
    """Return what `pack_speech` was given."""
    _check_size(block, _SPEECH.size)
    input_position, position, generation, wall = _SPEECH.unpack_from(block.content)
    _check_position(input_position)
    _check_position(position)
    return input_position, position, generation, wall, block.content[_SPEECH.size :]


def is_audio(kind: int) -> bool:
    """Return True for the kinds of block that hold audio."""
    return kind in (Kind.HEARD, Kind.CLEANED, Kind.SPOKEN)


def open_blocks(path: Path, *, audio: bool = True, on_rest: Callable[[int], None] = lambda _: None) -> Iterator[Block]:
    """Return the whole blocks of a file, in order; without `audio`, those that hold no audio.

    Ends at the first block that is not whole, and calls `on_rest` with the bytes from there on: they were being written
    when the process died, or the file is damaged.
    Raises InvalidRecordingError for what is no recording, or one of another version, and for a file that cannot be
    read.
    """
    try:
        with path.open("rb") as file:
            _check_magic(file, path)
            size = path.stat().st_size
            yield from _blocks(file, size, audio=audio)
            if size > file.tell():
                on_rest(size - file.tell())
    except OSError as error:
        raise InvalidRecordingError(f"{path} cannot be read: {error.strerror}.", hint="Name a recorded call.") from None


def check_recording(path: Path) -> None:
    """Raise InvalidRecordingError for a file that is no recording, is one of another version, or cannot be read."""
    try:
        with path.open("rb") as file:
            _check_magic(file, path)
    except OSError as error:
        raise InvalidRecordingError(f"{path} cannot be read: {error.strerror}.", hint="Name a recorded call.") from None


def _blocks(file: BinaryIO, end: int, *, audio: bool) -> Iterator[Block]:
    """Return the whole blocks, and leave the file at their end."""
    whole = file.tell()
    try:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            kind, size, checksum = _HEAD.unpack(head)
            if size > MAX_BLOCK_BYTES or file.tell() + size > end:
                return
            if not audio and is_audio(kind):
                whole = file.seek(size, 1)
                continue
            content = file.read(size)
            if len(content) != size or zlib.crc32(content) != checksum:
                return
            whole = file.tell()
            yield Block(kind, content)
    finally:
        file.seek(whole)


def _check_magic(file: BinaryIO, path: Path) -> None:
    line = file.readline(64)
    name, _, version = line.rstrip(b"\n").partition(b" ")
    if name != b"duologue-call" or not line.endswith(b"\n"):
        raise InvalidRecordingError(f"{path.name} is no recorded call.", hint=f"Name a file that ends in {SUFFIX}.")
    if version != b"%d" % FORMAT_VERSION:
        shown = version.decode("ascii", "replace")[:8]
        raise InvalidRecordingError(
            f"{path.name} has version {shown} of the format; this release reads version {FORMAT_VERSION}.",
            hint="Use the release of duologue that recorded it.",
        )


def _check_size(block: Block, least: int) -> None:
    if len(block.content) < least or (len(block.content) - least) % 2:
        raise InvalidRecordingError(f"A block of audio has {len(block.content)} bytes, which are no whole samples.")


def _check_position(position: int) -> None:
    if position < 0:
        raise InvalidRecordingError("A block of audio begins before the call.")
