"""What was sent recently, to be sent again over another connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["MAX_MESSAGES", "RESEND_S", "SentItems"]

RESEND_S: Final = 5.0
"""Seconds of audio that are kept; the oldest is dropped."""
MAX_MESSAGES: Final = 64
"""Messages that are kept; the oldest is dropped."""


class _Sent(NamedTuple):
    order: int
    """Counts what was sent: a message belongs between the frames before and after it."""
    data: str | bytes


class SentItems:
    """Frames and messages in the order in which they were sent.

    A turn that is ended by a message has all of its audio first.
    """

    def __init__(self, bytes_per_second: int) -> None:
        self._max_bytes = int(RESEND_S * bytes_per_second)
        self._bytes = 0
        self._order = 0
        self._frames: deque[tuple[int, _Sent]] = deque()
        """With the position after the last sample of each."""
        self._messages: deque[tuple[int, _Sent]] = deque(maxlen=MAX_MESSAGES)
        """With the number of each, as the server counts them."""
        self._counted = 0

    def add_frame(self, end: int, frame: bytes) -> None:
        """Keep a frame whose last sample is before `end`."""
        self._frames.append((end, self._next(frame)))
        self._bytes += len(frame)
        while self._bytes > self._max_bytes:
            self._drop_frame()

    def add_message(self, data: str | bytes) -> None:
        """Keep a message that the server counts."""
        self._counted += 1
        self._messages.append((self._counted, self._next(data)))

    def acknowledge(self, position: int) -> None:
        """The server has all audio before `position`."""
        while self._frames and self._frames[0][0] <= position:
            self._drop_frame()

    def missing(self, handled: int, position: int) -> Iterator[str | bytes]:
        """What the server lacks that has handled so many messages and has all audio before `position`.

        In the order in which it was sent; more may be added meanwhile.
        """
        self.acknowledge(position)
        # The server numbers on from what it has handled: it never gets those that are not kept.
        lacking = [sent for number, sent in self._messages if number > handled]
        self._counted = handled + len(lacking)
        self._messages = deque(enumerate(lacking, handled + 1), maxlen=MAX_MESSAGES)
        return self._from_the_first()

    def _from_the_first(self) -> Iterator[str | bytes]:
        last = 0
        while later := [sent for kept in (self._frames, self._messages) if (sent := _after(last, kept))]:
            last, data = min(later)
            yield data

    def _next(self, data: str | bytes) -> _Sent:
        self._order += 1
        return _Sent(self._order, data)

    def _drop_frame(self) -> None:
        self._bytes -= len(self._frames.popleft()[1].data)


def _after(order: int, kept: deque[tuple[int, _Sent]]) -> _Sent | None:
    return next((sent for _, sent in kept if sent.order > order), None)
