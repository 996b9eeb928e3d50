"""Sinks that keep what they are given."""

from __future__ import annotations

from duologue.clock import Clock
from duologue.session.sink import AudioSink

__all__ = ["Recorder"]


class Recorder(AudioSink):
    """Stores the agent's audio at the times at which a client without jitter would play it."""

    def __init__(self, rate: int, clock: Clock) -> None:
        self.rate = rate
        self.calls: list[tuple[str, int]] = []
        """`pause`, `resume` and `flush` with their generations, in order."""
        self._clock = clock
        self._began = clock.now()
        self._pcm = bytearray()

    def send(self, pcm: bytes, position: int, generation: int) -> None:
        """Store a frame after the one before it, or at the present position after silence."""
        at = int((self._clock.now() - self._began) * self.rate) * 2
        # A frame is sent a little before it sounds, so one that comes within 100 ms of the last belongs right after it.
        if at - len(self._pcm) > self.rate // 5:
            self._pcm.extend(bytes(at - len(self._pcm)))
        self._pcm += pcm

    def pause(self, generation: int) -> None:
        """Note it."""
        self.calls.append(("pause", generation))

    def resume(self, generation: int) -> None:
        """Note it."""
        self.calls.append(("resume", generation))

    def flush(self, generation: int) -> None:
        """Note it."""
        self.calls.append(("flush", generation))

    def timeline(self) -> bytes:
        """The agent's side of the call from its start, silences included; 16-bit mono PCM."""
        return bytes(self._pcm)
