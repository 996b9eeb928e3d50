"""A run of callers as a line while it lasts, and as rows of turns for a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duologue.callers.plan import Plan
    from duologue.callers.result import Result
    from duologue.callers.run import Progress

__all__ = ["line_of", "turns_of"]


def line_of(now: Progress, plan: Plan) -> str:
    """A run as it stands, in a line."""
    return (
        f"{now.active} of {plan.sessions} callers · {now.turns} turns · {now.booked} booked"
        f" · {now.refused} refused · own clock {now.late_s * 1000:.0f} ms late"
    )


def turns_of(results: Iterable[Result]) -> Iterator[dict[str, Any]]:
    """A row for each turn, for `write_rows`."""
    for result in results:
        for turn in result.raw:
            yield {"sessions": result.sessions, **turn.as_dict()}
