"""`duologue bench turns`: how soon a turn is answered, and how often the user is cut off for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from duologue.cli.output import AsJson, console, notes, print_json, progress, write_rows
from duologue.errors import ConfigError
from duologue_bench.cli.bench.labels import report_labels

if TYPE_CHECKING:
    from duologue_bench.bootstrap import Estimate
    from duologue_bench.turns import Run

__all__ = ["turns"]

CUT_OFFS = (0.1, 0.05)
"""The shares of false cut-offs at which latencies are compared."""
NOTE = (
    "Voice to voice: from the last labelled sample of speech to the first audible sample of the answer. It is end of "
    "turn (from the label to the decision, in audio time) plus processing (by the wall of this machine, with the "
    "booking agent and the local voice, less the head start that speculation had)."
)


def turns(
    half: Annotated[str, typer.Option(help="`test` to report, `dev` to tune on.")] = "test",
    version: Annotated[str, typer.Option(help="clean, g711, noise20, noise10, noise5, or all of them.")] = "clean",
    limit: Annotated[int | None, typer.Option(help="Only so many items, for a quick look.", min=1)] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the curves into a PNG, SVG or PDF file.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Measure these labeled recordings instead of the corpus (docs/turn-taking.md).")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Keep what the models answer in this file, so that the next run takes less time."),
    ] = None,
    words_latency: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=2.0,
            help="As if a recognizer that streams had the words after so many seconds, not ours at once.",
        ),
    ] = None,
    reliability: Annotated[
        Path | None,
        typer.Option(help="With --labels: draw how far the probability can be trusted, into a PNG, SVG or PDF file."),
    ] = None,
    raw: Annotated[Path | None, typer.Option(help="Write what became of each turn, as JSON lines.")] = None,
    as_json: AsJson = False,
) -> None:
    """Latency against false cut-offs, with 95% intervals: our policy, words alone, Smart Turn alone, VAD alone."""
    from duologue_bench.corpus import load
    from duologue_bench.plot import check_plot, draw
    from duologue_bench.versions import VERSIONS

    if version != "all" and version not in VERSIONS:
        raise ConfigError(f"There is no version {version!r}; there are {', '.join(VERSIONS)}, and all.")
    for picture in (plot, reliability):
        if picture is not None:
            check_plot(picture)
    if reliability is not None and labels is None:
        raise ConfigError("--reliability is drawn of labeled recordings.", hint="Name them with --labels.")
    if raw is not None and not raw.parent.is_dir():
        raise ConfigError(f"There is no folder {raw.parent} to write the turns to.")
    if labels is not None:
        report_labels(
            labels,
            version=version,
            limit=limit,
            cache=cache,
            words_latency=words_latency,
            plot=plot,
            reliability_plot=reliability,
            raw=raw,
            as_json=as_json,
        )
        return
    items = load(half)[:limit]  # type: ignore[arg-type]  # another half is an error that it tells
    chosen = VERSIONS if version == "all" else (version,)
    found = _measure(items, chosen, cache, words_latency)
    if raw is not None:
        write_rows(raw, _rows_of(found))
    if plot is not None:
        draw(found, plot, f"End of turn, {half} half, {sum(len(i.turns) for i in items)} turns")
    if as_json:
        print_json(
            {"half": half, "items": len(items), "note": NOTE, "versions": [_plain(*each) for each in found.items()]}
        )
        return
    for name, runs in found.items():
        _print(f"{half} half, {name}", runs)
    notes.print(NOTE, style="dim")


def _measure(
    items: list[Any], versions: tuple[str, ...], cache: Path | None, words_latency: float | None
) -> dict[str, list[Run]]:
    from duologue.agent.booking import BookingAgent
    from duologue.settings.local import load_local
    from duologue_bench.answers import Voice
    from duologue_bench.cache import open_cache
    from duologue_bench.cached_recognition import Ears
    from duologue_bench.policies import POLICIES, settings
    from duologue_bench.turns import play

    local = load_local()
    if local.turn_model is None:
        notes.print("Smart Turn is not installed: it is left out.", style="yellow")
    policies = POLICIES if local.turn_model else ("ours", "words", "vad")
    chosen = settings(policies, sweep=True)
    voice = Voice(BookingAgent, local.tts)

    async def measure() -> dict[str, list[Run]]:
        found = {}
        with open_cache(cache) as answers:
            ears = Ears(local.vad, local.stt, local.words, local.turn_model, answers, words_latency)
            for name in versions:
                with progress(name, 1.0) as show:
                    found[name] = await play(items, ears, chosen, version=name, voice=voice, on_progress=show)
        return found

    return asyncio.run(measure())


def _rows(runs: list[Run]) -> list[tuple[str, Run]]:
    """What is worth a line: each policy as it comes, and at its best within each share of cut-offs."""
    from duologue_bench.policies import LABELS, POLICIES
    from duologue_bench.turns import best

    rows = []
    for policy in POLICIES:
        mine = [run for run in runs if run.setting.policy == policy]
        if not mine:
            continue
        if policy in (runs[0].setting.policy, "busy"):
            rows.append((f"{LABELS[policy]}, as it comes", mine[0]))
        for share in CUT_OFFS:
            found = best(mine, share)
            if found is not None and policy != "busy":
                rows.append((f"{LABELS[policy]}, at most {share:.0%}", found))
    return rows


def _print(title: str, runs: list[Run]) -> None:
    table = Table(title=title, box=None, pad_edge=False, title_justify="left")
    for column in ("policy", "cut off", "voice to voice, ms", "p90", "end of turn", "asked"):
        is_name = column == "policy"
        table.add_column(column, justify="left" if is_name else "right", no_wrap=is_name)
    for name, run in _rows(runs):
        asked = f"{run.asked:.2f}" if run.setting.hears_sound else ""
        table.add_row(
            name,
            _told(run.cut_offs(), 100, "%"),
            _told(run.voice_to_voice(), 1000),
            _told(run.voice_to_voice(0.9), 1000),
            _told(run.end_of_turn(), 1000),
            asked,
        )
    console.print(table)
    first = runs[0]
    p50, p95 = first.processing(0.5), first.processing(0.95)
    console.print(f"processing p50 {p50.value * 1000:.0f} ms, p95 {p95.value * 1000:.0f} ms over {p50.count} turns\n")


def _told(estimate: Estimate, factor: float, unit: str = "") -> str:
    digits = 1 if unit else 0
    value, low, high = (f"{v * factor:.{digits}f}" for v in (estimate.value, estimate.low, estimate.high))
    return f"{value}{unit} ({low}–{high})"


def _plain(version: str, runs: list[Run]) -> dict[str, Any]:
    from duologue_bench.turns import frontier, summary

    points = [
        {
            **run.setting.as_dict(),
            "false_cut_offs": run.cut_offs().as_dict(),
            "voice_to_voice_s": run.voice_to_voice().as_dict(),
            "on_frontier": run in frontier([r for r in runs if r.setting.policy == run.setting.policy]),
        }
        for run in runs
    ]
    return {"version": version, "rows": [{"row": name, **summary(run)} for name, run in _rows(runs)], "curve": points}


def _rows_of(found: dict[str, list[Run]]) -> Iterator[dict[str, Any]]:
    from duologue_bench.turns import raw

    for version, runs in found.items():
        for run in runs:
            for row in raw(run):
                yield {"version": version, **row}
