"""Where a booking stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, time
from enum import StrEnum
from typing import Any, Literal, Self

from duologue.agent.booking.parse import Slot, Understood

__all__ = ["Booking", "Question", "State"]

Value = int | date | time | str


@dataclass(frozen=True, slots=True)
class Booking:
    """A table, as far as it is known."""

    people: int | None = None
    day: date | None = None
    time: time | None = None
    name: str | None = None
    reference: str | None = None
    """A letter and three digits, once the booking is confirmed."""
    status: Literal["open", "confirmed", "cancelled"] = "open"

    @property
    def missing(self) -> Slot | None:
        """The next thing to ask for."""
        return next((slot for slot in Slot if self.get(slot) is None), None)

    def get(self, slot: Slot) -> Value | None:
        """What is known of one slot."""
        value: Value | None = getattr(self, slot.value)
        return value

    def with_(self, slot: Slot, value: Value | None) -> Self:
        """The booking with one slot changed."""
        changes: dict[str, Any] = {slot.value: value}
        return replace(self, **changes)


class Question(StrEnum):
    """What the caller was asked last, beside a slot."""

    CONFIRM = "confirm"
    WHAT_TO_CHANGE = "what_to_change"
    PEOPLE_OR_TIME = "people_or_time"
    AGAIN = "again"
    MORE = "more"


@dataclass(frozen=True, slots=True)
class State:
    """All that the agent knows between two turns."""

    booking: Booking = Booking()
    asked: Slot | Question = Slot.PEOPLE
    changed: frozenset[Slot] = frozenset()
    """What the caller's last words changed: what a following "no, make that five" is about."""
    pending: int | None = None
    """A number of which it is being asked whether it is people or a time."""
    failures: int = 0
    """Turns in a row that were not understood."""
    turns: int = 0
    said: str = ""
    """The agent's last words."""
    details: int = 0
    """How many words of them the caller must have heard for a "yes" to count."""

    def given(self, understood: Understood) -> dict[Slot, Value]:
        """The slots that the words fill."""
        values = {slot: getattr(understood, slot.value) for slot in Slot}
        return {slot: value for slot, value in values.items() if value is not None}


def dump_state(state: State) -> dict[str, Any]:
    """The state in JSON types."""
    b = state.booking
    return {
        "booking": {
            "people": b.people,
            "day": b.day and b.day.isoformat(),
            "time": b.time and b.time.isoformat(),
            "name": b.name,
            "reference": b.reference,
            "status": b.status,
        },
        "asked": state.asked.value,
        "changed": sorted(state.changed),
        "pending": state.pending,
        "failures": state.failures,
        "turns": state.turns,
        "said": state.said,
        "details": state.details,
    }


def load_state(value: dict[str, Any]) -> State:
    """The state that `dump_state` gave. Raises ValueError, TypeError or KeyError for anything else."""
    booking, asked = dict(value["booking"]), value["asked"]
    booking["day"] = booking["day"] and date.fromisoformat(booking["day"])
    booking["time"] = booking["time"] and time.fromisoformat(booking["time"])
    state = {**value, "booking": Booking(**booking), "changed": frozenset(Slot(slot) for slot in value["changed"])}
    state["asked"] = Slot(asked) if asked in list(Slot) else Question(asked)
    return State(**state)
