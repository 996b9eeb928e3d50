"""`duologue bench turns --labels FILE`: the policies on labeled recordings of your own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from duologue.cli.output import console, notes, print_json, progress, write_rows
from duologue.errors import ConfigError

if TYPE_CHECKING:
    from duologue_bench.curves import Figures
    from duologue_bench.policies import Policy
    from duologue_bench.reliability import Bin
    from duologue_bench.turns import Run

    Runs = dict[str, dict[Policy, list[Run]]]
    """By the place of the turn in the call and the policy; each policy's default setting comes first."""

__all__ = ["report_labels"]

SILENCES = (0.704, 0.96, 1.28)
"""Seconds of the fixed silences in the table of policies."""
NOTE = (
    "End of turn: from the labeled end of speech to the decision, in audio time. Each recording is played as the first "
    "turn of a call and as a later one. In the cost curves both count, and the setting for each source is the best one "
    "on all other sources."
)
COLUMNS = ("mean, ms", "p50", "p90", "over 1 s", "pauses cut", "clips cut", "turns", "pauses")


def report_labels(
    labels: Path,
    *,
    version: str,
    limit: int | None,
    cache: Path | None,
    words_latency: float | None,
    plot: Path | None,
    reliability_plot: Path | None,
    raw: Path | None,
    as_json: bool,
) -> None:
    """Measure, then print tables, or JSON; draw and write what was asked for."""
    from duologue_bench.labels import load_labels
    from duologue_bench.versions import VERSIONS

    if version == "all":
        raise ConfigError("One version at a time for labeled recordings.", hint=f"Choose from {', '.join(VERSIONS)}.")
    runs = _measure(load_labels(labels)[:limit], version, cache, words_latency)
    if raw is not None:
        write_rows(raw, _raw(runs))
    found = _summary(runs)
    if plot is not None:
        from duologue_bench.curves_plot import draw_curves

        draw_curves(found["cost curve"], plot, f"End of turn, {labels.name}, {version}")
    bins = _reliability(runs)
    if reliability_plot is not None:
        from duologue_bench.reliability import draw_reliability

        draw_reliability(bins, reliability_plot, f"Probability of the end of turn, {labels.name}, {version}")
    if as_json:
        bins_as_dict = {place: [b.as_dict() for b in each] for place, each in bins.items()}
        tables = {**_plain(found), "reliability": bins_as_dict}
        print_json({"labels": str(labels), "version": version, "note": NOTE, **tables})
        return
    for title, tables in found.items():
        for name, rows in tables.items():
            _print(f"{title}, {name}", rows)
    for place, each in bins.items():
        _print_reliability(place, each)
    notes.print(NOTE, style="dim")


def _measure(items: list[Any], version: str, cache: Path | None, words_latency: float | None) -> Runs:
    from duologue.settings.local import load_local
    from duologue_bench.cache import RecognitionCache
    from duologue_bench.cached_recognition import Ears
    from duologue_bench.policies import settings
    from duologue_bench.turns import play

    # Opened without a file too: both places of a turn ask the models about the same audio.
    with RecognitionCache(cache) as answers:
        local = load_local()
        policies: tuple[Policy, ...] = ("ours", "judged", "words", "smart_turn", "vad")
        if local.turn_model is None:
            notes.print("Smart Turn is not installed: it is left out.", style="yellow")
            policies = ("ours", "words", "vad")
        chosen = settings(policies, sweep=True)
        ears = Ears(local.vad, local.stt, local.words, local.turn_model, answers, words_latency)

        async def measure() -> Runs:
            found: Runs = {}
            for place, is_later in (("first turn", False), ("later turn", True)):
                with progress(place, 1.0) as show:
                    runs = await play(items, ears, chosen, version=version, is_later=is_later, on_progress=show)
                found[place] = {p: [run for run in runs if run.setting.policy == p] for p in policies}
            return found

        return asyncio.run(measure())


def _summary(runs: Runs) -> dict[str, dict[str, dict[str, Figures]]]:
    """Figures by title, table and row."""
    from duologue_bench.curves import SHARES, cross_validated, figures, grouped
    from duologue_bench.policies import LABELS

    policies: dict[str, dict[str, Figures]] = {}
    categories: dict[str, dict[str, Figures]] = {}
    sources: dict[str, dict[str, Figures]] = {}
    for place, by_policy in runs.items():
        policies[place] = {LABELS[p]: figures(found[0].items) for p, found in by_policy.items() if p != "vad"}
        for silence in SILENCES:
            run = next(run for run in by_policy["vad"] if run.setting.endpointing.action_delay == silence)
            policies[place][f"silence, {silence:g} s"] = figures(run.items)
        used = next(iter(by_policy.values()))[0].items
        categories[place] = grouped(used, lambda i: i.category)
        sources[place] = grouped(used, lambda i: i.source)
    curves = {}
    for policy, found in next(iter(runs.values())).items():
        # One setting serves first and later turns alike, so it is chosen by both.
        both = [
            replace(run, items=tuple(i for by_policy in runs.values() for i in by_policy[policy][n].items))
            for n, run in enumerate(found)
        ]
        curves[LABELS[policy]] = {f"at most {s:.0%} cut": figures(cross_validated(both, s)) for s in SHARES}
    return {"policies": policies, "by category": categories, "by source": sources, "cost curve": curves}


def _reliability(runs: Runs) -> dict[str, list[Bin]]:
    """Groups of silences by the probability that today's policy gave them, by the place of the turn in the call."""
    from duologue_bench.reliability import reliability

    return {place: reliability(next(iter(by_policy.values()))[0].items) for place, by_policy in runs.items()}


def _print_reliability(place: str, bins: list[Bin]) -> None:
    from duologue_bench.reliability import mean_gap

    console.print(f"reliability of the probability, {place}: {100 * mean_gap(bins):.1f} points from the diagonal")
    table = Table(box=None, pad_edge=False)
    for column in ("probability", "ends", "95% interval", "silences"):
        table.add_column(column, justify="right")
    for b in bins:
        table.add_row(f"{b.probability:.0%}", f"{b.ends:.0%}", f"{b.low:.0%} to {b.high:.0%}", str(b.count))
    console.print(table, "")


def _plain(found: dict[str, dict[str, dict[str, Figures]]]) -> dict[str, Any]:
    return {
        title: {name: {row: f.as_dict() for row, f in rows.items()} for name, rows in tables.items()}
        for title, tables in found.items()
    }


def _print(title: str, rows: dict[str, Figures]) -> None:
    table = Table(title=title, box=None, pad_edge=False, title_justify="left")
    table.add_column("", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for name, f in rows.items():
        waits = (f"{s * 1000:.0f}" for s in (f.mean_s, f.p50_s, f.p90_s))
        shares = (f"{share:.1%}" for share in (f.long, f.cut, f.cut_clips))
        table.add_row(name or "(none)", *waits, *shares, str(f.turns), str(f.pauses))
    console.print(table, "")


def _raw(runs: Runs) -> Iterator[dict[str, Any]]:
    from duologue_bench.turns import raw

    for place, by_policy in runs.items():
        for found in by_policy.values():
            for run in found:
                yield from ({"place": place, **row} for row in raw(run))
