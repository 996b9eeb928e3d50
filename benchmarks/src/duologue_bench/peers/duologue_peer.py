"""duologue, measured as the others are: in a process of its own, from its output."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from duologue import __version__
from duologue_bench.peers.trial import Figures, Trial, pick

__all__ = ["Duologue"]


class Duologue:
    """`cycle` and `dense` are WAV files: a phrase with 3.4 s, or with 1 s, of rest."""

    name = "duologue"
    title = f"duologue {__version__}"
    start = 400

    def __init__(self, cycle: Path, dense: Path) -> None:
        self._cycle = cycle
        self._dense = dense

    def flat_out(self) -> Trial:
        """6,000 chunks."""
        return self._trial("flat out", "chunk", "--flat-out", "--seconds", "120", sound=self._dense, planned_s=4)

    def alone(self) -> Trial:
        """Three turns."""
        return self._sessions("alone", 1, seconds=18, warm=1, long_every=0)

    def barge_in(self) -> Trial:
        """Each answer is interrupted, but the last."""
        return self._sessions("barge-in", 1, seconds=19, warm=1, long_every=1)

    def load(self, sessions: int) -> Trial:
        """Each fourth answer is interrupted."""
        return self._sessions("load", sessions, seconds=8, warm=4, long_every=4)

    def _sessions(self, what: str, sessions: int, *, seconds: float, warm: float, long_every: int) -> Trial:
        options = {"sessions": sessions, "seconds": seconds, "warm": warm, "answer": 2.0, "long-every": long_every}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return self._trial(what, "sessions", *words, sound=self._cycle, planned_s=seconds + warm + 3, sessions=sessions)

    def _trial(self, what: str, bench: str, *options: str, sound: Path, planned_s: float, sessions: int = 1) -> Trial:
        command = (sys.executable, "-m", "duologue", "bench", bench, *options, "--sound", str(sound), "--json")
        return Trial(what, command, sound.parent, self._read, planned_s, sessions)

    @staticmethod
    def _read(told: Mapping[str, Any]) -> Figures:
        return pick(
            told,
            cpu_us="cpu_us_per_chunk",
            core_share="core_share",
            late_p50_ms="lateness.p50_ms",
            late_p99_ms="lateness.p99_ms",
            processed="windows_scored",
            kept_up="kept_up",
            created_ms="creation.mean_ms",
            tasks="tasks_per_session",
            processing_p50_ms="processing.p50_ms",
            processing_p95_ms="processing.p95_ms",
            answered_p50_ms="speech_end_to_first_audio.p50_ms",
            answered_p99_ms="speech_end_to_first_audio.p99_ms",
            silenced_p50_ms="silenced.p50_ms",
            silenced_p99_ms="silenced.p99_ms",
            yielded_p50_ms="yielded.p50_ms",
            yielded_p99_ms="yielded.p99_ms",
            onset_p50_ms="onset_to_silence.p50_ms",
        )
