"""A call whose audio and whose providers run on one virtual time: for faults, and what the user hears of them."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from duologue.audio.format import FRAME, RATE
from duologue.conversation.events import TurnDecided
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall
from duologue.testing.virtual_time import LoopClock

__all__ = ["TimedCall"]

STEP = 2 * FRAME
"""Seconds of audio that are sent at once."""
BYTES = round(STEP * RATE) * 2
AUDIBLE = 1_000


class TimedCall(VirtualCall):
    """A VirtualCall that is never waited for: audio advances by the loop's time, as in a real call.

    For code that runs in `run_in_virtual_time`. Arguments are those of VirtualCall.
    """

    def __init__(self, agent: Any = None, **options: Any) -> None:
        clock = LoopClock()
        super().__init__(agent, clock=clock, **options)  # type: ignore[arg-type]  # it is not advanced by hand
        self.spoke: list[float] = []
        """When the user finished each utterance, in seconds of the call."""
        self._clock = clock
        self._began = clock.now()

    async def listen(self, seconds: float, pcm: bytes = b"") -> None:
        """Let time pass, while the user says `pcm`, or nothing."""
        loop = asyncio.get_running_loop()
        until = loop.time() + max(seconds, len(pcm) / 2 / RATE)
        at, due = 0, loop.time()
        while loop.time() < until:
            frame = pcm[at : at + BYTES].ljust(BYTES, b"\0")
            at += BYTES
            self.session.process_audio(frame)
            self.engine.step()
            due += STEP
            await asyncio.sleep(max(due - loop.time(), 0.0))

    async def ask(self, text: str, *, then: float) -> None:
        """Say `text`, and listen for `then` seconds."""
        pcm = speak(text)
        await self.listen(0.0, pcm)
        self.spoke.append(self._clock.now() - self._began)
        await self.listen(then)

    @property
    def decided(self) -> list[float]:
        """When each turn was decided, in seconds of the call."""
        return [event.wall - self._began for event in self.of(TurnDecided)]

    def audible(self) -> list[tuple[float, float]]:
        """When the agent was heard: stretches in seconds of the call, pauses of less than 0.3 s included."""
        rate = self.sink.rate
        level = np.abs(np.frombuffer(self.sink.timeline(), np.int16).astype(np.int32))
        loud = np.flatnonzero(level > AUDIBLE)
        if not len(loud):
            return []
        breaks = np.flatnonzero(np.diff(loud) > 0.3 * rate)
        starts, ends = [0, *(breaks + 1)], [*breaks, len(loud) - 1]
        return [(float(loud[a]) / rate, float(loud[b]) / rate) for a, b in zip(starts, ends, strict=True)]
