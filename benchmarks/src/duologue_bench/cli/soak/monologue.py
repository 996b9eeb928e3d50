"""`duologue soak monologue`: one caller who never stops talking."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from duologue.cli.output import AsJson, console, print_json, progress, write_rows
from duologue_bench.cli.bench.options import (
    ListenerName,
    LoadName,
    Plot,
    Seed,
    check_plot_option,
    held_as_dicts,
    load_of,
)
from duologue_bench.cli.soak.outcome import exit_where_broken, pair, tell_limits

if TYPE_CHECKING:
    from duologue.callers.run import Progress
    from duologue_bench.soak.monologue import Monologue

__all__ = ["monologue"]


def monologue(
    sessions: Annotated[int, typer.Option(min=2, help="Calls at once, the monologue among them.")] = 50,
    minutes: Annotated[float, typer.Option(min=3.0, help="How long the monologue lasts.")] = 60.0,
    apart: Annotated[
        float | None,
        typer.Option(min=0.5, help="Minutes of the others alone, before and after it; a quarter of --minutes."),
    ] = None,
    load: LoadName = "normal",
    listener: ListenerName = "uvicorn",
    seed: Seed = 1,
    raw: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write each turn of the others to this file, a JSON object a line."),
    ] = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """One caller who never stops talking, among many who book tables: the others must not notice.

    First the others alone, then with the monologue, one call from beginning to end, then alone again; they want and do
    the same each time. All models are real, and answers are not cached.

    p95s of the others, from decided and from the end of speech to the first audible sample, must be within 1.1 of those
    without the monologue; and all that it said must be in a transcript, or told to be missing. A shared machine may be
    slower for minutes: each minute without the monologue is set beside one with it in which a second of call cost the
    callers as much CPU, within a fiftieth, and three fifths must find one. In these nobody may be refused, as fewer
    calls are answered sooner. Exits with 1 where that does not hold.
    """
    check_plot_option(plot)
    from duologue_bench.soak.monologue import check

    alone = minutes / 4 if apart is None else apart
    found = asyncio.run(_run(sessions, load_of(load), 60 * minutes, 60 * alone, seed, listener))
    if raw is not None:
        write_rows(raw, ({"phase": p.name, **turn.as_dict()} for p in found.phases for turn in p.result.raw))
    if plot is not None:
        from duologue_bench.soak.plot import draw_monologue

        draw_monologue(found, plot)
    held = check(found)
    if as_json:
        print_json({**found.as_dict(), "listener": listener, "limits": held_as_dicts(held)})
    else:
        _print(found)
        tell_limits(held)
    exit_where_broken(held)


async def _run(sessions: int, load: Any, seconds: float, apart: float, seed: int, listener: str) -> Monologue:
    from duologue_bench.conversations import CHUNK_MS
    from duologue_bench.server import ServerProcess
    from duologue_bench.soak.monologue import monologue

    options = [
        "--listener", listener, "--max-sessions", "1000", "--chunk-ms", str(CHUNK_MS), "--cache-mb", "0",
        "--timeout", str(seconds + 600),
    ]  # fmt: skip
    begins = {"before": 0.0, "with": apart, "after": apart + seconds}
    with progress("the server starts", 2 * apart + seconds) as show:

        def tell(phase: str, now: Progress) -> None:
            label = "with the monologue" if phase == "with" else f"{phase} the monologue"
            show(begins[phase] + now.seconds, f"{label} · {now.active} calls · {now.turns} turns · {now.booked} booked")

        async with ServerProcess(options) as server:
            return await monologue(server, sessions, load, seconds, apart, seed=seed, on_progress=tell)


def _print(found: Monologue) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("", "without", "with", "p95 ratio"):
        table.add_column(name, justify="right" if name else "left")
    for label, of in (
        ("processing p50 / p95, ms", found.processing_s),
        ("end of speech → first audio p50 / p95, ms", found.voice_to_voice_s),
    ):
        usual, beside = of(with_it=False), of(with_it=True)
        ratio = f"{beside.p95 / usual.p95:.2f}" if beside.p95 is not None and usual.p95 else "none"
        table.add_row(label, pair(usual), pair(beside), ratio)
    console.print(table)
    console.print(
        f"compared: {_minutes(found, True)} with the monologue, {_minutes(found, False)} without it, "
        f"in which the machine was as fast; {found.refused(with_it=True)} calls refused in these with it, "
        f"{found.refused(with_it=False)} without",
        soft_wrap=True,
    )
    if found.disturbed:
        console.print(
            f"left out: {len(found.disturbed)} minutes in which something else on the machine used up to "
            f"{max(piece.others for piece in found.disturbed):.1f} cores",
            soft_wrap=True,
        )
    for phase in found.phases:
        r = phase.result
        console.print(
            f"{phase.name}: {r.turns} turns, {r.bookings['booked']} booked, processing {pair(r.processing_s)} ms, "
            f"end of speech → first audio {pair(r.voice_to_voice_s)} ms, {r.starved_frames} starved frames",
            soft_wrap=True,
        )
    spoken = sum(story.spoken_s for story in found.stories)
    wrong = found.word_error_rate
    console.print(
        f"the monologue: {spoken:.0f} of {found.seconds:.0f} s heard out in {len(found.stories)} calls, "
        f"{sum(story.unaccounted_s for story in found.stories):.1f} s in no transcript and not told to be missing, "
        f"{'no words' if wrong is None else f'{wrong:.1%} of words wrong'}; {found.gap_s:g} s of input in gaps, of all",
        soft_wrap=True,
    )


def _minutes(found: Monologue, with_it: bool) -> str:
    seconds = sum(piece.seconds for piece in found.compared(with_it=with_it))
    return f"{seconds / 60:.0f} min ({found.compared_share(with_it=with_it):.0%})"
