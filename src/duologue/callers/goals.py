"""What a caller who books a table wants, and how the caller goes about it: drawn by a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Final

__all__ = ["Goal", "Habits", "draw_goal", "draw_habits", "number_word"]

_NUMBERS: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# Words that small speech-to-text models get right, and that are not taken for one another.
NAMES: Final = (
    "Jackson", "Johnson", "Wilson", "Anderson", "Thompson", "Robinson", "Cooper", "Taylor", "Morrison", "Peterson",
    "Campbell", "Roberts", "Williams", "Sanders", "Richardson", "Henderson",
)  # fmt: skip
PEOPLE: Final = (3, 4, 5, 6, 7, 8)
HOURS: Final = (5, 6, 7, 8, 9)


@dataclass(frozen=True, slots=True)
class Goal:
    """A table, as the caller wants it."""

    people: int
    day: date
    day_said: str
    """The day as the caller says it: "tomorrow", "on Friday"."""
    time: time
    time_said: str
    """The time as the caller says it: "seven o'clock", "half past seven"."""
    name: str


@dataclass(frozen=True, slots=True)
class Habits:
    """How a caller goes about it in one call."""

    volunteers: bool
    """Says several things at once."""
    hesitates: bool
    """Pauses inside turns."""
    slip: int | None
    """A wrong number of people that is said first and corrected in the next turn."""


def number_word(value: int) -> str:
    """A number up to twelve in words."""
    return _NUMBERS[value]


def draw_goal(draw: random.Random, today: date) -> Goal:
    """A goal from tomorrow on."""
    ahead = draw.randint(1, 6)
    day = today + timedelta(days=ahead)
    hour, half = draw.choice(HOURS), draw.random() < 0.5
    said = f"half past {number_word(hour)}" if half else f"{number_word(hour)} o'clock"
    return Goal(
        people=draw.choice(PEOPLE),
        day=day,
        day_said="tomorrow" if ahead == 1 else f"on {_WEEKDAYS[day.weekday()]}",
        time=time(hour + 12, 30 if half else 0),
        time_said=said,
        name=draw.choice(NAMES),
    )


def draw_habits(draw: random.Random, goal: Goal) -> Habits:
    """One caller in four says several things at once, one in three hesitates, one in five corrects itself."""
    volunteers, hesitates = draw.random() < 0.25, draw.random() < 1 / 3
    slips = draw.random() < 0.2 and not volunteers
    others = [people for people in PEOPLE if people != goal.people]
    return Habits(volunteers, hesitates, draw.choice(others) if slips else None)
