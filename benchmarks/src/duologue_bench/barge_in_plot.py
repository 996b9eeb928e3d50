"""Barge-in as a picture: how soon the agent yields, and how often it yields to what was no interruption."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from duologue_bench.plot import check_plot
from duologue_bench.yield_figures import GROUPS, group
from duologue_bench.yielding import Outcome

__all__ = ["draw_barge_in"]

LABELS: Final = {"none": "no echo", "-10": "echo −10 dB", "-20": "echo −20 dB", "-30": "echo −30 dB"}
BARS: Final = ("agent stops by itself", "backchannel: pauses", "backchannel: floor lost", "interruption missed")


def draw_barge_in(outcomes: Sequence[Outcome], figures: dict[str, Any], target: Path, title: str) -> None:
    """Write the curve of onset to silence for each echo, and the shares of what went wrong, to a PNG, SVG or PDF."""
    check_plot(target)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    names = [name for name in GROUPS if name in figures and name in LABELS]
    for number, name in enumerate(names):
        chosen = [o for o in group(outcomes, name) if o.kind == "barge_in" and not o.spoilt]
        times = sorted(math.inf if o.yielded_s is None else 1000 * o.yielded_s for o in chosen)
        shares = [100 * (i + 1) / len(times) for i in range(len(times))]
        left.step(times, shares, where="post", color=f"C{number}", label=LABELS[name])
        right.bar(
            [place + 0.2 * number for place in range(len(BARS))],
            [100 * share for share in _shares(figures[name])],
            width=0.18,
            color=f"C{number}",
            label=LABELS[name],
        )
    left.axvline(150, color="grey", linestyle=":")
    left.axvline(250, color="grey", linestyle=":")
    left.set(xlabel="onset of the user to silence of the agent (ms)", ylabel="interruptions (%)", xlim=(0, 500))
    right.set(ylabel="plays (%)", xticks=[place + 0.3 for place in range(len(BARS))])
    right.set_xticklabels(BARS, rotation=12)
    for axes in (left, right):
        axes.set_ylim(0, 102 if axes is left else None)
        axes.grid(alpha=0.3)
    if names:
        right.legend()
    figure.suptitle(title)
    figure.savefig(target, dpi=150)


def _shares(figures: dict[str, Any]) -> list[float]:
    found = (
        figures["self_interrupted"]["paused"],
        figures["backchannels"]["paused"],
        figures["backchannels"]["floor_taken"],
        figures["missed"],
    )
    return [estimate["value"] or 0.0 for estimate in found]
