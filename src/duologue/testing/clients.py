"""Clients as sinks: they play what they are sent on the clock, and can do everything or nothing else."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from duologue.clock import VirtualClock
from duologue.session.sink import AudioSink, SinkCapabilities
from duologue.session.voice_session import VoiceSession

__all__ = ["PLAIN", "ClientSink"]

PLAIN: Final = SinkCapabilities(can_pause=False, rate=8_000)
"""What a telephone's media stream can do: it plays, and forgets what it has not played."""
MARK_EVERY_S: Final = 0.1
MAX_QUEUED_S: Final = 10.0


class ClientSink(AudioSink):
    """A client at the end of a line without delay.

    With its usual capabilities it can pause, resume, drop audio, and report what it has played. With
    `PLAIN` it plays and forgets. `rate` is the rate of what it is sent.
    """

    def __init__(
        self,
        clock: VirtualClock,
        rate: int,
        capabilities: SinkCapabilities = SinkCapabilities(reports_marks=True),  # noqa: B008  # it is frozen
    ) -> None:
        self.capabilities = capabilities
        self.rate = rate
        self.calls: list[str] = []
        """The messages that it received, without audio, in order."""
        self.position: int = 0
        """What it has played last, as positions are counted in `send`."""
        self._clock = clock
        self._at = clock.now()
        self._began = self._at
        self._paused = False
        self._queue: deque[tuple[bytes, int]] = deque()
        self._heard = bytearray()
        self._samples = 0.0
        """Of a frame that are owed by the clock and were not played yet."""

    def send(self, pcm: bytes, position: int, generation: int) -> None:
        """Queue audio."""
        self._play()
        if sum(len(frame) for frame, _ in self._queue) / 2 / self.rate > MAX_QUEUED_S:
            raise BufferError("More audio was sent than a client would keep.")
        self._queue.append((pcm, position))

    def flush(self, generation: int) -> None:
        """Forget what was not played."""
        self._play()
        self.calls.append("flush")
        self._queue.clear()
        self._paused = False

    def pause(self, generation: int) -> None:
        """Stop in the middle of what is playing."""
        self._play()
        self.calls.append("pause")
        assert self.capabilities.can_pause, "its capabilities exclude this"
        self._paused = True

    def resume(self, generation: int) -> None:
        """Resume there."""
        self._play()
        self.calls.append("resume")
        assert self.capabilities.can_pause, "its capabilities exclude this"
        self._paused = False

    async def report_to(self, session: VoiceSession) -> None:
        """Report marks until cancelled, if it does that."""
        while self.capabilities.reports_marks:
            await self._clock.sleep(MARK_EVERY_S)
            self._play()
            session.mark_playback(self.position)
        await asyncio.get_running_loop().create_future()

    def heard(self) -> bytes:
        """All that it has played, and its silences; 16-bit mono PCM."""
        self._play()
        return bytes(self._heard)

    def _play(self) -> None:
        """Play up to now."""
        now = self._clock.now()
        self._samples += (now - self._at) * self.rate
        self._at = now
        due = int(self._samples + 1e-6)
        self._samples -= due
        while due and self._queue and not self._paused:
            pcm, position = self._queue.popleft()
            samples = min(due, len(pcm) // 2)
            self._heard += pcm[: samples * 2]
            self.position = position + samples
            due -= samples
            if samples * 2 < len(pcm):
                self._queue.appendleft((pcm[samples * 2 :], position + samples))
        self._heard += bytes(2 * due)
