"""What was sent to a client recently, so that what it did not get can be sent again over another connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from duologue.wire import frames
from duologue.wire.fields import Audio

__all__ = ["RESEND_S", "Backlog"]

RESEND_S: Final = 10.0
"""Seconds of the agent's audio that are kept; the oldest is dropped."""

MAX_MESSAGES: Final = 256
"""Messages that are kept; the oldest are dropped."""

MAX_MESSAGE_BYTES: Final = 262_144
"""Characters of all messages that are kept."""

_METER: Final = '{"type":"meter"'
"""How messages begin that are neither counted nor kept."""


class Backlog:
    """Passes messages and frames on to `write`, while there is a connection, and keeps the newest of them.

    Messages are counted on from `count`, all but `meter`; audio is counted by its positions. Audio that the client
    has played is not kept.
    """

    def __init__(self, audio: Audio, write: Callable[[str | bytes], None], *, count: int = 0) -> None:
        self.dropped: int = 0
        """Messages and frames that were dropped before the client told that it has them."""
        self._write: Callable[[str | bytes], None] | None = write
        self._bytes_per_sample = audio.bytes_per_sample
        self._max_bytes = int(RESEND_S * audio.rate) * audio.bytes_per_sample
        self._count = count
        self._messages: deque[tuple[int, str]] = deque()
        self._message_bytes = 0
        self._frames: deque[bytes] = deque()
        self._bytes = 0

    def write(self, data: str | bytes) -> None:
        """Send, and keep."""
        if isinstance(data, bytes):
            self._frames.append(data)
            self._bytes += len(data)
            while self._bytes > self._max_bytes:
                self._bytes -= len(self._frames.popleft())
        elif not data.startswith(_METER):
            self._count += 1
            self._messages.append((self._count, data))
            self._message_bytes += len(data)
            while len(self._messages) > MAX_MESSAGES or self._message_bytes > MAX_MESSAGE_BYTES:
                self._message_bytes -= len(self._messages.popleft()[1])
        elif self._write is None:
            return
        if self._write is not None:
            self._write(data)

    def detach(self) -> None:
        """There is no connection: keep only."""
        self._write = None

    def attach(self, write: Callable[[str | bytes], None], *, messages: int, position: int) -> None:
        """Continue on another connection, with what its client does not have.

        Args:
            write: Sends.
            messages: How many messages it has got.
            position: The sample from which on it needs audio.
        """
        self._write = write
        first = self._messages[0][0] if self._messages else self._count + 1
        self.dropped += max(0, first - messages - 1)
        for number, text in self._messages:
            if number > messages:
                write(text)
        self.played(position)
        for frame in self._frames:
            write(frame)

    def played(self, position: int) -> None:
        """Free the audio before this sample: the client has it."""
        while self._frames and self._end(self._frames[0]) <= position:
            self._bytes -= len(self._frames.popleft())

    def drop_audio(self, generation: int) -> None:
        """Free the audio of this generation and older: it must not be heard any more."""
        kept = [frame for frame in self._frames if frames.HEADER.unpack_from(frame)[1] > generation]
        self._frames = deque(kept)
        self._bytes = sum(map(len, kept))

    def _end(self, frame: bytes) -> int:
        position: int = frames.HEADER.unpack_from(frame)[0]
        return position + (len(frame) - frames.HEADER.size) // self._bytes_per_sample
