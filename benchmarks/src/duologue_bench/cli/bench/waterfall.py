"""`duologue bench waterfall`: whether the server is right about how long its turns take."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from duologue.cli.callers_rows import turns_of
from duologue.cli.output import AsJson, console, print_json, progress, write_rows
from duologue_bench.cli.bench.options import ListenerName, LoadName, Seed, held_as_dicts, load_of

__all__ = ["waterfall"]


def waterfall(
    sessions: Annotated[int, typer.Option(min=1, help="Conversations at once.")] = 20,
    seconds: Annotated[float, typer.Option(min=10.0, help="Measured, after all callers have begun.")] = 120.0,
    load: LoadName = "normal",
    listener: ListenerName = "uvicorn",
    seed: Seed = 1,
    raw: Annotated[Path | None, typer.Option(help="Write each turn to this file, a JSON object a line.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the server's waterfall of each turn with what simulated callers measure from the audio.

    The callers converse over WebSockets with a server in another process; all models are real. A caller measures from
    the last audible sample that it sent to the first audible sample that it plays. Exits with 1 if a limit is broken:
    the parts of each turn must add up to its latency within 1 ms, and the server's figure must be within 60 ms of the
    caller's in 95% of turns, beyond a bias that is the same for all.
    """
    from duologue_bench.conversations import WARM_S
    from duologue_bench.waterfall import check, compare, measure_waterfall

    with progress("warming the models", WARM_S + sessions / 4 + seconds) as show:
        began = 0.0

        def tell(what: str, now: Any) -> None:
            nonlocal began
            began = began if what.startswith("warming") else WARM_S
            show(began + now.seconds, what)

        result = asyncio.run(
            measure_waterfall(
                sessions, load_of(load), seconds, seed=seed, options=["--listener", listener], on_progress=tell
            )
        )
    if raw is not None:
        write_rows(raw, turns_of([result]))
    compared = compare(result)
    held = check(compared)
    if as_json:
        print_json({"load": load, "listener": listener, **compared.as_dict(), "limits": held_as_dicts(held)})
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column()
        table.add_column(justify="right")
        for label, value in (
            ("turns with a waterfall", str(compared.waterfalls)),
            ("their parts miss their latency by at most, ms", _ms(compared.unbalanced_s)),
            ("turns that both sides measured", str(compared.turns)),
            ("latency p50 by the server, ms", _ms(compared.server_p50_s)),
            ("latency p50 by the caller, ms", _ms(compared.caller_p50_s)),
            ("bias: the server less the caller, median, ms", _ms(compared.bias_s)),
            ("of it: the server hears the end of speech at another sample, ms", _ms(compared.of_it_speech_end_s)),
            ("distance from it p50 / p95 / most, ms", _spread(compared)),
            *((f"{name.replace('_', ' ')} p50, ms", _ms(value)) for name, value in compared.parts_p50_s.items()),
        ):  # fmt: skip
            table.add_row(label, value)
        console.print(table)
        for h in held:
            if not h.ok:
                console.print(f"broken: {h.name} is {h.value}, and the limit is {h.limit:g}")
    if not all(h.ok for h in held):
        raise typer.Exit(1)


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.1f}"


def _spread(compared: Any) -> str:
    return " / ".join(map(_ms, (compared.spread_p50_s, compared.spread_p95_s, compared.spread_max_s)))
