"""The figures of barge-in, with their uncertainty, from what happened in each play."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from duologue_bench.bootstrap import Estimate, quantile_of, rate_of
from duologue_bench.yielding import Outcome, Yield

__all__ = ["GROUPS", "figures", "group", "summary", "yield_latency"]

GROUPS: Final = ("none", "-10", "-20", "-30", "echo")
"""No echo, one of each level, and all levels together."""


def group(outcomes: Iterable[Outcome], name: str) -> list[Outcome]:
    """Those of one of GROUPS."""
    if name == "echo":
        return [o for o in outcomes if o.level_db is not None]
    return [o for o in outcomes if o.level_db == (None if name == "none" else int(name))]


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures of each group that was played, as plain JSON types: shares 0 to 1, times in seconds."""
    return {name: figures(chosen) for name in GROUPS if (chosen := group(outcomes, name))}


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures of some plays. Those that the agent had broken off before the user began count as its own only."""
    reached = [o for o in outcomes if not o.spoilt]
    of_kind = {kind: [o for o in reached if o.kind == kind] for kind in ("barge_in", "backchannel", "noise")}
    meant = of_kind["barge_in"]
    silent = [o for o in outcomes if o.kind == "nothing"]
    return {
        "plays": len(outcomes),
        "onset_to_ducked_s": _quantiles(meant, lambda o: [o.ducked_s]),
        "onset_to_paused_s": {f"p{round(q * 100)}": yield_latency(outcomes, q).as_dict() for q in (0.5, 0.95)},
        "missed": _share(meant, lambda o: not o.taken).as_dict(),
        "self_interrupted": {
            "paused": _share(outcomes, lambda o: bool(o.own)).as_dict(),
            "broken_off": _share(outcomes, lambda o: o.spoilt).as_dict(),
            "user_silent_paused": _share(silent, lambda o: bool(o.own)).as_dict(),
            "user_silent_broken_off": _share(silent, lambda o: o.spoilt).as_dict(),
            "by_delay_paused": {
                f"{lowest:g}": _share(within, lambda o: bool(o.own)).as_dict() for lowest, within in _by_delay(outcomes)
            },
            "ducked_times_a_play": round(sum(o.own_ducks for o in outcomes) / max(1, len(outcomes)), 3),
        },
        "backchannels": _reaction(of_kind["backchannel"]),
        "noises": _reaction(of_kind["noise"]),
        "resumed_after_s": _quantiles(reached, lambda o: [y.resumed_s - y.at_s for y in _resumed(o) if y.resumed_s]),
    }


def yield_latency(outcomes: Sequence[Outcome], q: float) -> Estimate:
    """A quantile of onset to silence, in seconds, of interruptions; those that were never yielded to are longest."""
    return _quantile([o for o in outcomes if o.kind == "barge_in" and not o.spoilt], lambda o: [o.yielded_s], q)


def _reaction(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "paused": _share(outcomes, lambda o: bool(o.users)).as_dict(),
        "floor_taken": _share(outcomes, lambda o: o.taken).as_dict(),
    }


def _resumed(outcome: Outcome) -> list[Yield]:
    return [y for y in (*outcome.users, *outcome.own) if y.resumed_s is not None]


def _by_delay(outcomes: Sequence[Outcome]) -> list[tuple[float, list[Outcome]]]:
    """By the delay of the echo, in steps of 50 ms."""
    steps = sorted({int(o.delay_s * 20) for o in outcomes if o.level_db is not None})
    return [(step / 20, [o for o in outcomes if int(o.delay_s * 20) == step]) for step in steps]


def _share(outcomes: Iterable[Outcome], is_hit: Callable[[Outcome], bool]) -> Estimate:
    return rate_of([(sum(row), len(row)) for row in _by_item(outcomes, lambda o: [is_hit(o)])])


def _quantiles(outcomes: Sequence[Outcome], of: Callable[[Outcome], list[float | None]]) -> dict[str, Any]:
    return {f"p{round(q * 100)}": _quantile(outcomes, of, q).as_dict() for q in (0.5, 0.95)}


def _quantile(outcomes: Iterable[Outcome], of: Callable[[Outcome], list[Any]], q: float) -> Estimate:
    return quantile_of(_by_item(outcomes, of), q)


def _by_item(outcomes: Iterable[Outcome], of: Callable[[Outcome], list[Any]]) -> list[list[Any]]:
    """One row for each item: what the same user does under several echoes hangs together."""
    rows: dict[str, list[Any]] = {}
    for outcome in outcomes:
        rows.setdefault(outcome.id, []).extend(of(outcome))
    return list(rows.values())
