"""The send queue of one client: bounded, and empty while the client keeps up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from duologue.errors import SlowClientError
from duologue.wire.messages import Ended, Meter, ServerMessage, dump

__all__ = ["Outbox"]

MAX_FRAMES: Final = 100
"""Frames of audio that may wait: 2 s."""

MAX_MESSAGES: Final = 256

METERS_BEHIND: Final = 8
"""If more messages wait, meters are left out."""


class Outbox:
    """Queues messages and audio frames for one client.

    Items go to `send` at once, on the caller's stack, and wait only before `open` and while the client is `blocked`.
    Messages overtake waiting audio, so that a pause or an interruption is not behind the audio that it concerns.
    Nothing is dropped except audio of a generation that is over, and meters that would wait long: if the client does
    not keep up, `on_slow` gets a SlowClientError.
    """

    __slots__ = (
        "_blocked", "_direct", "_frames", "_last", "_max_frames", "_max_messages", "_messages", "_on_slow", "_open",
        "_opened", "_progress_timeout", "_send", "_timer", "emptied",
    )  # fmt: skip

    def __init__(
        self,
        send: Callable[[str | bytes], None],
        on_slow: Callable[[SlowClientError], None],
        *,
        progress_timeout: float,
        max_frames: int = MAX_FRAMES,
        max_messages: int = MAX_MESSAGES,
    ) -> None:
        self._send = send
        self._on_slow = on_slow
        self._progress_timeout = progress_timeout
        self._max_frames = max_frames
        self._max_messages = max_messages
        self._messages: deque[str] = deque()
        self._frames: deque[tuple[int, bytes]] = deque()
        self._last: str | None = None
        self._open = True
        self._opened = False
        self._blocked = False
        self._direct = False
        """Items can be sent at once."""
        self._timer: asyncio.TimerHandle | None = None
        self.emptied: asyncio.Event = asyncio.Event()
        """Set once everything is sent, the last message included."""

    def __len__(self) -> int:
        return len(self._messages) + len(self._frames)

    def put(self, message: ServerMessage) -> None:
        """Send `message`, before audio that waits."""
        if self._direct:
            self._send(dump(message))
        elif self._open and not (len(self._messages) > METERS_BEHIND and isinstance(message, Meter)):
            if len(self._messages) >= self._max_messages:
                self._slow(f"{self._max_messages} messages are waiting for a client that does not read them.")
            else:
                self._messages.append(dump(message))

    def put_audio(self, frame: bytes, generation: int) -> None:
        """Send `frame`, unless its generation is dropped while it waits."""
        if self._direct:
            self._send(frame)
        elif self._open:
            if len(self._frames) >= self._max_frames:
                self._slow(f"{self._max_frames} frames of audio are waiting for a client that does not read them.")
            else:
                self._frames.append((generation, frame))

    def drop_audio(self, generation: int) -> None:
        """Drop waiting audio of this generation and older ones."""
        if self._frames:
            self._frames = deque(item for item in self._frames if item[0] > generation)

    def open(self) -> None:
        """Send what waits, and later items at once."""
        self._opened = True
        self._flush()

    def block(self) -> None:
        """The client reads nothing for now; `on_slow` is called if that lasts longer than `progress_timeout`."""
        if not self._blocked:
            self._blocked = True
            self._direct = False
            self._timer = asyncio.get_running_loop().call_later(
                self._progress_timeout, self._slow, f"The client has read nothing for {self._progress_timeout:g} s."
            )

    def unblock(self) -> None:
        """The client reads again."""
        self._blocked = False
        self._stop_timer()
        self._flush()

    def close(self, last: Ended) -> None:
        """Take nothing more; `last` is sent after everything else."""
        if self._last is None and not self.emptied.is_set():
            self._open = self._direct = False
            self._last = dump(last)
            if self._opened:
                self._flush()

    def waiting(self) -> list[str | bytes]:
        """All that waits, in the order in which it would be sent."""
        return [*self._messages, *(frame for _, frame in self._frames)]

    def discard(self) -> None:
        """Drop everything: the client has gone."""
        self._open = self._direct = False
        self._messages.clear()
        self._frames.clear()
        self._last = None
        self._stop_timer()
        self._on_slow = _ignore  # break the reference cycle: its owner owns this outbox
        self.emptied.set()

    def _flush(self) -> None:
        while self._opened and not self._blocked:
            if self._messages:
                self._send(self._messages.popleft())
            elif self._frames:
                self._send(self._frames.popleft()[1])
            elif self._last is not None:
                last, self._last = self._last, None
                self._send(last)
                self.emptied.set()
            else:
                self._direct = self._open
                return

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _slow(self, why: str) -> None:
        self._open = False
        self._stop_timer()
        self._on_slow(SlowClientError(why))


def _ignore(_: SlowClientError) -> None:
    """Do nothing: the client has gone."""
