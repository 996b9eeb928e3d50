"""What the agent did over one labelled interruption, compared with the label: whether it yielded, and how soon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Protocol

from duologue_bench.corpus import BargeIn

__all__ = ["GRACE_S", "Moment", "Outcome", "Yield", "judge"]

GRACE_S: Final = 0.6
"""Until so long after the user's last sample it is the user that the agent yields to: words come after silence."""

What = Literal["ducked", "unducked", "paused", "resumed", "interrupted"]


class EchoLabel(Protocol):
    """What came back of the agent's own voice."""

    @property
    def level_db(self) -> int:
        """Relative to the playout."""
        ...

    @property
    def delay_s(self) -> float:
        """Seconds."""
        ...

    @property
    def room_s(self) -> float:
        """Seconds of reverberation."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that the client could hear the agent do."""

    what: What
    at_s: float
    """From the first sample of playout."""
    reason: str


@dataclass(slots=True)
class Yield:
    """The agent fell silent before its end."""

    at_s: float
    """From the first sample of playout."""
    resumed_s: float | None = None
    """Where it went on; None if it did not."""
    taken: bool = False
    """It was cut off: the floor was taken."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One interruption, played once."""

    id: str
    kind: Literal["barge_in", "backchannel", "noise", "nothing"]
    text: str
    level_db: int | None
    """Of the echo; None without."""
    delay_s: float
    room_s: float
    ducked_s: float | None
    """From the labelled onset to where the agent could be heard softer, or not any more; None if it never was."""
    yielded_s: float | None
    """From the labelled onset to the last sample of the agent's that was heard, at first; None if it went on."""
    users: tuple[Yield, ...]
    """Where it yielded to what the user did."""
    own: tuple[Yield, ...]
    """Where it yielded while the user was silent."""
    own_ducks: int
    """How often it was made softer while the user was silent."""
    moments: tuple[Moment, ...]
    words: tuple[str, ...]
    """What was understood, time after time."""

    @property
    def taken(self) -> bool:
        """The user has the floor."""
        return any(y.taken for y in self.users)

    @property
    def spoilt(self) -> bool:
        """The agent had cut itself off before the user began, or was silent at that moment."""
        return any(y.taken for y in self.own)

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types; seconds."""
        return asdict(self)


def judge(item: BargeIn, moments: Sequence[Moment], echo: EchoLabel | None, words: Sequence[str] = ()) -> Outcome:
    """Hold what happened, in order, against the label of `item`."""
    yields: list[Yield] = []
    for moment in moments:
        silent = bool(yields) and yields[-1].resumed_s is None
        if moment.what == "paused":
            yields.append(Yield(moment.at_s, reason=moment.reason))
        elif moment.what == "resumed":
            yields[-1].resumed_s = moment.at_s
        elif moment.what == "interrupted":
            if not silent:
                yields.append(Yield(moment.at_s))
            yields[-1].taken, yields[-1].reason = True, moment.reason

    def is_users(at_s: float) -> bool:
        return item.kind != "nothing" and item.onset_s <= at_s <= item.end_s + GRACE_S

    users = tuple(y for y in yields if is_users(y.at_s))
    own = tuple(y for y in yields if not is_users(y.at_s))
    softer = [m.at_s for m in moments if m.what in ("ducked", "paused", "interrupted") and is_users(m.at_s)]
    return Outcome(
        item.id,
        item.kind,
        item.text,
        echo.level_db if echo else None,
        echo.delay_s if echo else 0.0,
        echo.room_s if echo else 0.0,
        min(softer) - item.onset_s if softer else None,
        users[0].at_s - item.onset_s if users else None,
        users,
        own,
        sum(m.what == "ducked" and not is_users(m.at_s) for m in moments),
        tuple(moments),
        tuple(words),
    )
