"""What a race came to, as the tables of docs/benchmarks.md."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from duologue_bench.document import machine, table
from duologue_bench.peers.race import COMMON, Lap, Race, median, per_session_mb

__all__ = ["report"]

OURS: Final = "duologue"
NONE: Final = "–"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison."""

    label: str
    value: Callable[[Race, str], float | None]
    digits: int = 1
    more_is_better: bool = False

    def cells(self, race: Race) -> list[str]:
        """The ratio to the better peer, the label, and each contestant's value."""
        values = {who: self.value(race, who) for who in race.titles}
        shown = [NONE if v is None else f"{v:,.{self.digits}f}" for v in values.values()]
        if self.value is _knee:
            shown = [
                f"≥ {s}" if who in race.unsettled and s != NONE else s for who, s in zip(values, shown, strict=True)
            ]
        return [self._ratio(values), self.label, *shown]

    def _ratio(self, values: dict[str, float | None]) -> str:
        ours = values.pop(OURS, None)
        peers = [v for v in values.values() if v is not None]
        if not ours or not peers:
            return NONE
        best = max(peers) if self.more_is_better else min(peers)
        if not best:
            return NONE
        ratio = ours / best if self.more_is_better else best / ours
        return f"**{ratio:.0f}x**" if ratio >= 9.5 else f"**{ratio:.1f}x**"


def _median_of(what: str, figure: str, sessions: int | None = None) -> Callable[[Race, str], float | None]:
    return lambda race, who: median(race.of(who, what, sessions), figure)


def _at_knee(figure: str) -> Callable[[Race, str], float | None]:
    return lambda race, who: median(
        [lap for lap in race.of(who, "load", race.knees.get(who, 0)) if lap.figures.get("kept_up")], figure
    )


def _knee(race: Race, who: str) -> float | None:
    return float(race.knees[who]) if race.knees.get(who) else None


ROWS: Final = (
    Row("sessions that one process keeps up with", _knee, 0, more_is_better=True),
    Row("CPU a chunk, one session flat out (µs)", _median_of("flat out", "cpu_us"), 0),
    Row(f"CPU a chunk, {COMMON} sessions in real time (µs)", _median_of("load", "cpu_us", COMMON), 0),
    Row("CPU a chunk, in real time at its own limit (µs)", _at_knee("cpu_us"), 0),
    Row("private memory of each further session (MB)", per_session_mb, 2),
    Row("time to make a session (ms)", _median_of("load", "created_ms", COMMON), 2),
    Row("tasks of the loop a session", _median_of("load", "tasks", COMMON), 1),
    Row("turn decided → first audio, one session, p50 (ms)", _median_of("alone", "processing_p50_ms"), 1),
    Row("barge-in: decided → silent, one session, p50 (ms)", _median_of("barge-in", "silenced_p50_ms"), 2),
    Row("barge-in: voice → silent, one session, p50 (ms)", _median_of("barge-in", "onset_p50_ms"), 0),
)


def report(race: Race, *, cores: int, rounds: int, picture: str | None = None) -> str:
    """Both tables as markdown: the comparison, and every load that was tried. `picture`: its path from the document."""
    names = ["ratio", "", *race.titles.values()]
    parts = [
        table(names, [row.cells(race) for row in ROWS], left=1),
        f"Medians of {rounds} alternated {'round' if rounds == 1 else 'rounds'} on {cores} "
        f"{'core' if cores == 1 else 'cores'}: {machine()}. Other processes used {_others(race):.2f} cores meanwhile. "
        "The ratio is against the better peer. Written by `duologue bench peers`.",
    ]
    if picture:
        parts.append(f"![Sessions, and what they cost]({picture})")
    parts += ["### Every load that was tried", _loads(race)]
    return "\n\n".join(parts) + "\n"


def _loads(race: Race) -> str:
    names = [
        "",
        "sessions",
        "kept up",
        "CPU a chunk (µs)",
        "of a core",
        "chunk late p50 / p99 (ms)",
        "audio processed",
        "speech end → first audio p50 / p99 (ms)",
        "decided → first audio p50 / p95 (ms)",
        "barge-in: due → silent p50 / p99 (ms)",
    ]
    rows = []
    for who, title in race.titles.items():
        for sessions in sorted({lap.sessions for lap in race.of(who, "load")}):
            laps = race.of(who, "load", sessions)

            def of(name: str, digits: int, laps: list[Lap] = laps) -> str:
                value = median(laps, name)
                return NONE if value is None else f"{value:,.{digits}f}"

            def pair(low: str, high: str, digits: int, of: Callable[[str, int], str] = of) -> str:
                cells = of(low, digits), of(high, digits)
                return NONE if cells == (NONE, NONE) else " / ".join(cells)

            core, processed = median(laps, "core_share"), median(laps, "processed")
            rows.append(
                [
                    title,
                    str(sessions),
                    f"{sum(bool(lap.figures.get('kept_up')) for lap in laps)} of {len(laps)}",
                    of("cpu_us", 0),
                    NONE if core is None else f"{core:.0%}",
                    pair("late_p50_ms", "late_p99_ms", 1),
                    NONE if processed is None else f"{processed:.1%}",
                    pair("answered_p50_ms", "answered_p99_ms", 0),
                    pair("processing_p50_ms", "processing_p95_ms", 1),
                    pair("yielded_p50_ms", "yielded_p99_ms", 1),
                ]
            )
    return table(names, rows, left=0)


def _others(race: Race) -> float:
    return statistics.median(lap.others for lap in race.laps) if race.laps else 0.0
