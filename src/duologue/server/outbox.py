"""What waits to be sent to one client: bounded, and emptied by one task."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from duologue.errors import SlowClientError
from duologue.wire.messages import Ended, Meter, ServerMessage, dump

__all__ = ["Outbox"]

MAX_FRAMES: Final = 100
"""Frames of audio that may wait: 2 s."""

MAX_MESSAGES: Final = 256

METERS_BEHIND: Final = 8
"""Where more messages wait, a meter is left out."""


class Outbox:
    """Messages and audio frames on their way to one client.

    Messages overtake audio, so that a pause or an interruption is not behind the sound that it concerns. Nothing is
    dropped except audio of a generation that is over, and meters that would have to wait long: where the client does
    not keep up, `run` raises SlowClientError.
    """

    def __init__(
        self, *, progress_timeout: float, max_frames: int = MAX_FRAMES, max_messages: int = MAX_MESSAGES
    ) -> None:
        self._progress_timeout = progress_timeout
        self._max_frames = max_frames
        self._max_messages = max_messages
        self._messages: deque[str] = deque()
        self._frames: deque[tuple[int, bytes]] = deque()
        self._open = True
        self._last: str | None = None
        self._too_much = ""
        self._progress: asyncio.Timeout | None = None
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._messages) + len(self._frames)

    def put(self, message: ServerMessage) -> None:
        """Send `message` as soon as those before it are gone."""
        if self._open and not (len(self._messages) > METERS_BEHIND and isinstance(message, Meter)):
            if len(self._messages) >= self._max_messages:
                self._overflow(f"{self._max_messages} messages")
            else:
                self._messages.append(dump(message))
                self._wake.set()

    def put_audio(self, frame: bytes, generation: int) -> None:
        """Send `frame`, unless its generation is dropped before its time comes."""
        if self._open:
            if len(self._frames) >= self._max_frames:
                self._overflow(f"{self._max_frames} frames of audio")
            else:
                self._frames.append((generation, frame))
                self._wake.set()

    def drop_audio(self, generation: int) -> None:
        """Forget the audio of this generation and older."""
        self._frames = deque(item for item in self._frames if item[0] > generation)

    def close(self, last: Ended) -> None:
        """Take nothing more; `last` is sent after everything else, and `run` returns."""
        if self._open:
            self._open = False
            self._last = dump(last)
            self._wake.set()

    async def run(self, send: Callable[[str | bytes], Awaitable[None]]) -> None:
        """Send until `close`. Raises SlowClientError where there is no progress or too much is waiting."""
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(None) as self._progress:
                while not self._too_much:
                    if (item := self._next()) is not None:
                        self._progress.reschedule(clock() + self._progress_timeout)
                        await send(item)
                    elif self._open:
                        self._progress.reschedule(None)
                        self._wake.clear()
                        await self._wake.wait()
                    else:
                        return
        except TimeoutError:
            pass
        finally:
            self._open = False
            self._progress = None
        raise SlowClientError(self._too_much or f"The client has read nothing for {self._progress_timeout:g} s.")

    def _next(self) -> str | bytes | None:
        if self._messages:
            return self._messages.popleft()
        if self._frames:
            return self._frames.popleft()[1]
        last, self._last = self._last, None
        return last

    def _overflow(self, what: str) -> None:
        self._open = False
        self._too_much = f"{what} are waiting for a client that does not read them."
        self._wake.set()
        if self._progress is not None and not self._progress.expired():
            self._progress.reschedule(asyncio.get_running_loop().time())  # It may be stuck in the middle of a send.
