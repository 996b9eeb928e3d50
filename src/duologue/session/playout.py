"""The output side: the audio of one reply, paced in frames of 20 ms with a small lead."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from duologue.audio.format import FRAME
from duologue.audio.level import gain

__all__ = ["Playout"]

MARK_TIMEOUT = 1.0
"""Seconds for which the end of a reply waits for a client that reports marks and has stopped reporting."""
MARKED = 0.1
"""Seconds before its end at which a reply counts as heard by a client's mark: speech ends in as much silence."""
MAX_REPLAY = 5.0
"""Seconds of what was sent that are kept for a sink that cannot pause."""
DUCKED = 0.25
"""Factor on the samples while ducked, −12 dB."""


class Playout:
    """Plays one reply at a time. Times are seconds of the clock that paces; plain calls only."""

    def __init__(
        self,
        rate: int,
        *,
        lead: float,
        max_ready: float,
        chunk: float = FRAME,
        replays: bool = False,
        reports_marks: bool = False,
    ) -> None:
        self.rate = rate
        self.position: int = 0
        """Samples sent in this session."""
        self.starved: int = 0
        """Frames in which speech was due and none was audible; those that the lead bridged are not counted."""
        self.late: int = 0
        """Frames that were ready, and were sent a frame or more too late."""
        self.generation: int = 0
        self.active: bool = False
        self.paused: bool = False
        self.complete: bool = False
        """Nothing more will be added to this reply."""
        self._frame_bytes = int(rate * FRAME) * 2
        self._max_replay = int(MAX_REPLAY / FRAME) * self._frame_bytes
        self._at_once = round(chunk / FRAME)
        """Frames that are sent together."""
        self._lead = lead
        self._max_ready = int(max_ready * rate) * 2
        self._replays = replays
        """Audio that was sent and not played is sent again after a pause."""
        self._recent = bytearray()
        """The audio sent last, at full level, if it may have to be sent again."""
        self._played_at_pause = 0.0
        self.mark: int | None = 0 if reports_marks else None
        """The position that the client has played, as it last reported; None if it reports nothing."""
        self._marked_at = 0.0
        self._held = False
        self._blocked = False
        self._gain = 1.0
        self._ready = bytearray()
        self.began: int = 0
        """`position` at the first frame of this reply."""
        self._anchor: float | None = None
        """When the first frame of this reply sounds; pauses and starvation move it."""
        self._paused_at = 0.0
        self._suspended_at: float | None = None
        """When the client disconnected; None while it is connected."""
        self._room = asyncio.Event()
        self._room.set()

    def begin(self, generation: int, *, held: bool) -> None:
        """Prepare for a reply; `held` until `commit`."""
        self.generation = generation
        self.active = True
        self._held = held
        self.paused = self.complete = self._blocked = False
        self._gain = 1.0
        self._anchor = None
        self.began = self.position
        self._ready.clear()
        self._recent.clear()
        self._room.set()

    def add(self, pcm: bytes) -> None:
        """Add audio to the reply."""
        self._ready += pcm
        if len(self._ready) >= self._max_ready:
            self._room.clear()

    async def room(self) -> None:
        """Wait until there is room for more."""
        await self._room.wait()

    def finish(self) -> None:
        """All of the reply has been added."""
        self.complete = True

    def commit(self) -> None:
        """Play a held reply."""
        self._held = False

    def block(self, blocked: bool) -> None:
        """Hold back a reply that has not begun, or release it."""
        self._blocked = blocked

    def marked(self, position: int, now: float) -> None:
        """Note that the client has played all output before `position`."""
        self.mark, self._marked_at = max(self.mark or 0, min(position, self.position)), now

    def duck(self, ducked: bool) -> None:
        """Play softly, or at full level again."""
        self._gain = DUCKED if ducked else 1.0

    def pause(self, now: float) -> None:
        """Stop; the rest is kept."""
        self._played_at_pause = self.played(now)
        self.paused, self._paused_at = True, now
        if self._replays:
            self._take_back()

    def _take_back(self) -> None:
        """Queue again what was sent and not played, from the frame on that was being played."""
        unplayed = math.ceil((self.sent - self._played_at_pause) / FRAME - 1e-6) * self._frame_bytes
        size = min(max(unplayed, 0), len(self._recent))
        if size:
            self._ready[:0] = self._recent[-size:]
            del self._recent[-size:]
            self.position -= size // 2

    def resume(self, now: float) -> None:
        """Resume after a pause, at full level."""
        self.paused, self._gain = False, 1.0
        if self._anchor is not None:
            self._anchor += now - self._paused_at

    def suspend(self, now: float) -> None:
        """Send nothing, and stop the clock of playout, until `unsuspend`: no client is connected."""
        self._suspended_at = now

    def unsuspend(self, since: float, now: float) -> None:
        """Resume after a suspension that began at `since`."""
        self._suspended_at = None
        self._marked_at += now - since
        if self._anchor is not None:
            # `resume` adds the time from the pause on.
            self._anchor += max(0.0, (self._paused_at if self.paused else now) - since)

    @property
    def started(self) -> bool:
        """True once a frame was sent."""
        return self._anchor is not None

    @property
    def ready(self) -> float:
        """Seconds of audio that wait to be sent."""
        return len(self._ready) / 2 / self.rate

    @property
    def needs_audio(self) -> bool:
        """True if the next frame is missing although the reply is not complete."""
        return (
            self.active
            and not (self._held or self._blocked)
            and not self.complete
            and len(self._ready) < self._frame_bytes
        )

    def pump(self, now: float, send: Callable[[bytes, int, int], None]) -> bool:
        """Send the frames that are due; True once when the whole reply has been heard."""
        if not self.active or self._held or self._blocked or self.paused or self._suspended_at is not None:
            return False
        if self._anchor is None:
            if not self._ready or (len(self._ready) < self._frame_bytes and not self.complete):
                return False
            self._anchor = now
        sent = self._sent_frames()
        owed = int((now - self._anchor) / FRAME + 1e-6) + 1
        due = int((now - self._anchor + self._lead) / FRAME + 1e-6) + 1
        while sent < due:
            whole, left = divmod(len(self._ready), self._frame_bytes)
            frames = min(whole + (self.complete and left > 0), self._at_once)
            if not frames:
                if not self.complete and sent < owed:
                    self.starved += owed - sent
                    self._anchor += (owed - sent) * FRAME
                break
            if sent and due - sent < frames:
                break  # the client has enough, and the next chunk is not due as a whole
            self.late += max(0, min(frames, owed - 1 - sent))
            size = frames * self._frame_bytes
            chunk = bytes(self._ready[:size]).ljust(size, b"\0")
            del self._ready[:size]
            if self._replays:
                self._recent += chunk
                del self._recent[: -self._max_replay]
            if self._gain != 1.0:
                chunk = gain(chunk, self._gain)
            position = self.position
            self.position += size // 2
            sent += frames
            generation = self.generation
            send(chunk, position, generation)
            if self.generation != generation or not self.active:
                return False  # sending it caused the rest to be dropped
        if not self._room.is_set() and len(self._ready) < self._max_ready // 2:
            self._room.set()
        if self.complete and not self._ready and self._is_heard(self._anchor + sent * FRAME, now):
            self.active = False
            return True
        return False

    def _is_heard(self, end: float, now: float) -> bool:
        """Whether the reply, which was sent to sound until `end`, has been heard."""
        if now < end or self.mark is None:
            return now >= end
        return self.is_confirmed or now - max(end, self._marked_at) >= MARK_TIMEOUT

    @property
    def is_confirmed(self) -> bool:
        """False while a client that reports marks has not reported the end of what was sent."""
        return self.mark is None or self.position - self.mark <= MARKED * self.rate

    @property
    def sent(self) -> float:
        """Seconds of this reply that were sent."""
        return self._sent_frames() * FRAME

    def played(self, now: float) -> float:
        """Seconds of this reply that the user has heard.

        By the client's last playback mark, or, if it reports none, what was sent less the lead.
        """
        if self._anchor is None:
            return 0.0
        sent = self.sent
        if self.mark is not None:
            return min(sent, max(0.0, (self.mark - self.began) / self.rate))
        if self.paused:
            return self._played_at_pause
        if self._suspended_at is not None:
            now = self._suspended_at
        return min(sent, max(0.0, now - self._anchor))

    def drop(self) -> None:
        """Drop what has not been sent."""
        self.active = False
        self._ready.clear()
        self._recent.clear()
        self._room.set()

    def _sent_frames(self) -> int:
        return (self.position - self.began) * 2 // self._frame_bytes
