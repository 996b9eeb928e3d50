"""`duologue bench denoise`: what noise suppression does to the detector of speech and to the recognizer."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from rich.table import Table

from duologue.cli.output import AsJson, console, print_json

__all__ = ["denoise"]


def denoise(
    items: Annotated[int, typer.Option(help="Items of the corpus, half of them of real people.", min=2)] = 30,
    half: Annotated[str, typer.Option(help="dev, to choose by; test, to report.")] = "test",
    level: Annotated[list[int] | None, typer.Option(help="Levels of WebRTC's filter, 0 to 3 [default: 1].")] = None,
    as_json: AsJson = False,
) -> None:
    """Errors of Silero and of Moonshine on the corpus in noise, with WebRTC's noise suppression and without."""
    from duologue.denoise.webrtc import WebRtcDenoiser
    from duologue.stt.moonshine import Moonshine
    from duologue.vad.silero import Silero
    from duologue_bench.corpus import load
    from duologue_bench.denoise import measure_by_noise, sample_of

    chosen = sample_of(load("dev" if half == "dev" else "test"), items)
    vad, stt = Silero(), Moonshine()
    makers = {"": None, **{f"webrtc, level {each}": partial(WebRtcDenoiser, level=each) for each in level or [1]}}
    measured = measure_by_noise(chosen, vad, lambda audio: stt.run([audio])[0], makers)
    rows = [result.as_dict() for result in measured]
    if as_json:
        print_json({"items": len(chosen), "half": half, "rows": rows})
        return
    table = Table(box=None, pad_edge=False)
    columns = ("version", "noise", "denoiser", "missed_percent", "false_percent", "word_error_percent")
    for column in columns:
        table.add_column(column.replace("_percent", " %").replace("_", " "))
    for row in rows:
        table.add_row(*(str(row[column]) or "–" for column in columns))
    console.print(table)
