"""`duologue bench latency`: how soon one caller is answered."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from duologue.cli.output import AsJson, console, notes, print_json, progress, write_rows
from duologue_bench.cli.bench.options import HalfName, the_half

__all__ = ["latency"]

ROWS = {
    "processing_s": "processing: decided → first audio",
    "processing_hit_s": "  prepared before the decision",
    "processing_miss_s": "  not prepared",
    "end_to_decided_s": "end of speech → decided",
    "voice_to_voice_s": "voice to voice: end of speech → first audio",
}


def latency(
    turns: Annotated[int, typer.Option(help="Turns that are answered.", min=1)] = 200,
    half: HalfName = "test",
    instant: Annotated[bool, typer.Option("--instant", help="With instant fakes for words, agent and speech.")] = False,
    raw: Annotated[Path | None, typer.Option(help="Write each turn to this file, a JSON object a line.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the latencies to this file (PNG, SVG or PDF).")] = None,
    as_json: AsJson = False,
) -> None:
    """Play labelled turns to the booking agent, one caller at a time, with the local models and no cache.

    Processing latency is from the decision that the turn is over to the first audible sample handed to the transport.
    Words come before the decision, so it never stands alone: read it with the row below it.
    """
    from duologue_bench.corpus import load
    from duologue_bench.latency import measure, summary
    from duologue_bench.parts import instant_parts, local_parts

    if plot is not None:
        from duologue_bench.plot import check_plot

        check_plot(plot)
    parts = instant_parts() if instant else local_parts()
    with progress(f"{turns} turns", turns) as show:
        answered = asyncio.run(
            measure(
                load(the_half(half)), parts.engine, parts.stt, parts.tts, parts.agent, turns=turns, on_progress=show
            )
        )
    if raw is not None:
        write_rows(raw, (a.as_dict() for a in answered))
    found = {"half": half, "instant": instant, **summary(answered)}
    if plot is not None:
        from duologue_bench.distribution import draw_latencies

        processing, voices = [a.processing_s for a in answered], [a.voice_to_voice_s for a in answered]
        draw_latencies(
            {"processing": processing, "voice to voice": voices},
            plot,
            f"One caller, {len(answered)} turns, {half} half",
        )
    if as_json:
        print_json(found)
    else:
        _print(found)
    if len(answered) < turns:
        notes.print(f"Only {len(answered)} turns could be answered in this half.", style="yellow")


def _print(found: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("milliseconds, with 95% intervals")
    for name in ("p50", "p95"):
        table.add_column(name, justify="right")
    for key, label in ROWS.items():
        table.add_row(label, *(_ms(found[key][name]) for name in ("p50", "p95")))
    console.print(table)
    console.print(f"{found['turns']} turns, {found['speculation_hits']} of them prepared before the decision")


def _ms(estimate: dict[str, float | None]) -> str:
    value, low, high = (estimate[name] for name in ("value", "low", "high"))
    if value is None:
        return "none"
    return f"{value * 1000:.1f}" + (f" [{low * 1000:.1f}, {high * 1000:.1f}]" if low is not None and high else "")
