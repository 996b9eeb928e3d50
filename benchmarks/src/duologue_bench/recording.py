"""What recording a call costs: on the event loop for each window and frame, and in the writer's thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from duologue.audio.format import FRAME, RATE, WINDOW
from duologue.conversation.inputs import Now, VadScored
from duologue.recording.blocks import to_blocks
from duologue.recording.recorder import Budget, CallRecorder

__all__ = ["RecordingCost", "measure"]

OUTPUT_RATE: Final = 24_000
FLUSHED: Final = 8
"""Windows that are written at once."""


@dataclass(frozen=True, slots=True)
class RecordingCost:
    """CPU time in seconds; the least of several runs."""

    window_s: float
    """On the event loop, for a window of 32 ms and its score."""
    frame_s: float
    """On the event loop, for a frame of 20 ms of the agent's audio."""
    writer_s: float
    """In the writer's thread, for a second of the call without the agent's voice."""

    @property
    def share(self) -> float:
        """The share of a core that a call takes in which the agent speaks all the time."""
        return self.window_s * RATE / WINDOW + self.frame_s / FRAME + self.writer_s

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {**asdict(self), "core_share_per_call": self.share}


def measure(*, seconds: int = 60, runs: int = 20) -> RecordingCost:
    """Record so many seconds of a call several times, without a disk."""
    windows = seconds * RATE // WINDOW
    samples = np.zeros(WINDOW, np.int16)
    scores = [VadScored(n * WINDOW, (n + 1) * WINDOW, 0.0123456789 * (n % 7)) for n in range(windows)]
    frame = bytes(2 * round(OUTPUT_RATE * FRAME))
    size = len(frame) // 2

    def hear(recorder: CallRecorder) -> None:
        for score in scores:
            recorder.heard(score.start, samples)
            recorder.told(score, Now(score.end, 1.0), ())

    def speak(recorder: CallRecorder) -> None:
        for n in range(round(seconds / FRAME)):
            recorder.spoke(frame, n * size, 1, n, n * FRAME)

    def write(recorder: CallRecorder) -> None:
        hear(recorder)
        noted = list(recorder.queue)
        began = time.thread_time()
        for at in range(0, len(noted), 2 * FLUSHED):
            for _ in to_blocks(recorder, noted[at : at + 2 * FLUSHED]):
                pass
        spent.append(time.thread_time() - began)

    spent: list[float] = []
    for _ in range(max(1, runs // 4)):
        write(_recorder())
    heard, spoke = _least(hear, runs), _least(speak, runs)
    return RecordingCost(heard / windows, spoke / round(seconds / FRAME), min(spent) / seconds)


def _recorder() -> CallRecorder:
    return CallRecorder({"call": {"id": "bench"}, "output_rate": OUTPUT_RATE}, Budget(10**10), lambda _: None)


def _least(run: Callable[[CallRecorder], None], runs: int) -> float:
    best = float("inf")
    for _ in range(runs):
        recorder = _recorder()
        began = time.thread_time()
        run(recorder)
        best = min(best, time.thread_time() - began)
    return best
