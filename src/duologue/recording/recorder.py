"""The recorder of one call: notes what happens on the event loop, for the writer's thread.

The event loop only appends to a queue. All queues together are bounded in bytes: if the disk is slow, audio is left out
first, and then the recording ends where the first input had to be left out, because nothing after it can be replayed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from duologue.conversation.effects import Effect
from duologue.conversation.inputs import Input, Now
from duologue.recording.file import Kind
from duologue.session.record import CallRecord

__all__ = ["Budget", "CallRecorder", "Noted"]

Noted: TypeAlias = tuple[Kind, int, tuple[Any, ...]]
"""One thing that happened: what it is, the bytes of memory that it takes, roughly, and its values."""

INPUT_BYTES: Final = 400
"""Memory of a noted input, roughly..."""
EFFECT_BYTES: Final = 500
"""...and of each of its effects."""
HEAD_BYTES: Final = 150
"""Memory of a noted piece of audio beside its samples."""


@dataclass(slots=True)
class Budget:
    """What all recorders of a process hold in memory. The event loop adds, and the writer's thread takes off."""

    limit: int
    """Bytes that may wait; half of them for audio."""
    noted: int = 0
    """Bytes that were noted so far; changed by the event loop alone."""
    written: int = 0
    """Bytes that were taken by the writer so far; changed by its thread alone."""
    audio_dropped: int = 0
    """Pieces of audio that were left out."""
    cut: int = 0
    """Recordings that ended early because too much waited."""

    @property
    def waiting(self) -> int:
        """Bytes that wait to be written."""
        return self.noted - self.written


class CallRecorder:
    """Notes what happens in one call; a `CallObserver`.

    Args:
        header: What the recording begins with; it is written with the first input.
        budget: Shared by all recorders of the process.
        on_start: Called once, with the recorder, when the call begins.
        audio: Whether the two audio tracks are recorded.
    """

    def __init__(
        self, header: dict[str, Any], budget: Budget, on_start: Callable[[CallRecorder], None], *, audio: bool = True
    ) -> None:
        self.queue: deque[Noted] = deque()
        """What waits to be written."""
        self.header = header
        self.audio_dropped: int = 0
        """Pieces of audio that this recording lacks."""
        self.cut: str = ""
        """Why the recording ended before the call; empty if it did not."""
        self._budget = budget
        self._on_start = on_start
        self._audio = audio
        self._is_started = False
        self._is_over = False

    def told(self, input_: Input, now: Now, effects: Sequence[Effect]) -> None:
        """Note an input and its effects."""
        if self.cut:
            return
        budget = self._budget
        if budget.noted - budget.written >= budget.limit:
            self.cut = "too_slow"
            budget.cut += 1
            return
        if not self._is_started:
            self._is_started = True
            self._on_start(self)
        size = INPUT_BYTES + EFFECT_BYTES * len(effects)
        budget.noted += size
        self.queue.append((Kind.EVENTS, size, (input_, now, effects)))

    def heard(self, position: int, samples: NDArray[np.int16]) -> None:
        """Note a window of the user's audio."""
        if self._may_keep():
            self._note_audio(Kind.HEARD, position, samples.tobytes())

    def cleaned(self, position: int, samples: NDArray[np.int16]) -> None:
        """Note a window from which the agent's echo was taken."""
        if self._may_keep():
            self._note_audio(Kind.CLEANED, position, samples.tobytes())

    def spoke(self, pcm: bytes, position: int, generation: int, input_position: int, wall: float) -> None:
        """Note a frame of the agent's audio."""
        if self._may_keep():
            size = HEAD_BYTES + len(pcm)
            self._budget.noted += size
            self.queue.append((Kind.SPOKEN, size, (input_position, position, generation, wall, pcm)))

    def ended(self, record: CallRecord) -> None:
        """Note the end of the call: the last thing that is written."""
        if not self._is_started or self._is_over:
            return
        self._is_over = True
        self.queue.append((Kind.END, 0, (record,)))

    def _may_keep(self) -> bool:
        if not self._audio or self.cut:
            return False
        budget = self._budget
        if 2 * (budget.noted - budget.written) < budget.limit:
            return True
        self.audio_dropped += 1
        budget.audio_dropped += 1
        return False

    def _note_audio(self, kind: Kind, position: int, pcm: bytes) -> None:
        size = HEAD_BYTES + len(pcm)
        self._budget.noted += size
        self.queue.append((kind, size, (position, pcm)))
