"""LiveKit Agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duologue_bench.peers.peer import LOAD_SCRIPT, Peer
from duologue_bench.peers.trial import Figures, Trial, judged, pick

__all__ = ["LiveKit"]


class LiveKit(Peer):
    """LiveKit Agents with its own Silero detector, turns that end by it, and streaming words at the end of speech."""

    name, package, label, start = "livekit", "livekit-agents", "LiveKit Agents", 40

    def flat_out(self) -> Trial:
        """6,000 chunks of speech and pauses."""
        return self._trial("flat out", "bench_flat_out.py", "--frames", 6000, read=self._read_flat_out, planned_s=8)

    def alone(self) -> Trial:
        """Three turns."""
        return self._trial("alone", "bench_alone.py", "--turns", 3, read=self._read_alone, planned_s=27)

    def barge_in(self) -> Trial:
        """Three interruptions, at its fastest setting."""
        return self._trial("barge-in", "bench_barge_in.py", "--turns", 3, read=self._read_barge_in, planned_s=24)

    def load(self, sessions: int) -> Trial:
        """A phrase of 2.6 s in 6 s, answers of 2 s."""
        arguments = ("--sessions", sessions, "--seconds", 8)
        return self._trial("load", LOAD_SCRIPT, *arguments, read=self._read_load, planned_s=19, sessions=sessions)

    @staticmethod
    def _read_flat_out(told: Mapping[str, Any]) -> Figures:
        return pick(told, cpu_us="cpu_us_per_chunk")

    @staticmethod
    def _read_alone(told: Mapping[str, Any]) -> Figures:
        return pick(told, processing_p50_ms="turn_commit_to_first_frame_ms_p50", answered_p50_ms="raw_ms_p50")

    @staticmethod
    def _read_barge_in(told: Mapping[str, Any]) -> Figures:
        return pick(told, onset_p50_ms="p50")

    @staticmethod
    def _read_load(told: Mapping[str, Any]) -> Figures:
        figures = pick(
            told,
            cpu_us="cpu_us_per_chunk",
            core_share="cpu_pct",
            late_p50_ms="input_late_ms_p50",
            late_p99_ms="p99",
            created_ms="start_ms_per_session",
            tasks="tasks_per_session",
            answered_p50_ms="eos_to_first_ms_p50",
            answered_p99_ms="eos_to_first_p99",
            processed="vad_done_ratio",
            pushed="pushed_ratio",
        )
        if "pushed" in figures and "processed" in figures:
            figures["processed"] *= figures["pushed"]
        figures.pop("pushed", None)
        if "core_share" in figures:
            figures["core_share"] /= 100
        return judged(figures)
