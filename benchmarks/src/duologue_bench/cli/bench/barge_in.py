"""`duologue bench barge-in`: how soon the agent yields, and to what."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from duologue.cli.output import AsJson, console, print_json, progress
from duologue.errors import ConfigError
from duologue_bench.cli.bench.options import HalfName, the_half

__all__ = ["barge_in"]


def barge_in(
    half: HalfName = "dev",
    version: Annotated[str, typer.Option(help="Of the user's sound: clean, g711, noise20, noise10, noise5.")] = "clean",
    limit: Annotated[int | None, typer.Option(help="Play about so many interruptions, of all kinds.", min=1)] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it: a PNG, SVG or PDF file.", metavar="FILE")] = None,
    raw: Annotated[Path | None, typer.Option(help="Write each play to this JSON file.", metavar="FILE")] = None,
    as_json: AsJson = False,
) -> None:
    """Onset to silence, self-interruption by echo, backchannels and noises that took the floor, and what was resumed.

    Labelled interruptions in audio time, with what was really played mixed into the microphone: not at all, and at
    -10, -20 and -30 dB after 50 to 300 ms, in a room.
    """
    from duologue.settings.local import load_local
    from duologue_bench.barge_in import Ears, play, plays
    from duologue_bench.barge_in_plot import draw_barge_in
    from duologue_bench.corpus import load_barge_ins
    from duologue_bench.plot import check_plot
    from duologue_bench.yield_figures import summary

    if plot is not None:
        check_plot(plot)
    if raw is not None and not raw.parent.is_dir():
        raise ConfigError(f"There is no folder {raw.parent} to write to.")
    items = load_barge_ins(the_half(half))
    if limit is not None:
        items = items[:: max(1, round(len(items) / limit))]
    todo = plays(items)
    models = load_local(smart_turn=False)
    ears = Ears(models.vad, models.stt, models.words)
    with progress(f"{len(todo)} plays", 1.0) as show:
        outcomes = asyncio.run(play(todo, ears, version=version, on_progress=show))
    found = summary(outcomes)
    if raw is not None:
        raw.write_text(json.dumps([o.as_dict() for o in outcomes], ensure_ascii=False, indent=1) + "\n", "utf-8")
    if plot is not None:
        draw_barge_in(outcomes, found, plot, f"Barge-in, {half} half, {version}, {len(items)} interruptions")
    if as_json:
        print_json({"half": half, "version": version, "items": len(items), "echo": found})
        return
    console.print(f"{half} half, {version}, {len(items)} interruptions, {len(outcomes)} plays; 95% of resamples in [ ]")
    for name, figures in found.items():
        _print(name, figures)


def _print(name: str, f: dict[str, Any]) -> None:
    heading = {"none": "no echo", "echo": "all echoes"}.get(name, f"echo at {name} dB")
    own = f["self_interrupted"]
    console.print(f"\n{heading}", style="bold")
    for label, key in (("onset → ducked", "onset_to_ducked_s"), ("onset → paused", "onset_to_paused_s")):
        console.print(f"  {label}           p50 {_ms(f[key]['p50'])}   p95 {_ms(f[key]['p95'])}")
    console.print(f"  interruptions missed     {_share(f['missed'])}")
    console.print(f"  stopped by itself        paused {_share(own['paused'])}, broken off {_share(own['broken_off'])}")
    silent = own["user_silent_paused"], own["user_silent_broken_off"]
    console.print(f"    where the user is silent  paused {_share(silent[0])}, broken off {_share(silent[1])}")
    for label, key in (("backchannels", "backchannels"), ("noises      ", "noises")):
        row = f[key]
        console.print(
            f"  {label}             paused {_share(row['paused'])}, took the floor {_share(row['floor_taken'])}"
        )
    resumed = f["resumed_after_s"]
    console.print(f"  resumed after            p50 {_ms(resumed['p50'])}   p95 {_ms(resumed['p95'])}")


def _ms(estimate: dict[str, Any]) -> str:
    if not estimate["count"]:
        return "none"
    value, low, high = ("never" if v is None else f"{1000 * v:.0f}" for v in _three(estimate))
    return f"{value} ms [{low}, {high}]"


def _share(estimate: dict[str, Any]) -> str:
    if not estimate["count"]:
        return "none played"
    value, low, high = (f"{100 * v:.1f}" for v in _three(estimate))
    return f"{value}% [{low}, {high}] of {estimate['count']}"


def _three(estimate: dict[str, Any]) -> list[Any]:
    return [estimate[key] for key in ("value", "low", "high")]
