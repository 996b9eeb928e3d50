"""Sound on the wire: a binary message is a header of 12 bytes and the samples of one direction, in order.

The header is little-endian: an unsigned 64-bit position, which is the index of the first sample in that direction's own
rate, counted from 0; then an unsigned 32-bit generation, which is 0 from the client.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from duologue.errors import InvalidAudioError

__all__ = [
    "HEADER",
    "HEADER_BYTES",
    "MAX_FRAME_S",
    "MAX_GAP_S",
    "MAX_MESSAGE_BYTES",
    "MAX_POSITION",
    "MAX_TEXT_BYTES",
    "Continuity",
    "Frame",
    "pack",
    "unpack",
]

HEADER: Final = struct.Struct("<QI")

HEADER_BYTES: Final = HEADER.size

MAX_MESSAGE_BYTES: Final = 1_048_576
"""The longest message, text or binary, that either side sends."""

MAX_TEXT_BYTES: Final = 65_536
"""The longest text message that a client may send; the longest that the protocol has takes less."""

MAX_POSITION: Final = 2**53 - 1
"""The largest integer that JSON carries unharmed to every language."""

MAX_FRAME_S: Final = 1.0
"""The longest stretch of sound in one frame from a client. Seconds."""

MAX_GAP_S: Final = 3600.0
"""The longest stretch of missing samples that is believed. Seconds."""


class Frame(NamedTuple):
    """Consecutive samples."""

    position: int
    """Index of the first sample."""
    generation: int
    """The reply that it belongs to; 0 from the client."""
    audio: memoryview
    """Whole samples in the agreed encoding: a view into the message, not a copy."""


def pack(position: int, generation: int, audio: bytes | memoryview) -> bytes:
    """One binary message. Raises InvalidAudioError where a number does not fit its field."""
    try:
        return HEADER.pack(position, generation) + audio
    except struct.error:
        raise InvalidAudioError(
            f"A frame at position {position} of generation {generation} cannot be packed: "
            "they are whole numbers from 0 to 2**64-1 and 2**32-1."
        ) from None


def unpack(message: bytes, bytes_per_sample: int) -> Frame:
    """The frame in a binary message. Raises InvalidAudioError where it is not a header and then whole samples."""
    size = len(message)
    if size > MAX_MESSAGE_BYTES:
        raise InvalidAudioError(f"A frame has {size} bytes, and may have {MAX_MESSAGE_BYTES}.")
    if size <= HEADER_BYTES:
        raise InvalidAudioError(
            f"A frame has {size} bytes, and must have a header of {HEADER_BYTES} bytes and samples after it."
        )
    if (size - HEADER_BYTES) % bytes_per_sample:
        raise InvalidAudioError(
            f"{size - HEADER_BYTES} bytes after the header are not whole samples of {bytes_per_sample} bytes each."
        )
    position, generation = HEADER.unpack_from(message)
    if position > MAX_POSITION:
        raise InvalidAudioError(f"A frame is at position {position}, and positions end at {MAX_POSITION}.")
    return Frame(position, generation, memoryview(message)[HEADER_BYTES:])


class Continuity:
    """Puts the frames of one direction together: what is missing is a gap, what came before is dropped.

    `rate` is samples a second, of `bytes_per_sample` bytes each.
    """

    __slots__ = ("_bytes_per_sample", "_max_gap", "duplicates", "gaps", "position")

    def __init__(self, rate: int, bytes_per_sample: int) -> None:
        self._bytes_per_sample = bytes_per_sample
        self._max_gap = int(MAX_GAP_S * rate)
        self.position: int = 0
        """Index of the sample that is expected next."""
        self.gaps: int = 0
        """Samples that never came."""
        self.duplicates: int = 0
        """Samples that came twice."""

    def accept(self, frame: Frame) -> tuple[int, memoryview]:
        """The number of samples missing before the frame, and those of its samples that are new.

        Raises InvalidAudioError, and changes nothing, where more than MAX_GAP_S would be missing.
        """
        gap = frame.position - self.position
        audio = frame.audio
        samples = len(audio) // self._bytes_per_sample
        if gap < 0:
            overlap = min(-gap, samples)
            self.duplicates += overlap
            audio = audio[overlap * self._bytes_per_sample :]
            self.position += samples - overlap
            return 0, audio
        if gap > self._max_gap:
            raise InvalidAudioError(
                f"A frame is at position {frame.position} where {self.position} was expected: "
                f"more than {MAX_GAP_S:.0f} s cannot be missing."
            )
        self.gaps += gap
        self.position = frame.position + samples
        return gap, audio
