"""Whole conversations as a picture: one run beside a single caller, or every size that was tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from duologue_bench.conversations import LIMITS, Measured, counted
from duologue_bench.distribution import plot_latencies
from duologue_bench.plot import check_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_run", "draw_sizes"]


def draw_run(measured: Measured, alone: Measured, target: Path) -> None:
    """Write how soon turns were answered, with the median and p95 of each curve, to a PNG, SVG or PDF file."""
    check_plot(target)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    runs = {"a single caller": alone, f"each of {measured.result.sessions} callers": measured}
    processing, answered = (
        {
            f"{who}, {len(turns)} turns": [value for turn in turns if (value := getattr(turn, name)) is not None]
            for who, run in runs.items()
            for turns in [counted(run.result)]
        }
        for name in ("processing_s", "voice_to_voice_s")
    )
    plot_latencies(left, processing, "turn decided → first audio, at the server")
    plot_latencies(right, answered, "end of speech → first audio, at the caller")
    right.set_ylabel("")
    figure.savefig(target, dpi=150)


def draw_sizes(runs: Sequence[tuple[Measured, bool]], target: Path) -> None:
    """Write latencies, starved frames and CPU against the callers; a size that broke a limit is hollow."""
    check_plot(target)
    from matplotlib.figure import Figure

    runs = sorted(runs, key=lambda run: run[0].result.sessions)
    figure = Figure(figsize=(8, 9), layout="constrained")
    late, starved, cores = figure.subplots(3, 1, sharex=True)
    curves: list[tuple[Axes, str, Callable[[Measured], float | None]]] = [
        (late, "turn decided → first audio, p95", lambda m: _ms(m.result.processing_s.p95)),
        (late, "end of speech → first audio, p95", lambda m: _ms(m.result.voice_to_voice_s.p95)),
        (late, "interruption → paused, p95", lambda m: _ms(m.result.paused_s.p95)),
        (starved, "starved frames", lambda m: m.result.starved_frames),
        (cores, "server", lambda m: m.server_cpu),
        (cores, "callers", lambda m: m.result.caller_cpu),
    ]
    for axes in (late, starved, cores):
        mine = [(label, of) for on, label, of in curves if on is axes]
        for number, (label, of) in enumerate(mine):
            points = [(m.result.sessions, value, ok) for m, ok in runs if (value := of(m)) is not None]
            color = f"C{number}"
            axes.plot([p[0] for p in points], [p[1] for p in points], color=color, alpha=0.4)
            for sessions, value, ok in points:
                axes.scatter(sessions, value, edgecolors=color, facecolors=color if ok else "none")
            axes.plot([], [], color=color, marker="o", label=label)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend()
    late.axhline(LIMITS["processing_p95_s"] * 1000, color="C3", linestyle=":")
    late.set_ylabel("milliseconds")
    starved.set_ylabel("frames of 20 ms")
    cores.set(ylabel="cores", xlabel="callers at once")
    figure.savefig(target, dpi=150)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
