"""`duologue callers`: simulated people call a server, and what they hear is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from duologue.cli.callers_rows import line_of, turns_of
from duologue.cli.options import finite
from duologue.cli.output import AsJson, notes, print_json, progress, result_file, write_rows

if TYPE_CHECKING:
    from duologue.callers.plan import Plan
    from duologue.callers.result import Result
    from duologue.callers.voice import Sound

__all__ = ["callers"]


def callers(
    url: Annotated[
        str, typer.Option(help="The server's stream, as ws://HOST:PORT/v1/stream; the path may be left out.")
    ] = "ws://127.0.0.1:8000/v1/stream",
    sessions: Annotated[int, typer.Option(min=1, help="Callers at once; each calls again when its call is over.")] = 1,
    seconds: Annotated[
        float, typer.Option(min=1.0, callback=finite, help="How long to measure, after the ramp.")
    ] = 60.0,
    script: Annotated[
        str, typer.Option(help="What they do: booking, monologue, interrupter, silent, or mixed (7:1:1:1).")
    ] = "booking",
    load: Annotated[
        str, typer.Option(help="How much they talk: normal (35% of the time, 4 turns a minute), brisk (40%, 7).")
    ] = "normal",
    seed: Annotated[int, typer.Option(min=0, help="Fixes what each caller wants and does.")] = 1,
    ramp: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            callback=finite,
            help="Seconds in which the callers start one after another, not measured; by default 0.1 s for each.",
        ),
    ] = None,
    raw: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write each turn to this file, a JSON object a line.", callback=result_file),
    ] = None,
    chunk_ms: Annotated[
        int,
        typer.Option(
            "--chunk-ms", help="Milliseconds of audio in each message: 20 or 40.", min=20, max=40, clamp=False
        ),
    ] = 20,
    find_capacity: Annotated[
        bool,
        typer.Option("--find-capacity", help="Start with --sessions callers, and find how many the server carries."),
    ] = False,
    chaos: Annotated[
        int | None,
        typer.Option(
            metavar="SEED",
            min=0,
            help="Callers lose their connections, stay away and come back, at random; every call must go on.",
        ),
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="DUOLOGUE_TOKEN", help="With --chaos: the token that the server asks for.")
    ] = None,
    recorded: Annotated[
        bool,
        typer.Option("--recorded", help="Callers with the script monologue play the corpus's recordings of people."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Call a server as people do, at their pace, and measure what is heard.

    The server must answer when this begins; then all speech is synthesized before the first call. The exit status is 1
    if the callers were too slow to measure, or the server could not be reached. Ctrl-C prints what was measured so far.
    """
    from duologue.callers.dial import check_reachable
    from duologue.callers.load import LOADS
    from duologue.callers.plan import SCRIPTS, Plan

    if chaos is not None:
        from duologue.cli.callers_chaos import run_and_print

        asyncio.run(check_reachable(_stream(url), is_to_welcome=False))
        run_and_print(_stream(url), sessions, seconds, chaos, token, as_json=as_json)
        return
    if script not in SCRIPTS:
        raise typer.BadParameter(
            f"there is no script {script!r}; choose from {', '.join(SCRIPTS)}", param_hint="--script"
        )
    if load not in LOADS:
        raise typer.BadParameter(f"there is no load {load!r}; choose from {', '.join(LOADS)}", param_hint="--load")
    if ramp is None:
        ramp = min(20.0, sessions / 10)
    if chunk_ms % 20:
        raise typer.BadParameter(f"{chunk_ms} ms are not whole frames of 20 ms", param_hint="--chunk-ms")
    plan = Plan(_stream(url), sessions, seconds, script, LOADS[load], seed, ramp, chunk_ms)
    asyncio.run(check_reachable(plan.url))
    recordings = None
    if recorded:
        from duologue.cli.extensions import RECORDINGS, load_extension

        recordings = load_extension(RECORDINGS, "corpus")("test")
        plan = replace(plan, story=tuple(recordings))
    if find_capacity:
        from duologue.cli.callers_capacity import find

        find(plan, recordings, raw=raw, as_json=as_json)
        return
    result = run_plan(plan, recordings)
    if raw is not None:
        write_rows(raw, turns_of([result]))
    if as_json:
        print_json(result.as_dict())
    else:
        from duologue.cli.callers_table import print_result

        print_result(result)
    if result.interrupted:
        raise typer.Exit(130)
    if not result.valid:
        notes.print(f"error: the run is void: {result.why_void}.", style="red")
        raise typer.Exit(1)
    if not result.calls:
        codes = ", ".join(result.refusals) or "none was tried"
        notes.print(f"error: no call was opened ({codes}). Is {plan.url} there, and has it room?", style="red")
        raise typer.Exit(1)


def run_plan(plan: Plan, recorded: Mapping[str, Sound] | None = None) -> Result:
    """Make the speech that is not recorded, and run."""
    from duologue.callers.run import prepare_run, run

    with progress("speech", 1.0) as show:
        utterances = prepare_run(plan, recorded=recorded, on_progress=lambda done, of: show(done / of))
    with progress(f"{plan.sessions} callers", plan.ramp + plan.seconds) as show:
        return asyncio.run(run(plan, utterances, on_progress=lambda now: show(now.seconds, line_of(now, plan))))


def _stream(url: str) -> str:
    """The address of the stream, from what people have at hand."""
    address = url.replace("http://", "ws://", 1).replace("https://", "wss://", 1).rstrip("/")
    if "://" not in address:
        address = f"ws://{address}"
    host = address.partition("://")[2]
    return address if "/" in host else f"{address}/v1/stream"
