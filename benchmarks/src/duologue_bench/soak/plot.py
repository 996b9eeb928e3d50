"""Soaks as pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from duologue.callers.result import Percentiles
from duologue_bench.plot import check_plot
from duologue_bench.soak.churn import Churned
from duologue_bench.soak.monologue import Monologue
from duologue_bench.soak.overload import LIMITS, Overload, Step

__all__ = ["draw_churn", "draw_monologue", "draw_overload"]


def draw_churn(churned: Churned, target: Path) -> None:
    """Write what the server held against the calls that it had taken: PNG, SVG or PDF. The warm-up is shaded."""
    check_plot(target)
    from matplotlib.figure import Figure

    samples = churned.samples
    figure = Figure(figsize=(8, 8), layout="constrained")
    panels = figure.subplots(4, 1, sharex=True)
    lines: dict[str, list[float]] = {
        "private memory (MB)": [sample.private_bytes / 1e6 for sample in samples],
        "threads": [sample.threads for sample in samples],
        "asyncio tasks": [sample.tasks for sample in samples],
        "file descriptors": [sample.descriptors for sample in samples],
    }
    for axes, (label, values) in zip(panels, lines.items(), strict=True):
        axes.plot([sample.sessions for sample in samples], values, color="C0", marker="o", markersize=3)
        axes.axvspan(0, churned.warm_up, color="black", alpha=0.06)
        axes.set_ylabel(label)
        axes.set_ylim(0, 1.15 * max(values))
        axes.grid(alpha=0.3)
    panels[-1].set_xlabel("calls that came and went; looked at while none is open")
    figure.savefig(target, dpi=150)


def draw_monologue(found: Monologue, target: Path) -> None:
    """Write the latencies of the others, minute by minute, and how fast the machine was: PNG, SVG or PDF.

    The time with the monologue is shaded; hollow marks are of minutes that are not compared.
    """
    check_plot(target)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 8), layout="constrained")
    panels = sooner, processing, machine = figure.subplots(3, 1, sharex=True)
    compared = [*found.compared(with_it=True), *found.compared(with_it=False)]
    minutes: list[float] = []
    figures: list[tuple[float | None, ...]] = []
    filled: list[bool] = []
    begins = 0.0
    for phase in found.phases:
        for piece in phase.pieces:
            turns = phase.turns(piece)
            heard = Percentiles.of(turn.voice_to_voice_s for turn in turns)
            answered = Percentiles.of(turn.processing_s for turn in turns)
            minutes.append((begins + (piece.begins_s + piece.ends_s) / 2) / 60)
            figures.append((heard.p95, heard.p50, answered.p95, answered.p50, piece.cost_s))
            filled.append(piece in compared)
        ends = begins + max((piece.ends_s for piece in phase.pieces), default=0.0)
        if phase.name == "with":
            for axes in panels:
                axes.axvspan(begins / 60, ends / 60, color="black", alpha=0.06)
        begins = ends
    lines = ((sooner, "p95"), (sooner, "p50"), (processing, "p95"), (processing, "p50"), (machine, ""))
    for number, (axes, label) in enumerate(lines):
        ms = [math.nan if (value := row[number]) is None else 1000 * value for row in figures]
        color = f"C{number % 2}"
        axes.plot(minutes, ms, color=color, linewidth=1, label=label)
        for style, is_filled in (("full", True), ("none", False)):
            marked = [(at, value) for at, value, one in zip(minutes, ms, filled, strict=True) if one is is_filled]
            axes.plot([at for at, _ in marked], [v for _, v in marked], "o", color=color, markersize=4, fillstyle=style)
    sooner.set_ylabel("end of speech → audio (ms)")
    processing.set_ylabel("decided → audio (ms)")
    machine.set_ylabel("callers' CPU, ms a second of call")
    machine.set_xlabel("minutes; shaded: one caller never stops talking")
    for axes in panels:
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    for axes in (sooner, processing):
        axes.legend(fontsize="small", ncols=2)
    figure.savefig(target, dpi=150)


def draw_overload(found: Overload, target: Path) -> None:
    """Write latencies, calls and refusals against the load that was offered: PNG, SVG or PDF.

    Hollow marks are of the time after the load has fallen.
    """
    check_plot(target)
    from matplotlib.figure import Figure

    *steps, end = found.steps
    figure = Figure(figsize=(8, 9), layout="constrained")
    latency, carried, refused = figure.subplots(3, 1, sharex=True)
    factors = [step.factor for step in steps]

    for number, (label, of) in enumerate(
        (("end of speech → first audio", _voice_to_voice), ("decided → first audio", _processing))
    ):
        color = f"C{number}"
        latency.plot(factors, _ms(steps, of, "p95"), color=color, marker="o", label=f"{label}, p95")
        latency.plot(factors, _ms(steps, of, "p50"), color=color, marker="o", linestyle="--", label=f"{label}, p50")
        latency.plot(end.factor, _ms([end], of, "p95"), color=color, marker="o", fillstyle="none", markersize=9)
        usual = of(steps[0]).p95
        if usual is not None:
            latency.axhline(usual * LIMITS["p95_ratio"] * 1000, color=color, linestyle=":", linewidth=1)
    latency.set_ylabel("of those let in (ms)")
    latency.set_ylim(0, 1.4 * latency.get_ylim()[1])  # room for the legend
    latency.legend(fontsize="small", ncols=2)

    carried.plot(factors, [step.offered for step in steps], color="black", linestyle=":", label="callers")
    carried.plot(factors, [step.carried for step in steps], color="C2", marker="o", label="calls carried")
    carried.plot(end.factor, end.carried, color="C2", marker="o", fillstyle="none", markersize=9)
    carried.set_ylabel("at once")
    carried.set_ylim(bottom=0)
    carried.legend(fontsize="small")

    base = [0] * len(steps)
    for reason in sorted({reason for step in steps for reason in step.refusals}):
        counts = [step.refusals.get(reason, 0) for step in steps]
        refused.bar(factors, counts, width=0.2, bottom=base, label=reason)
        base = [before + count for before, count in zip(base, counts, strict=True)]
    refused.set_ylabel("refusals, by reason")
    refused.set_xlabel(f"callers, as multiples of the {found.capacity} that may be carried")
    if any(base):
        refused.legend(fontsize="small")
    for axes in (latency, carried, refused):
        axes.grid(alpha=0.3)
    figure.savefig(target, dpi=150)


def _processing(step: Step) -> Percentiles:
    return step.processing_s


def _voice_to_voice(step: Step) -> Percentiles:
    return step.voice_to_voice_s


def _ms(steps: Sequence[Step], of: Callable[[Step], Percentiles], name: str) -> list[float]:
    values: list[float | None] = [getattr(of(step), name) for step in steps]
    return [math.nan if value is None else 1000 * value for value in values]
