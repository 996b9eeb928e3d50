"""A caller's device: it plays what it is sent, at once, and its microphone hears the user and the echo of that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import FRAME_SAMPLES, RATE
from duologue.session import AudioSink
from duologue_bench.acoustics import EchoPath, from_int16, to_int16

__all__ = ["Caller"]

TAIL: Final = int(0.6 * RATE)
"""How long the microphone goes on after the last sound, so that the last of its echo is heard."""
LONGEST: Final = 60 * RATE


class Caller(AudioSink):
    """An AudioSink at 16 kHz on a line without delay, and the microphone beside it. Positions are samples of its input.

    The first sample that is played is position 0 of `user` (n,) int16, the user's track; where that ends, the room goes
    on as in its first half second.
    """

    def __init__(self, user: NDArray[np.int16], echo: EchoPath | None) -> None:
        self.at = 0
        """Where the microphone is."""
        self.over = False
        """The agent was cut off."""
        self.silences: list[tuple[str, int]] = []
        """`pause`, `resume` and `flush`, with the position from which they could be heard."""
        self._user = from_int16(user)
        self._room = self._user[: RATE // 2]
        self._echo = echo
        self._line = np.zeros(LONGEST)
        """What has sounded."""
        self._ready = bytearray()
        self._paused = False
        self._began: int | None = None
        self._sounded = 0

    @property
    def ready(self) -> int:
        """Samples that were sent and have not sounded."""
        return len(self._ready) // 2

    def send(self, pcm: bytes, position: int, generation: int) -> None:
        """Play it after what was sent before."""
        if self._began is None:
            self._began = self.at
        self._ready += pcm

    def pause(self, generation: int) -> None:
        """Stop at once, and keep the rest."""
        self._paused = True
        self.silences.append(("pause", self.at))

    def resume(self, generation: int) -> None:
        """Go on."""
        self._paused = False
        self.silences.append(("resume", self.at))

    def flush(self, generation: int) -> None:
        """Stop at once, and forget the rest."""
        self._ready.clear()
        self.over = True
        self.silences.append(("flush", self.at))

    def microphone(self) -> Iterator[bytes]:
        """20 ms at a time, each to be taken when all that was sent before it is known.

        It ends soon after the agent was cut off, or when all has sounded and the track is over.
        """
        while self.at + FRAME_SAMPLES <= LONGEST and not self.over:
            playing = self._paused or self._ready
            if not playing and self._began is not None and self.at > max(self._sounded + TAIL, self._end):
                return
            self._play()
            heard = self._hear_user()
            if self._echo is not None:
                heard = heard + self._echo.next(self._line, self.at)
            self.at += FRAME_SAMPLES
            yield to_int16(heard).tobytes()

    @property
    def _end(self) -> int:
        return (self._began or 0) + len(self._user)

    def _play(self) -> None:
        if self._paused or not self._ready:
            return
        samples = np.frombuffer(bytes(self._ready[: 2 * FRAME_SAMPLES]), np.int16)
        del self._ready[: 2 * FRAME_SAMPLES]
        self._line[self.at : self.at + len(samples)] = from_int16(samples)
        self._sounded = self.at + len(samples)

    def _hear_user(self) -> NDArray[np.float64]:
        start = self.at - (self._began or 0)
        track = self._user[start : start + FRAME_SAMPLES]
        if len(track) == FRAME_SAMPLES:
            return track
        beyond = np.arange(start + len(track), start + FRAME_SAMPLES) - len(self._user)
        return np.concatenate((track, self._room[beyond % len(self._room)]))
