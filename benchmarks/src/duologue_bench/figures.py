"""What a run of many sessions came to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from duologue_bench.bootstrap import quantile

__all__ = ["LATE_S", "SessionsRun", "Spread"]

LATE_S: Final = 0.02
"""A process keeps up where the p99 of the chunks' lateness is below this: a whole chunk."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How a quantity was spread; seconds. NaN where there was none."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float] | NDArray[np.float32]) -> Spread:
        """The spread of `values`."""
        mean = float(np.mean(values)) if len(values) else math.nan
        return cls(len(values), mean, *(quantile(values, q) for q in (0.5, 0.95, 0.99)))

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types: milliseconds, or null."""
        ms = {f"{name}_ms": _rounded(getattr(self, name) * 1000) for name in ("mean", "p50", "p95", "p99")}
        return {"count": self.count, **ms}


@dataclass(frozen=True, slots=True)
class SessionsRun:
    """What a run came to, its warm-up left out where nothing else is said."""

    sessions: int
    seconds: float
    """Of audio, for each session; fewer than asked for where the process fell hopelessly behind."""
    cut_short: bool
    """The process fell hopelessly behind, and the run was ended."""
    chunks: int
    cpu_s: float
    """CPU of the whole process with its threads, the loop that hands the chunks in included."""
    wall_s: float
    lateness: Spread
    """From the moment at which a chunk was due to the moment at which the session had taken it."""
    scored: float
    """Share of the windows, those of the warm-up among them, that were scored when the last chunk had come."""
    dropped_samples: int
    """Input that waited too long and was dropped."""
    starved_frames: int
    """Frames of 20 ms in which speech was due and none was ready."""
    errors: int
    turns: int
    """Turns that were decided."""
    decided: Spread
    """From the moment at which the sample that settled a turn was due to its decision."""
    processing: Spread
    """From the decision to the first audible sample at the sink."""
    answered: Spread
    """From the last sample of speech, by the detector, to the same."""
    interrupted: int
    silenced: Spread
    """From the decision to give way, to silence at the sink."""
    yielded: Spread
    """From the moment at which the sample that settled it was due, to the same."""
    onsets: Spread
    """From the user's first sample, by the label, where the agent was speaking, to the same."""
    frames_after: int
    """Frames that reached the sink after it had been silenced."""
    created: Spread
    """The time to make and start a session; the loop does nothing else meanwhile."""
    idle_bytes: float
    """Private memory a session before its first chunk, beside one session that has spoken before."""
    used_bytes: float
    """The same after the run."""
    tasks: float
    """Tasks of the loop a session, before the first chunk."""
    most_tasks: float
    """The same at the busiest moment that was looked at."""
    threads: int
    """Of the process at the end."""
    threads_before: int
    """Of the process with the engine, before it had sessions."""

    @property
    def cpu_per_chunk_s(self) -> float:
        """CPU seconds for each chunk of 20 ms; NaN where the run was cut short, as most chunks had yet to be heard."""
        return math.nan if self.cut_short else self.cpu_s / self.chunks

    @property
    def core_share(self) -> float:
        """CPU as a share of one core."""
        return self.cpu_s / self.wall_s

    @property
    def kept_up(self) -> bool:
        """True if every window was scored, nothing was dropped, and p99 of the chunks' lateness is under 20 ms."""
        clean = not (self.cut_short or self.dropped_samples or self.errors)
        return clean and self.scored >= 1 and self.lateness.p99 < LATE_S

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "sessions": self.sessions,
            "seconds": round(self.seconds, 2),
            "kept_up": self.kept_up,
            "chunks": self.chunks,
            "cut_short": self.cut_short,
            "cpu_us_per_chunk": _rounded(self.cpu_per_chunk_s * 1e6),
            "core_share": round(self.core_share, 4),
            "cpu_s": round(self.cpu_s, 3),
            "wall_s": round(self.wall_s, 3),
            "windows_scored": round(self.scored, 4),
            "dropped_samples": self.dropped_samples,
            "starved_frames": self.starved_frames,
            "errors": self.errors,
            "turns": self.turns,
            "interrupted": self.interrupted,
            "frames_after_silence": self.frames_after,
            "lateness": self.lateness.as_dict(),
            "decided": self.decided.as_dict(),
            "processing": self.processing.as_dict(),
            "speech_end_to_first_audio": self.answered.as_dict(),
            "silenced": self.silenced.as_dict(),
            "yielded": self.yielded.as_dict(),
            "onset_to_silence": self.onsets.as_dict(),
            "creation": self.created.as_dict(),
            "idle_kb_per_session": round(self.idle_bytes / 1024, 1),
            "used_kb_per_session": round(self.used_bytes / 1024, 1),
            "tasks_per_session": round(self.tasks, 2),
            "most_tasks_per_session": round(self.most_tasks, 2),
            "threads": self.threads,
            "threads_before": self.threads_before,
        }


def _rounded(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
