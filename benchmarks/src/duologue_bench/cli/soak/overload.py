"""`duologue soak overload`: three times as many callers as may be carried, and back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from duologue.cli.output import AsJson, console, print_json, progress
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
    from duologue_bench.soak.overload import Overload, Step

__all__ = ["overload"]


def overload(
    capacity: Annotated[int, typer.Option(min=1, help="Calls that the server is to carry.")] = 50,
    max_sessions: Annotated[
        int | None,
        typer.Option(
            "--max-sessions",
            min=1,
            help="Calls that it lets in: --capacity, or more, and then what it measures of itself decides.",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=2.0, help="How long each load is offered.")] = 120.0,
    load: LoadName = "normal",
    listener: ListenerName = "uvicorn",
    seed: Seed = 1,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """More callers than a server may carry: those who are let in must not notice, those who are not must be told.

    1, 1.5, 2, 2.5 and 3 times as many callers as `--capacity` want to book a table, then once again: each load for
    `--seconds`, one after another without a break. Who is refused comes again when told to, as people do a little later
    than that, and after three refusals stays away for a minute. All models are real, and answers are not cached.

    p95s of those who are let in must stay within 1.5 times those at the first load; no call may break off; each refusal
    must bear a code, a reason and a time; 95% of the bookings that are over must be as wanted; and 10 s after the load
    has fallen calls are let in again. Exits with 1 where that does not hold.
    """
    check_plot_option(plot)
    from duologue_bench.soak.overload import check

    found = asyncio.run(_run(capacity, max_sessions or capacity, seconds, load_of(load), seed, listener))
    held = check(found)
    if plot is not None:
        from duologue_bench.soak.plot import draw_overload

        draw_overload(found, plot)
    if as_json:
        print_json({**found.as_dict(), "listener": listener, "limits": held_as_dicts(held)})
    else:
        _print(found)
        tell_limits(held)
    exit_where_broken(held)


async def _run(capacity: int, most: int, seconds: float, load: Any, seed: int, listener: str) -> Overload:
    from duologue_bench.conversations import CHUNK_MS
    from duologue_bench.server import ServerProcess
    from duologue_bench.soak.overload import FACTORS, overload

    options = ["--listener", listener, "--max-sessions", str(most), "--chunk-ms", str(CHUNK_MS), "--cache-mb", "0"]
    with progress("the server starts", (len(FACTORS) + 1.75) * seconds) as show:

        def tell(now: Progress, factor: float) -> None:
            show(now.seconds, f"{factor:g}x · {now.active} calls · {now.booked} booked · {now.refused} refused")

        async with ServerProcess(options) as server:
            return await overload(server, capacity, load, seconds, seed=seed, on_progress=tell)


def _print(found: Overload) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for step in found.steps:
        after = " again" if step is found.steps[-1] else ""
        table.add_column(f"{step.factor:g}x{after}", justify="right")
    rows: list[tuple[str, Any]] = [
        ("callers; calls carried", lambda s: f"{s.offered}; {s.carried:g}"),
        ("refusals", lambda s: _reasons(s)),
        ("stayed away", lambda s: f"{s.stayed_away}"),
        ("processing p50 / p95, ms", lambda s: pair(s.processing_s)),
        ("end of speech → first audio p50 / p95, ms", lambda s: pair(s.voice_to_voice_s)),
        ("turns", lambda s: f"{s.turns}"),
        ("starved frames; dropped input, s", lambda s: f"{s.starved_frames}; {s.dropped_s:g}"),
        ("booked / ended otherwise", lambda s: f"{s.booked} / {s.not_booked}"),
        ("calls lost", lambda s: f"{s.lost}"),
        ("words and speech late at the most, ms", lambda s: f"{s.lateness_s * 1000:.0f}"),
        ("server, MB", lambda s: f"{s.private_bytes / 1e6:.0f}"),
    ]
    for label, cell in rows:
        table.add_row(label, *(cell(step) for step in found.steps))
    console.print(table)
    console.print(
        f"after the load had fallen: a call was let in after {_seconds(found.admitted_after_s)}, "
        f"nothing stood against more after {_seconds(found.relaxed_after_s)}",
        soft_wrap=True,
    )
    r = found.result
    for how, count in r.lost.items():
        console.print(f"lost: {count} x {how}", soft_wrap=True)
    console.print(
        f"{sum(r.refusals.values())} refusals, {r.unclear_refusals} of them without a reason or a time; "
        f"{r.starved_frames} starved frames in all",
        soft_wrap=True,
    )


def _reasons(step: Step) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in step.refusals.items()) or "0"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"
