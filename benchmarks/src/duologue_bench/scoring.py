"""What decided turns are worth, held against the labels: pauses that were cut off, and ends that were waited for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from duologue_bench.corpus import Item, Pause, PauseKind

__all__ = ["GRACE_S", "Decision", "EndOutcome", "ItemOutcome", "Judged", "PauseOutcome", "ProbabilityOutcome", "score"]

END_SLACK_S = 0.15
"""Seconds by which the detector may find the end of a turn too early."""
GRACE_S = 0.128
"""A turn decided this shortly after a pause was decided without knowing of the speech that had begun: it cut it off."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One turn that was decided."""

    at_s: float
    """Seconds from the start of the item."""
    reason: str
    text: str = ""
    ahead_s: float | None = None
    """How long before, in audio time, the answer to these words was begun; None if it was not."""
    processing_s: float | None = None
    """From the decision to the first audible sample of the answer; None if it was not measured."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The probability of the end of the turn in one silence, once all evidence had come."""

    silent_from_s: float
    """Seconds from the start of the item to the last speech."""
    probability: float


@dataclass(frozen=True, slots=True)
class ProbabilityOutcome:
    """The same, and what followed."""

    probability: float
    is_end: bool


@dataclass(frozen=True, slots=True)
class PauseOutcome:
    """One labelled pause."""

    kind: PauseKind
    start_s: float
    length_s: float
    cut_after_s: float | None
    """From the start of the pause to the first decision in it; None if the user was not cut off."""
    reason: str
    """Why the turn was decided; empty if it was not."""


@dataclass(frozen=True, slots=True)
class EndOutcome:
    """One labelled end of turn."""

    end_s: float
    latency_s: float | None
    """From the user's last sample to the decision; None if none came before the next turn or the end of the item."""
    reason: str
    text: str = ""
    """What was understood."""
    processing_s: float | None = None
    """From there to the first audible sample of the answer; None if it was not measured."""


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """One item, played once."""

    id: str
    real: bool
    """Real people; else synthetic speech."""
    pauses: tuple[PauseOutcome, ...]
    ends: tuple[EndOutcome, ...]
    in_speech: int
    """Decisions inside a turn and in no labelled pause: the detector took speech for silence."""
    extra: int
    """Decisions between turns, besides the one that ends each."""
    asked: int = 0
    """How often the turn model was asked."""
    source: str = ""
    category: str = ""
    probabilities: tuple[ProbabilityOutcome, ...] = ()
    """One for each silence that was judged."""

    @property
    def is_cut(self) -> bool:
        """Whether the user was cut off in any of its pauses."""
        return any(p.cut_after_s is not None for p in self.pauses)


def score(item: Item, decisions: Sequence[Decision], asked: int = 0, judged: Sequence[Judged] = ()) -> ItemOutcome:
    """Hold the decisions of one run, in order, against the labels of `item`.

    A decision inside a pause splits the labelled turn; what is left of it still counts: its other pauses, and its end.
    """
    left = list(decisions)
    pauses = tuple(_pause(pause, _take(left, pause.start_s, _last(item, pause))) for pause in item.pauses)
    ends = []
    for i, turn in enumerate(item.turns):
        if not turn.complete:
            continue
        until = item.turns[i + 1].start_s if i + 1 < len(item.turns) else float("inf")
        found = _take(left, turn.end_s, until, most=1)
        if found:
            (d,) = found
            ends.append(EndOutcome(turn.end_s, d.at_s - turn.end_s, d.reason, d.text, d.processing_s))
        else:
            ends.append(EndOutcome(turn.end_s, None, ""))
    in_speech = sum(any(turn.start_s <= d.at_s < turn.end_s for turn in item.turns) for d in left)
    return ItemOutcome(
        item.id,
        item.is_real,
        pauses,
        tuple(ends),
        in_speech,
        len(left) - in_speech,
        asked,
        item.source,
        item.topic,
        tuple(ProbabilityOutcome(each.probability, _is_end(item, each.silent_from_s)) for each in judged),
    )


def _is_end(item: Item, silent_from_s: float) -> bool:
    """Whether the silence that begins there follows a turn; the detector may be early or late by END_SLACK_S."""
    for turn, after in zip(item.turns, (*item.turns[1:], None), strict=True):
        if turn.start_s < silent_from_s < (after.start_s if after else float("inf")):
            return turn.complete and silent_from_s >= turn.end_s - END_SLACK_S
    return True


def _pause(pause: Pause, found: Sequence[Decision]) -> PauseOutcome:
    cut, reason = (found[0].at_s - pause.start_s, found[0].reason) if found else (None, "")
    return PauseOutcome(pause.kind, pause.start_s, pause.length_s, cut, reason)


def _last(item: Item, pause: Pause) -> float:
    """Until where a decision counts as made in `pause`: not into the next pause, nor past the end of the turn."""
    edges: Iterable[float] = (edge for turn in item.turns for edge in (turn.end_s, *(p.start_s for p in turn.pauses)))
    grace = 0.0 if pause.kind == "incomplete" else GRACE_S
    return min((pause.end_s + grace, *(edge for edge in edges if edge > pause.start_s)))


def _take(left: list[Decision], start_s: float, until_s: float, most: int | None = None) -> list[Decision]:
    found = [d for d in left if start_s <= d.at_s < until_s][:most]
    for decision in found:
        left.remove(decision)
    return found
