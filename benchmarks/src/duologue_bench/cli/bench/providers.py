"""`duologue bench providers`: what network providers add at many sessions."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from duologue.cli.output import AsJson, console, print_json, progress
from duologue_bench.cli.bench.sessions import SoundFile, Warm, line_of

__all__ = ["providers"]


def providers(
    sessions: Annotated[int, typer.Option(help="Sessions at once.", min=1)] = 300,
    seconds: Annotated[float, typer.Option(help="Seconds of audio for each session.")] = 30.0,
    warm: Warm = 5.0,
    stt: Annotated[float, typer.Option(help="Seconds that the recognizer takes for the final words.")] = 0.15,
    llm: Annotated[float, typer.Option(help="Seconds to the model's first token.")] = 0.25,
    tts: Annotated[float, typer.Option(help="Seconds to the voice's first audio.")] = 0.1,
    sound: SoundFile = None,
    as_json: AsJson = False,
) -> None:
    """Deepgram, a language model and ElevenLabs at many sessions in one process: what is added to what they take.

    The three are stand-ins in a second process, on the loopback. Speech is detected by real Silero. By default callers
    speak turns of the corpus, four a minute.
    """
    from duologue.vad.silero import Silero
    from duologue_bench.figures import Spread
    from duologue_bench.providers.line import turns_line
    from duologue_bench.providers.run import measure_providers
    from duologue_bench.providers.script import Latencies

    latencies = Latencies(stt, llm, tts)
    line = turns_line() if sound is None else line_of(sound)
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
