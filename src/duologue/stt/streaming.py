"""Streaming recognition: audio goes in while the user speaks, and transcripts come out with their positions.

All positions are samples of the session's 16 kHz input, as given to `push`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from duologue.audio.format import RATE
from duologue.errors import OverloadedError

__all__ = [
    "AudioQueue",
    "EndOfTurn",
    "Final",
    "Partial",
    "PositionMap",
    "RecognitionEvent",
    "RecognitionStream",
    "Word",
]


@dataclass(frozen=True, slots=True)
class Word:
    """One word and the samples in which it is spoken."""

    text: str
    start: int
    end: int
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Partial:
    """The transcript so far of audio after the last final; it may still change."""

    text: str
    start: int
    end: int
    """How far the recognizer has listened."""


@dataclass(frozen=True, slots=True)
class Final:
    """The transcript of `start` to `end`, which will not change. Empty text states that there are no words in it."""

    text: str
    start: int
    end: int
    words: tuple[Word, ...] = ()
    """Empty if the provider gives no times; they are then estimated by proportion."""
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """The recognizer's own opinion that the user has finished."""

    probability: float
    """0 to 1."""
    position: int
    """Up to where the recognizer had listened."""
    eager: bool = False
    """An early guess, good enough to prepare a reply and too weak to decide the turn."""


RecognitionEvent = Partial | Final | EndOfTurn


class RecognitionStream(Protocol):
    """One open stream to a recognizer. A session opens one when the call begins, and another if that one fails.

    Iterating over the stream connects and yields events until the stream is closed; ending earlier, or raising, is a
    fault, after which the session opens a new stream and pushes again the audio that no final covers.
    """

    def push(self, pcm: bytes, position: int) -> None:
        """Add 16 kHz mono PCM16 that begins at `position`. A plain call that never waits.

        `position` is the end of the last push, or later if audio was left out. A stream holds a bounded amount of audio
        that the provider has not taken, and raises OverloadedError beyond it.
        """
        ...

    def finalize(self, position: int) -> None:
        """Ask for finals that cover all audio before `position`, now. A plain call.

        The stream answers with at least one Final whose `end` is `position` or later, with empty text if there are no
        words. A provider that cannot be asked declares `finalizes=False`, and a Partial that reaches `position` counts.
        """
        ...

    def __aiter__(self) -> AsyncIterator[RecognitionEvent]: ...

    async def aclose(self) -> None:
        """Close the stream and everything it holds. Iteration ends."""
        ...


class AudioQueue:
    """Audio between `push` and the task that sends it: bounded, first in, first out. For authors of streams.

    Iterate over it to send: it yields pieces of audio with their positions, and an empty piece wherever `finalize` was
    called, until it is closed.

    Args:
        name: The provider's name.
        max_seconds: The most audio that may wait.
        least: Samples of the shortest piece. A shorter one is yielded where `finalize` was called, or audio left out.
    """

    def __init__(self, name: str, max_seconds: float = 30.0, *, least: int = 0) -> None:
        self.samples: int = 0
        """Samples that wait."""
        self._name = name
        self._max = int(max_seconds * RATE)
        self._least = 2 * least
        self._pieces: deque[tuple[bytes | bytearray, int]] = deque()
        self._closed = False
        self._changed = asyncio.Event()

    def push(self, pcm: bytes, position: int) -> None:
        """Add audio that begins at `position`.

        Raises OverloadedError if too much waits, which the session treats as a fault of the stream.
        """
        samples = len(pcm) // 2
        if self.samples + samples > self._max:
            raise OverloadedError(
                f"{self._name} has {self.samples / RATE:.1f} s of audio waiting to be sent, and takes no more.",
                hint="The connection is slower than the audio: check the network and the provider's status.",
                provider=self._name,
            )
        if not samples:
            return
        self.samples += samples
        last, start = self._pieces[-1] if self._pieces else (b"", 0)
        if 0 < len(last) < self._least and position == start + len(last) // 2:
            last += pcm  # a bytearray, which the queue holds
        else:
            self._pieces.append((bytearray(pcm) if len(pcm) < self._least else pcm, position))
        if self._is_ready():
            self._changed.set()

    def _is_ready(self) -> bool:
        """Whether the first piece is as long as it gets."""
        if not self._pieces:
            return False
        first = self._pieces[0][0]
        return len(self._pieces) > 1 or not first or len(first) >= self._least

    def finalize(self, position: int) -> None:
        """Add the request for a final, after the audio that has been pushed; one at a time is enough."""
        if not self._pieces or self._pieces[-1][0]:
            self._pieces.append((b"", position))
            self._changed.set()

    @property
    def is_closed(self) -> bool:
        """True after `close`."""
        return self._closed

    def close(self) -> None:
        """Drop what waits, and end the iteration."""
        self._closed = True
        self._pieces.clear()
        self.samples = 0
        self._changed.set()

    def __aiter__(self) -> AsyncIterator[tuple[bytes, int]]:
        return self

    async def __anext__(self) -> tuple[bytes, int]:
        while not self._is_ready():
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        pcm, position = self._pieces.popleft()
        self.samples -= len(pcm) // 2
        return bytes(pcm), position


class PositionMap:
    """Converts a provider's own clock, seconds of audio that it was sent, to positions of the session.

    For authors of streams whose provider counts from the start of its connection. At most `MAX_JUMPS` jumps are kept;
    times before the oldest are mapped by it.
    """

    MAX_JUMPS = 256

    def __init__(self) -> None:
        self._sent = 0
        self._jumps: deque[tuple[int, int]] = deque(maxlen=self.MAX_JUMPS)
        """(samples sent, position) wherever the position jumped."""

    def sent(self, samples: int, position: int) -> None:
        """Note that `samples` which begin at `position` were sent."""
        if not samples:
            return
        if not self._jumps or self._sent - self._jumps[-1][0] != position - self._jumps[-1][1]:
            self._jumps.append((self._sent, position))
        self._sent += samples

    def end(self, seconds: float) -> int:
        """The position after the last sample before `seconds`: where a span ends, also if audio was left out there."""
        at = round(seconds * RATE)
        return self._position(at - 1) + 1 if at > 0 else self._position(0)

    def position(self, seconds: float) -> int:
        """The position of the sample that the provider heard after `seconds`."""
        return self._position(round(seconds * RATE))

    def _position(self, at: int) -> int:
        for sent, position in reversed(self._jumps):
            if at >= sent:
                return position + at - sent
        if not self._jumps:
            return at
        sent, position = self._jumps[0]
        return position + at - sent
