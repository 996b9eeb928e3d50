"""Pipecat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duologue_bench.peers.peer import LOAD_SCRIPT, Peer
from duologue_bench.peers.trial import Figures, Trial, judged, pick

__all__ = ["Pipecat"]


class Pipecat(Peer):
    """Pipecat with its Silero detector, and a turn that ends 0.6 s after speech."""

    name, package, label, start = "pipecat", "pipecat-ai", "Pipecat", 10

    def flat_out(self) -> Trial:
        """Speech for 5 s."""
        return self._trial("flat out", "bench_flat_out.py", "--seconds", 5, read=self._read_flat_out, planned_s=9)

    def alone(self) -> Trial:
        """Three turns."""
        return self._trial("alone", "bench_alone.py", "--turns", 3, read=self._read_alone, planned_s=17)

    def barge_in(self) -> Trial:
        """Three interruptions."""
        return self._trial("barge-in", "bench_barge_in.py", "--turns", 3, read=self._read_barge_in, planned_s=17)

    def load(self, sessions: int) -> Trial:
        """A phrase of 2.2 s in 6.2 s, answers of 1 s."""
        arguments = ("--sessions", sessions, "--seconds", 8, "--warm", 4)
        planned_s = 16 + 0.1 * sessions
        return self._trial(
            "load", LOAD_SCRIPT, *arguments, read=self._read_load, planned_s=planned_s, sessions=sessions
        )

    @staticmethod
    def _read_flat_out(told: Mapping[str, Any]) -> Figures:
        return pick(told, cpu_us="cpu_us_per_chunk")

    @staticmethod
    def _read_alone(told: Mapping[str, Any]) -> Figures:
        return pick(
            told,
            processing_p50_ms="turn_to_first_audio.p50",
            processing_p95_ms="turn_to_first_audio.p95",
            answered_p50_ms="raw.p50",
        )

    @staticmethod
    def _read_barge_in(told: Mapping[str, Any]) -> Figures:
        return pick(told, silenced_p50_ms="vad_to_output_flushed_ms.0")

    @staticmethod
    def _read_load(told: Mapping[str, Any]) -> Figures:
        figures = pick(
            told,
            cpu_us="cpu_us_per_chunk",
            core_share="cpu_pct",
            late_p50_ms="lag_ms.p50",
            late_p99_ms="lag_ms.p99",
            through_p50_ms="e2e_ms.p50",
            through_p99_ms="e2e_ms.p99",
            created_ms="create_ms_per_session",
            tasks="tasks_per_session",
            processed="chunks_out",
            expected="expected",
        )
        expected = figures.pop("expected", 0.0)
        if "processed" in figures and expected:
            figures["processed"] /= expected
        if "core_share" in figures:
            figures["core_share"] /= 100
        return judged(figures)
