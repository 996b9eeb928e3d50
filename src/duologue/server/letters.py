"""Messages between workers and their supervisor, over SOCK_SEQPACKET sockets."""

from __future__ import annotations

import json
import zlib
from typing import Any, Final, Literal

__all__ = ["MAX_LETTER", "read_letter", "write_letter", "write_shortened"]

MAX_LETTER: Final = 65_536
"""Bytes of a message between a worker and its supervisor: the reports of 64 workers take under half of it."""


def write_letter(content: Any) -> bytes:
    """Pack a message; reports differ in their numbers only, and compress to a fifth."""
    return zlib.compress(json.dumps(content).encode(), 1)


def write_shortened(content: Any, rows: list[Any], *, keep: Literal["first", "last"]) -> bytes:
    """Pack `content`, of which `rows` is a part. Half of the rows are dropped until the message is short enough."""
    while len(packed := write_letter(content)) > MAX_LETTER and rows:
        half = len(rows) // 2
        del rows[slice(half, None) if keep == "first" else slice(0, len(rows) - half)]
    return packed


def read_letter(letter: bytes) -> Any:
    """What `write_letter` was given."""
    return json.loads(zlib.decompress(letter))
