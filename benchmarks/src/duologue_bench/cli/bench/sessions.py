"""`duologue bench sessions`: how many conversations one process carries."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from duologue.cli.output import AsJson, console, notes, print_json, progress

if TYPE_CHECKING:
    from duologue_bench.figures import SessionsRun, Spread
    from duologue_bench.load import Line
    from duologue_bench.sessions import Work

__all__ = ["SoundFile", "Warm", "describe", "line_of", "sessions", "work_of"]

SoundFile = Annotated[
    Path | None,
    typer.Option("--sound", help="What callers say, played in a loop: any WAV file. Default: the corpus's callers."),
]
Warm = Annotated[float, typer.Option(help="Seconds before those that count.", min=0.0)]


def sessions(
    sessions: Annotated[int, typer.Option(help="Sessions at once; where the climb begins.", min=1)] = 250,
    seconds: Annotated[float, typer.Option(help="Seconds of audio for each session.")] = 10.0,
    warm: Warm = 4.0,
    find_capacity: Annotated[
        bool, typer.Option("--find-capacity", help="Climb until the process no longer keeps up, and print the knee.")
    ] = False,
    most: Annotated[int, typer.Option(help="With --find-capacity: climb no further.", min=1)] = 4000,
    sound: SoundFile = None,
    answer: Annotated[float, typer.Option(help="Seconds of speech in each sentence of an answer.", min=0.02)] = 1.0,
    long_every: Annotated[
        int, typer.Option(help="Each so-manyth answer goes on until the user interrupts it; 0: none.", min=0)
    ] = 4,
    telemetry: Annotated[
        bool, typer.Option("--telemetry/--no-telemetry", help="Count what happens, or nothing.")
    ] = True,
    otlp: Annotated[
        str, typer.Option(metavar="URL", help="Send metrics each second, and all traces, to this collector.")
    ] = "",
    resilient: Annotated[
        bool, typer.Option("--resilient", help="Recognizer and voice are lists of two, with breakers and deadlines.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="With --find-capacity: a picture of the climb, as PNG, SVG or PDF.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Whole conversations in one process in real time: real Silero; words, answers and speech are instant fakes.

    The process keeps up where every window was scored, no input was dropped, and p99 of the chunks' lateness is under
    20 ms.
    """
    from duologue.telemetry import TelemetryConfig
    from duologue.vad.silero import Silero
    from duologue_bench.capacity import climb
    from duologue_bench.plot import check_plot
    from duologue_bench.sessions import measure

    if plot is not None:
        if not find_capacity:
            raise typer.BadParameter("--plot draws what --find-capacity finds.", param_hint="--plot")
        check_plot(plot)
    work = work_of(sound, answer, long_every)
    counted = TelemetryConfig(metrics=telemetry, otlp_endpoint=otlp, sample=1.0, export_interval=1.0)

    def once(count: int) -> SessionsRun:
        with progress(f"{count} sessions", warm + seconds) as show:
            return asyncio.run(
                measure(
                    Silero(),
                    work,
                    sessions=count,
                    seconds=seconds,
                    warm=warm,
                    telemetry=counted,
                    resilient=resilient,
                    on_progress=show,
                )
            )

    if not find_capacity:
        run = once(sessions)
        if as_json:
            print_json(run.as_dict())
        else:
            describe(run)
        return
    runs: list[SessionsRun] = []
    search = climb(min(sessions, most), most=most)
    count = next(search)
    while True:
        runs.append(run := once(count))
        notes.print(
            f"{count} sessions: {'keeps up' if run.kept_up else 'falls behind'}, "
            f"late p99 {run.lateness.p99 * 1000:.1f} ms, {run.core_share:.0%} of a core"
        )
        try:
            count = search.send(run.kept_up)
        except StopIteration as over:
            knee = int(over.value)
            break
    if plot is not None:
        from duologue_bench.climb_plot import draw_climb

        draw_climb(runs, plot)
    if as_json:
        print_json({"knee": knee, "runs": [run.as_dict() for run in runs]})
        return
    best = [run for run in runs if run.sessions == knee and run.kept_up]
    if best:
        describe(best[-1])
    console.print(f"Knee: {knee} sessions; the next size that was tried and failed is at most 5% above.")


def work_of(sound: Path | None, answer_s: float, long_every: int) -> Work:
    """What callers say, from a file or the corpus, and how they are answered."""
    from duologue_bench.sessions import Work

    return Work(line_of(sound), answer_s, long_every)


def line_of(sound: Path | None) -> Line:
    """What comes down a caller's line: a file, or a caller of the corpus."""
    from duologue.cli.sound_files import read_sound
    from duologue_bench.load import heard_line, line

    return line() if sound is None else heard_line(read_sound(sound))


def describe(run: SessionsRun) -> None:
    """Print a run as text."""
    mb = 2**20
    lines = (
        f"{run.sessions} sessions, {run.seconds:g} s of audio each: {'keeps up' if run.kept_up else 'FALLS BEHIND'}",
        f"CPU         {run.cpu_per_chunk_s * 1e6:.1f} µs a chunk of 20 ms; {run.core_share:.0%} of one core",
        f"chunks      late {_ms(run.lateness)}; {run.scored:.2%} of windows scored; "
        f"{run.dropped_samples} samples dropped; {run.errors} errors",
        f"turns       {run.turns}; decided {_ms(run.decided)} after the sample that settles it was due",
        f"processing  {_ms(run.processing)} from a turn's decision to its first audible sample",
        f"barge-in    {run.silenced.count}; silent {_ms(run.silenced)} after the decision,",
        f"            {_ms(run.yielded)} after the sample that settles it was due,",
        f"            {_ms(run.onsets)} after the user's first sample ({run.onsets.count} labelled); "
        f"{run.frames_after} frames after silence",
        f"output      {run.starved_frames} frames starved",
        f"memory      {run.used_bytes / mb:.2f} MB private a session; {run.idle_bytes / mb:.3f} MB before it began",
        f"creation    {_ms(run.created)}",
    )
    for line in lines:
        console.print(line, soft_wrap=True)


def _ms(spread: Spread) -> str:
    if not spread.count:
        return "(none)"
    return f"p50 {spread.p50 * 1000:.2f}, p95 {spread.p95 * 1000:.2f}, p99 {spread.p99 * 1000:.2f} ms"
