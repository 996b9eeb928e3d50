"""`duologue soak churn`: thousands of short calls, and what is left of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from duologue.cli.output import AsJson, console, print_json, progress
from duologue.errors import ConfigError
from duologue_bench.cli.bench.options import ListenerName, Plot, Seed, check_plot_option, held_as_dicts
from duologue_bench.cli.soak.outcome import exit_where_broken, tell_limits

if TYPE_CHECKING:
    from duologue_bench.soak.churn import Churned, Sample

__all__ = ["churn"]


def churn(
    sessions: Annotated[int, typer.Option(min=4, help="Calls in all.")] = 10_000,
    at_once: Annotated[int, typer.Option("--at-once", min=1, help="Calls at a time.")] = 50,
    every: Annotated[
        int, typer.Option(min=1, help="Calls between looks at the server, for which it is left in peace.")
    ] = 500,
    warm_up: Annotated[
        int | None,
        typer.Option("--warm-up", min=1, help="Calls after which memory may no longer grow; 1,000, or a third."),
    ] = None,
    listener: ListenerName = "uvicorn",
    seed: Seed = 1,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Thousands of short calls to one server: what it holds must not grow.

    Of twenty callers seven say a word or two and hang up, five wait for the answer to begin, two hang up in the midst
    of the greeting, three vanish while they speak, and three send nonsense: sound or broken JSON where `start` belongs,
    unknown messages, odd bytes, too long a message, text that is none, something that is no HTTP. All models are real.

    Before, and after each `--every` calls, all hang up, and private memory, threads, asyncio tasks and file descriptors
    of the server are read. Tasks and descriptors must be those from before the first call, threads those from the end
    of the warm-up; memory may grow by 1 MB for each 1,000 calls after it. Each call must end with the code that it
    should. Exits with 1 where that does not hold.
    """
    check_plot_option(plot)
    warm_up = min(1000, sessions // 3) if warm_up is None else warm_up
    if warm_up + every > sessions:
        every = max(1, (sessions - warm_up) // 2)
    if warm_up >= sessions:
        raise ConfigError(
            f"A warm-up of {warm_up} calls leaves none of {sessions} to look at.", hint="Make it shorter."
        )
    from duologue_bench.soak.churn import check

    churned = asyncio.run(_run(sessions, at_once, every, warm_up, seed, listener))
    held = check(churned)
    if plot is not None:
        from duologue_bench.soak.plot import draw_churn

        draw_churn(churned, plot)
    if as_json:
        print_json({**churned.as_dict(), "limits": held_as_dicts(held)})
    else:
        _print(churned)
        tell_limits(held)
    exit_where_broken(held)


async def _run(sessions: int, at_once: int, every: int, warm_up: int, seed: int, listener: str) -> Churned:
    from duologue_bench.server import ServerProcess
    from duologue_bench.soak.churn import churn

    options = ["--listener", listener, "--max-sessions", str(at_once + 50)]
    with progress("the server starts", sessions) as show:

        def tell(done: int, last: Sample) -> None:
            held = f"{last.private_bytes / 1e6:.0f} MB, {last.threads} threads, {last.tasks} tasks"
            show(done, f"{done} of {sessions} calls · {held}, {last.descriptors} descriptors at {last.sessions}")

        async with ServerProcess(options) as server:
            return await churn(
                server, sessions, at_once, every=every, warm_up=warm_up, seed=seed, on_progress=tell
            )  # fmt: skip


def _print(churned: Churned) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("calls", "private memory, MB", "threads", "tasks", "descriptors", "phrases kept, MB"):
        table.add_column(name, justify="right")
    for sample in churned.samples:
        table.add_row(
            f"{sample.sessions}", f"{sample.private_bytes / 1e6:.1f}", f"{sample.threads}", f"{sample.tasks}",
            f"{sample.descriptors}", f"{sample.cache_bytes / 1e6:.1f}",
        )  # fmt: skip
    console.print(table)
    made = ", ".join(f"{count} {kind}" for kind, count in churned.visits.items())
    console.print(f"{made}; {churned.refused} refusals, after which they came again", soft_wrap=True)
    for what, count in churned.otherwise.items():
        console.print(f"ended otherwise: {count} x {what}", soft_wrap=True)
    growth = churned.memory_per_1000
    told = "not measured" if growth is None else f"{growth / 1e6:+.2f} MB for each 1,000 calls"
    console.print(f"memory after {churned.warm_up} calls: {told}; {churned.seconds:.0f} s in all", soft_wrap=True)
