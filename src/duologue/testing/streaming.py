"""A recognizer that streams, needs no model and no network, and fails on demand. It reads the words in the sound."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final as Constant
from typing import Literal

import numpy as np

from duologue.audio.format import RATE
from duologue.clock import VirtualClock
from duologue.errors import InvalidStateError, OverloadedError, ProviderUnavailableError
from duologue.stt import EndOfTurn, Final, Partial, RecognitionEvent, SttCapabilities, Word
from duologue.stt.base import StreamingSpeechToText
from duologue.testing.spoken import understand_words

__all__ = ["FakeRecognitionStream", "FakeStreamingSpeechToText", "StreamFault"]

MAX_BUFFER: Constant = 60 * RATE
"""Samples between finals."""
ENDPOINT_AFTER: Constant = 1.0
"""Seconds of silence after which a final comes by itself."""
LOUD: Constant = 1_000


@dataclass(frozen=True, slots=True)
class StreamFault:
    """What goes wrong with one stream, after it has yielded `after` events.

    `refuse`: it cannot be opened. `end`: iteration ends. `break`: iteration raises. `stall`: nothing comes any more, as
    from a half-open socket. `drop`: every final is lost. `reorder`: pairs of events change places. `push`: push raises.
    `full`: push raises OverloadedError. `hang`: the stream does not close.
    """

    kind: Literal["refuse", "end", "break", "stall", "drop", "reorder", "push", "full", "hang"]
    after: int = 0


class FakeStreamingSpeechToText(StreamingSpeechToText):
    """Recognizes streamed audio of `duologue.testing.spoken`, as a real service would.

    Partials come each `partial_every` seconds of audio, finals on `finalize` and after a second of silence, opinions
    after 0.2 s (eager) and 0.5 s of silence if `end_of_turn` is a probability. All are `latency` seconds late, or as
    late as the next of several latencies: by `clock` if it is a VirtualClock, else by the loop's time. `script` takes
    the place of what is heard: pairs of seconds of audio and the event that is sent then. `faults` says what goes wrong
    with the first streams, one a stream.
    """

    def __init__(
        self,
        *,
        name: str = "fake-streaming-stt",
        latency: float | Sequence[float] = 0.0,
        typical_latency: float | None = None,
        clock: VirtualClock | None = None,
        partial_every: float = 0.2,
        partials: bool = True,
        word_times: bool = True,
        finalizes: bool = True,
        end_of_turn: float | None = None,
        script: Sequence[tuple[float, RecognitionEvent]] = (),
        faults: Iterable[StreamFault | None] = (),
        capabilities: SttCapabilities | None = None,
    ) -> None:
        self.name = name
        self.latencies: Iterator[float] = cycle([latency] if isinstance(latency, int | float) else latency)
        self.clock = clock
        self.partial_every: float = partial_every if partials else math.inf
        self.word_times = word_times
        self.end_of_turn = end_of_turn
        self.script: tuple[tuple[float, RecognitionEvent], ...] = tuple(script)
        self.capabilities: SttCapabilities = capabilities or SttCapabilities(
            streaming=True,
            finalizes=finalizes,
            partials=partials,
            word_times=word_times,
            end_of_turn=end_of_turn is not None,
            typical_latency=typical_latency,
        )
        self.streams: list[FakeRecognitionStream] = []
        """All that were opened."""
        self._faults = iter(faults)

    def stream(self, *, language: str | None = None) -> FakeRecognitionStream:
        """Open a stream."""
        self.check_language(language)
        self.streams.append(FakeRecognitionStream(self, next(self._faults, None)))
        return self.streams[-1]


class FakeRecognitionStream:
    """A stream of FakeStreamingSpeechToText."""

    def __init__(self, stt: FakeStreamingSpeechToText, fault: StreamFault | None) -> None:
        self.pushed: list[tuple[int, int]] = []
        """(position, samples) of each push."""
        self.finalized: list[int] = []
        """Positions for which finals were asked."""
        self.closed: bool = False
        self._stt = stt
        self._fault = fault
        self._pcm = bytearray()
        self._end: int | None = None
        self._next_partial = 0
        self._sounded = -1
        """The position after the last loud sample; -1 if none came since the last opinion."""
        self._opinions = 0
        self._script = deque(stt.script)
        self._outbox: deque[tuple[float, RecognitionEvent]] = deque()
        self._changed = asyncio.Event()
        self._yielded = 0

    # --- what the session calls ---

    def push(self, pcm: bytes, position: int) -> None:
        """Listen to audio, which must not go back."""
        if self._fails("push"):
            raise RuntimeError("The socket is gone.")
        if self._fails("full"):
            raise OverloadedError("Too much audio waits to be sent.", provider=self._stt.name)
        if self.closed or (self._end is not None and position < self._end):
            raise InvalidStateError(
                f"Audio at {position} was pushed after {self._end}, or after the stream was closed."
            )
        self.pushed.append((position, len(pcm) // 2))
        if self._end is None:
            self._next_partial = position + self._partial_step
        elif self._pcm:
            self._pcm += bytes(2 * min(position - self._end, RATE))
        self._pcm += pcm
        self._end = position + len(pcm) // 2
        del self._pcm[: -2 * MAX_BUFFER]
        self._listen(pcm)

    def finalize(self, position: int) -> None:
        """Give the final up to `position`, which must have been pushed."""
        if self._end is None or position > self._end:
            raise InvalidStateError(f"A final up to {position} was asked for, and audio has come up to {self._end}.")
        self.finalized.append(position)
        if self._stt.capabilities.finalizes:
            self._final(position)

    async def aclose(self) -> None:
        """Close the stream."""
        self.closed = True
        self._changed.set()
        if self._fails("hang"):
            await asyncio.get_running_loop().create_future()

    async def __aiter__(self) -> AsyncIterator[RecognitionEvent]:
        if self._fails("refuse"):
            raise ProviderUnavailableError("There is no connection.", provider=self._stt.name)
        while not self.closed:
            if self._fails("end"):
                return
            if self._fails("break"):
                raise ConnectionResetError
            if self._fails("stall") or not self._outbox:
                self._changed.clear()
                await self._changed.wait()
                continue
            due, event = self._outbox.popleft()
            await self._sleep(due - self._now())
            if not self.closed:
                self._yielded += 1
                yield event

    def emit(self, event: object) -> None:
        """Send an event of your own, whatever it is, after the latency."""
        if self._fails("drop") and isinstance(event, Final):
            return
        self._outbox.append((self._now() + next(self._stt.latencies), event))  # type: ignore[arg-type]  # so that it may lie
        if self._fails("reorder") and len(self._outbox) > 1:
            (due, last), (due_before, before) = self._outbox.pop(), self._outbox.pop()
            self._outbox += [(due_before, last), (due, before)]
        self._changed.set()

    # --- what it hears ---

    @property
    def _start(self) -> int:
        return (self._end or 0) - len(self._pcm) // 2

    @property
    def _partial_step(self) -> int:
        return int(min(self._stt.partial_every, 1e6) * RATE)

    def _listen(self, pcm: bytes) -> None:
        end = self._end or 0
        while self._script and self._script[0][0] * RATE <= end:
            self.emit(self._script.popleft()[1])
        if self._stt.script:
            return
        if end >= self._next_partial:
            self._next_partial = end + self._partial_step
            words = understand_words(bytes(self._pcm))
            self.emit(Partial(" ".join(word for word, _, _ in words), self._start, end))
        loud = np.flatnonzero(np.abs(np.frombuffer(pcm, np.int16).astype(np.int32)) > LOUD)
        if len(loud):
            self._sounded = end - len(pcm) // 2 + int(loud[-1]) + 1
            self._opinions = 0
        elif self._sounded >= 0:
            self._judge(end, (end - self._sounded) / RATE)

    def _judge(self, end: int, silence: float) -> None:
        probability = self._stt.end_of_turn
        for i, (after, eager) in enumerate(((0.2, True), (0.5, False))):
            if probability is not None and self._opinions == i and silence >= after:
                self._opinions += 1
                self.emit(EndOfTurn(probability, end, eager))
        if silence >= ENDPOINT_AFTER:
            self._sounded = -1
            self._final(end)

    def _final(self, position: int) -> None:
        start, taken = self._start, 2 * (position - self._start)
        if taken <= 0:
            return
        pcm = bytes(self._pcm[:taken])
        del self._pcm[:taken]
        found = [] if self._stt.script else understand_words(pcm)
        words = tuple(Word(word, start + a, start + b, 1.0) for word, a, b in found)
        text = " ".join(word.text for word in words)
        self.emit(Final(text, start, position, words if self._stt.word_times else (), 1.0))

    # --- faults and time ---

    def _fails(self, kind: str) -> bool:
        fault = self._fault
        return fault is not None and fault.kind == kind and self._yielded >= fault.after

    def _now(self) -> float:
        clock = self._stt.clock
        return clock.now() if clock is not None else asyncio.get_running_loop().time()

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            await (self._stt.clock.sleep(seconds) if self._stt.clock is not None else asyncio.sleep(seconds))
