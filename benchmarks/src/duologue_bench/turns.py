"""Turn-taking against the labels: how often a pause is taken for the end, and how long the end is waited for.

The rules get items in audio time. Evidence counts from the position at which it is due, as in a call whose
machine keeps up: end of turn is the policy's own latency, not that of a loaded machine. What follows, from the decision
to the first audible sample of the answer, is measured by the wall.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from duologue.errors import ConfigError
from duologue_bench.answers import Voice
from duologue_bench.bootstrap import Estimate, quantile_of, rate_of
from duologue_bench.cached_recognition import Ears, hear
from duologue_bench.corpus import Item
from duologue_bench.policies import Setting
from duologue_bench.scoring import EndOutcome, ItemOutcome, score

__all__ = ["Run", "best", "frontier", "play", "raw", "summary"]

GROUPS: Final = (("all", None), ("real", True), ("synthetic", False))


@dataclass(frozen=True, slots=True)
class Run:
    """All items under one setting."""

    setting: Setting
    items: tuple[ItemOutcome, ...]
    processing_s: float = 0.0
    """What counts as the processing latency of a turn for which it was not measured."""

    def cut_offs(self, *, real: bool | None = None, kind: str | None = None) -> Estimate:
        """The share of pauses in which the turn was decided; of some speech, or of some pauses, only."""
        pauses = [
            [p.cut_after_s is not None for p in i.pauses if kind in (None, p.kind)]
            for i in self.items
            if real in (None, i.real)
        ]
        return rate_of([(sum(row), len(row)) for row in pauses])

    def end_of_turn(self, q: float = 0.5, *, real: bool | None = None) -> Estimate:
        """A quantile of labelled end to decision, in seconds; ends that were never decided count as the longest."""
        return quantile_of([[e.latency_s for e in i.ends] for i in self.items if real in (None, i.real)], q)

    def voice_to_voice(self, q: float = 0.5, *, real: bool | None = None) -> Estimate:
        """A quantile of labelled end to the first audible sample of the answer, in seconds."""
        return quantile_of([[self._answered(e) for e in i.ends] for i in self.items if real in (None, i.real)], q)

    def processing(self, q: float = 0.5) -> Estimate:
        """A quantile of decision to first audible sample, in seconds, of the turns for which it was measured."""
        return quantile_of([[s for e in i.ends if (s := e.processing_s) is not None] for i in self.items], q)

    @property
    def asked(self) -> float:
        """How often the turn model was asked, for each labelled turn."""
        return sum(i.asked for i in self.items) / max(1, sum(len(i.ends) for i in self.items))

    @property
    def point(self) -> tuple[float, float]:
        """(share of pauses cut off, median voice-to-voice latency in seconds), without their intervals."""
        cuts = [p.cut_after_s is not None for i in self.items for p in i.pauses]
        waits = [self._answered(e) for i in self.items for e in i.ends]
        latencies = sorted(math.inf if wait is None else wait for wait in waits)
        middle = latencies[math.ceil(len(latencies) / 2) - 1] if latencies else math.nan
        return sum(cuts) / len(cuts) if cuts else math.nan, middle

    def _answered(self, end: EndOutcome) -> float | None:
        if end.latency_s is None:
            return None
        return end.latency_s + (self.processing_s if end.processing_s is None else end.processing_s)


async def play(
    items: Sequence[Item],
    ears: Ears,
    chosen: Sequence[Setting],
    *,
    version: str = "clean",
    voice: Voice | None = None,
    is_later: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> list[Run]:
    """Play every item under every setting; `on_progress` gets the share that is done.

    An item is heard by the models once, and its settings share what they said. With a `voice` the turns of the first
    setting are answered, and their median processing latency counts for all that were not. `is_later`: the call has had
    a turn before each item. Raises ConfigError for no items.
    """
    if not items:
        raise ConfigError("There are no items to play.", hint="Ask for at least one.")
    outcomes: list[list[ItemOutcome]] = [[] for _ in chosen]
    for done, heard in enumerate(hear(items, version, ears)):
        for n, setting in enumerate(chosen):
            played = heard.play(setting, is_later=is_later)
            decisions = played.decisions if n or voice is None else await voice.timed(played.decisions)
            outcomes[n].append(score(heard.item, decisions, played.asked, played.judged))
        if on_progress is not None:
            on_progress((done + 1) / len(items))
    usual = Run(chosen[0], tuple(outcomes[0])).processing().value if chosen else math.nan
    processing = 0.0 if math.isnan(usual) else usual
    return [Run(setting, tuple(rows), processing) for setting, rows in zip(chosen, outcomes, strict=True)]


def frontier(runs: Sequence[Run]) -> list[Run]:
    """The runs that no other beats in both false cut-offs and median latency, by their false cut-offs."""
    found: list[Run] = []
    for run in sorted(runs, key=lambda r: r.point):
        if not found or run.point[1] < found[-1].point[1]:
            found.append(run)
    return found


def best(runs: Sequence[Run], cut_offs: float) -> Run | None:
    """The quickest of the runs with at most so large a share of pauses cut off; None if there is none."""
    return min((r for r in runs if r.point[0] <= cut_offs), key=lambda r: r.point[1], default=None)


def summary(run: Run) -> dict[str, Any]:
    """The figures of one run, as plain JSON types: shares 0 to 1, latencies in seconds."""
    kinds = sorted({p.kind for i in run.items for p in i.pauses})
    quantiles = (0.5, 0.9)

    def latencies(of: Callable[..., Estimate]) -> dict[str, Any]:
        return {name: {f"p{round(q * 100)}": of(q, real=real).as_dict() for q in quantiles} for name, real in GROUPS}

    return {
        **run.setting.as_dict(),
        "false_cut_offs": {name: run.cut_offs(real=real).as_dict() for name, real in GROUPS},
        "false_cut_offs_by_pause": {kind: run.cut_offs(kind=kind).as_dict() for kind in kinds},
        "voice_to_voice_s": latencies(run.voice_to_voice),
        "end_of_turn_s": latencies(run.end_of_turn),
        "processing_s": {f"p{round(q * 100)}": run.processing(q).as_dict() for q in (0.5, 0.95)},
        "turn_model_asked_per_turn": round(run.asked, 3),
        "never_decided": sum(e.latency_s is None for i in run.items for e in i.ends),
        "decided_in_speech": sum(i.in_speech for i in run.items),
        "decided_between_turns": sum(i.extra for i in run.items),
    }


def raw(run: Run) -> list[dict[str, Any]]:
    """One row for each item: the setting, and what became of each pause and end; plain JSON types."""
    return [{"setting": run.setting.as_dict(), **asdict(item)} for item in run.items]
