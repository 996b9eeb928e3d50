"""`duologue bench peers`: duologue beside other runtimes."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from duologue.cli.output import AsJson, console, notes, print_json

if TYPE_CHECKING:
    from duologue_bench.peers.race import Lap

__all__ = ["peers"]


def peers(
    dir_: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            help="Scripts of your own in pipecat/ and livekit/, instead of those that come with this command.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(help="How often each measurement is taken, by turns.", min=1)] = 3,
    minutes: Annotated[float, typer.Option(help="After this long nothing more is begun.", min=1.0)] = 15.0,
    cores: Annotated[
        str | None, typer.Option(help="The cores that all are kept on, as 0 or 0,1. Default: all there are.")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(help="Put the tables between the markers of this document.", exists=True, dir_okay=False),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Where the picture goes. Default with --write: images/peers.svg beside it.")
    ] = None,
    raw: Annotated[Path | None, typer.Option(help="Keep what every command printed, as JSON.", dir_okay=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Sessions kept up with, CPU, memory, latency and barge-in of Pipecat, LiveKit Agents and duologue, by turns.

    All do the same kind of work: 20 ms chunks of 16 kHz, a phrase and a pause, real Silero, instant words, answers
    and speech. The peers' environments are made in the cache: a minute or two, once. With `--dir`, a peer that is
    not in the folder is left out.
    """
    from duologue.errors import ConfigError
    from duologue_bench.document import check_document, write_between
    from duologue_bench.peers import peers_in
    from duologue_bench.peers.duologue_peer import Duologue
    from duologue_bench.peers.environment import SCRIPTS, prepare
    from duologue_bench.peers.picture import draw_race
    from duologue_bench.peers.race import run_race
    from duologue_bench.peers.report import report
    from duologue_bench.peers.sound import write_cycles
    from duologue_bench.peers.trial import Contestant
    from duologue_bench.plot import check_plot

    if write is not None:
        check_document(write, "peers")
        plot = plot or write.parent / "images" / "peers.svg"
    if plot is not None:
        check_plot(plot)
    if raw is not None and not raw.parent.is_dir():
        raise ConfigError(f"There is no folder {raw.parent} to write the raw data to.")
    folder_of_peers = prepare((dir_ or SCRIPTS).resolve(), notes.print)
    found, told = peers_in(folder_of_peers)
    for line in told:
        notes.print(line)
    if cores is not None:
        os.sched_setaffinity(0, _cores(cores))
    with tempfile.TemporaryDirectory() as folder:
        cycle, dense = write_cycles(folder_of_peers, Path(folder))
        contestants: list[Contestant] = [Duologue(cycle, dense), *found]
        race = run_race(contestants, rounds=rounds, limit_s=minutes * 60, on_lap=_tell)
    if raw is not None:
        raw.write_text(json.dumps(race.as_dict(), indent=1), encoding="utf-8")
    if plot is not None:
        draw_race(race, plot)
    picture = os.path.relpath(plot, write.parent) if plot and write else None
    text = report(race, cores=len(os.sched_getaffinity(0)), rounds=rounds, picture=picture)
    if write is not None:
        write_between(write, "peers", text)
    if as_json:
        print_json(race.as_dict())
    else:
        console.print(text, soft_wrap=True)


def _cores(text: str) -> set[int]:
    try:
        cores = {int(part) for part in text.split(",")}
    except ValueError:
        raise typer.BadParameter("expected numbers, as 0,1.", param_hint="--cores") from None
    if not cores <= os.sched_getaffinity(0):
        raise typer.BadParameter(f"this process may use {sorted(os.sched_getaffinity(0))}.", param_hint="--cores")
    return cores


def _tell(lap: Lap) -> None:
    shown = {
        "cpu_us": "µs a chunk",
        "late_p99_ms": "ms late p99",
        "processing_p50_ms": "ms to first audio",
        "silenced_p50_ms": "ms from decision to silence",
        "onset_p50_ms": "ms from voice to silence",
    }
    figures = [f"{lap.figures[name]:.1f} {unit}" for name, unit in shown.items() if name in lap.figures]
    if "kept_up" in lap.figures:
        figures.append("keeps up" if lap.figures["kept_up"] else "falls behind")
    sessions = f" {lap.sessions}" if lap.what == "load" else ""
    told = lap.error or ", ".join(figures) or "done"
    notes.print(f"{lap.who}, {lap.what}{sessions}: {told} ({lap.seconds:.0f} s; others use {lap.others:.1f} cores)")
