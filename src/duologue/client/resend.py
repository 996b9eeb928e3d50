"""The audio that was sent recently, to be sent again over another connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

__all__ = ["RESEND_S", "SentAudio"]

RESEND_S: Final = 5.0
"""Seconds of audio that are kept; the oldest is dropped."""


class SentAudio:
    """Frames with their positions, in the order in which they were sent."""

    def __init__(self, bytes_per_second: int) -> None:
        self._max_bytes = int(RESEND_S * bytes_per_second)
        self._bytes = 0
        self._frames: deque[tuple[int, bytes]] = deque()

    def add(self, end: int, frame: bytes) -> None:
        """Keep a frame whose last sample is before `end`."""
        self._frames.append((end, frame))
        self._bytes += len(frame)
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._frames.popleft()[1])

    def acknowledge(self, position: int) -> None:
        """The server has all before `position`."""
        while self._frames and self._frames[0][0] <= position:
            self._bytes -= len(self._frames.popleft()[1])

    def after(self, position: int) -> Iterator[bytes]:
        """The frames that are not wholly before `position`; frames may be added meanwhile."""
        while frame := next(((end, frame) for end, frame in self._frames if end > position), None):
            position = frame[0]
            yield frame[1]
