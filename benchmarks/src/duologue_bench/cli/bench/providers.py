"""`duologue bench providers`: what network providers add at many sessions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from duologue.cli.output import AsJson, console, notes, print_json, progress
from duologue_bench.cli.bench.sessions import SoundFile, Warm, line_of

if TYPE_CHECKING:
    from duologue_bench.load import Line
    from duologue_bench.providers.beside import Attempt
    from duologue_bench.providers.script import Latencies

__all__ = ["providers"]


def providers(
    sessions: Annotated[int, typer.Option(help="Sessions at once; with --peers, the most.", min=1)] = 300,
    seconds: Annotated[float, typer.Option(help="Seconds of audio for each session.")] = 30.0,
    warm: Warm = 5.0,
    stt: Annotated[float, typer.Option(help="Seconds that the recognizer takes for the final words.")] = 0.15,
    llm: Annotated[float, typer.Option(help="Seconds to the model's first token.")] = 0.25,
    tts: Annotated[float, typer.Option(help="Seconds to the voice's first audio.")] = 0.1,
    sound: SoundFile = None,
    peers: Annotated[
        bool, typer.Option("--peers", help="Beside Pipecat and LiveKit Agents, at 1, 2, 4, ... sessions.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Deepgram, a language model and ElevenLabs at many sessions in one process: what is added to what they take.

    The three are stand-ins in a second process, on the loopback. Speech is detected by real Silero. By default callers
    speak turns of the corpus, four a minute.

    With --peers, Pipecat and LiveKit Agents, with their own plugins for the three, and duologue are each tried in a
    process of their own with more and more sessions, until they no longer keep up. The peers' environments are made in
    the cache: a few minutes, once.
    """
    from duologue.vad.silero import Silero
    from duologue_bench.figures import Spread
    from duologue_bench.providers.line import turns_line
    from duologue_bench.providers.run import measure_providers
    from duologue_bench.providers.script import Latencies

    latencies = Latencies(stt, llm, tts)
    line = turns_line() if sound is None else line_of(sound)
    if peers:
        _beside_peers(line, latencies, most=sessions, seconds=seconds, warm=warm, as_json=as_json)
        return
    with progress(f"{sessions} sessions", warm + seconds) as show:
        found = asyncio.run(
            measure_providers(
                Silero(),
                line,
                sessions=sessions,
                seconds=seconds,
                warm=warm,
                latencies=latencies,
                on_progress=show,
            )
        )
    if as_json:
        print_json(found.as_dict())
        return
    run, told = found.run, found.as_dict()

    def ms(spread: Spread) -> str:
        return f"p50 {spread.p50 * 1000:.1f}, p95 {spread.p95 * 1000:.1f} ms" if spread.count else "(none)"

    state = "keeps up" if run.kept_up else "FALLS BEHIND"
    late = told["stand_ins"]["late"]
    for text in (
        f"{run.sessions} sessions, {run.seconds:g} s of audio each: {state}",
        f"added       {ms(found.added)} a turn, of {found.added.count} turns,",
        f"            of which words {ms(found.words)}; reply {ms(found.reply)}",
        f"output      {run.starved_frames} frames starved",
        f"CPU         {told['server_cores']:.2f} cores; stand-ins {told['stand_ins_cores']:.2f}; "
        f"other programs {told['other_cores']:.2f}",
        f"chunks      late {ms(run.lateness)}; {run.dropped_samples} samples dropped; {run.errors} errors",
        f"stand-ins   late p50 {late['p50_ms']}, p95 {late['p95_ms']} ms, which is in what is added",
    ):
        console.print(text, soft_wrap=True)


def _beside_peers(line: Line, latencies: Latencies, *, most: int, seconds: float, warm: float, as_json: bool) -> None:
    from duologue_bench.peers import peers_in
    from duologue_bench.peers.environment import SCRIPTS, prepare
    from duologue_bench.providers.beside import Contestant, Duologue, compare, report

    found, told = peers_in(prepare(SCRIPTS, notes.print))
    for reason in told:
        notes.print(reason)
    contestants: list[Contestant] = [Duologue(latencies), *found]
    attempts = asyncio.run(
        compare(contestants, line, most=most, seconds=seconds, warm=warm, latencies=latencies, on_attempt=_tell)
    )
    titles = {contestant.name: contestant.title for contestant in contestants}
    if as_json:
        print_json({"titles": titles, "attempts": [attempt.as_dict() for attempt in attempts]})
    else:
        console.print(report(titles, attempts, latencies), soft_wrap=True)


def _tell(attempt: Attempt) -> None:
    lap = attempt.lap
    state = lap.error or ("keeps up" if attempt.kept_up else "falls behind")
    reply = lap.figures.get("reply_p50_ms")
    added = "" if reply is None else f", {reply:.0f} ms added to a reply"
    notes.print(f"{lap.who}, {lap.sessions} sessions: {state}{added} (others use {lap.others:.1f} cores)")
