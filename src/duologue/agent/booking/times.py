"""Times of day as people say them: "half past seven", "7:30 p.m.", "at eight". An hour alone is taken for p.m."""

from __future__ import annotations

import re
from datetime import time

from duologue.agent.booking.vocabulary import HOUR, Scanner, number

__all__ = ["TIME", "evening", "find_time"]

_TENS_AND_FIVES = "ten|fifteen|twenty five|twenty|thirty five|thirty|forty five|forty|fifty five|fifty"
_MINUTES = rf"(?:(?:oh|o|zero) (?:one|two|three|four|five|six|seven|eight|nine)|{_TENS_AND_FIVES}|[0-5]\d)\b"
_STEPS = {"half": 30, "a quarter": 15, "quarter": 15, "five": 5, "ten": 10, "twenty": 20, "twenty five": 25} | {
    str(minutes): minutes for minutes in (5, 10, 15, 20, 25)
}
_STEP = "|".join(sorted(_STEPS, key=len, reverse=True))
_PART = r"am|pm|in the (?:morning|afternoon|evening)|at night"
_CUE = r"(?:\b(?:at|around|about|by|from|after|before|say|like|till|until) (?:about |around )?)"
_NOT_PEOPLE = r"(?! (?:people|persons?|guests?|of us|adults|friends)\b)"


def _part(name: str) -> str:
    return rf"(?: ?(?P<{name}>{_PART})\b)?"


_EXACT = (
    r"(?P<noon>\b(?:(?:twelve|12) )?(?:noon|midday)\b)",
    r"(?P<midnight>\b(?:(?:twelve|12) )?midnight\b)",
    rf"\b(?P<h1>\d{{1,2}}):(?P<m1>[0-5]\d)(?: oclock)?{_part('p1')}",
    rf"\b(?P<step>{_STEP})(?: minutes)? (?P<way>past|after|to|before|till) (?P<h2>{HOUR})(?: oclock)?{_part('p2')}"
    + _NOT_PEOPLE,
    rf"(?P<half>\bhalf) (?P<h3>{HOUR}){_part('p3')}",
    rf"(?P<h4>{HOUR}) (?P<m4>{_MINUTES}){_NOT_PEOPLE}(?: oclock)?{_part('p4')}",
    r"\b(?P<h5>\d{1,2})(?P<m5>[0-5]\d) ?(?P<p5>am|pm)\b",
    rf"(?P<h6>{HOUR}) oclock{_part('p6')}",
    rf"(?P<h7>{HOUR}) ?(?P<p7>{_PART})\b",
    rf"(?P<h8>{HOUR}) ish\b",
)
_LOOSE = (rf"(?P<h9>\d{{1,2}})(?P<m9>[0-5]\d)\b{_NOT_PEOPLE}", rf"(?P<h10>{HOUR}){_NOT_PEOPLE}")

TIME = re.compile(rf"{_CUE}?(?:{'|'.join(_EXACT)})|{_CUE}(?:{'|'.join(_LOOSE)})")
"""A bare number is a time only after a word such as "at"."""


_BARE = re.compile(r"^(?P<h1>\d{1,2})(?P<m1>[0-5]\d)$")


def find_time(scanner: Scanner, *, asked: bool) -> tuple[time | None, bool]:
    """The last time that is named, and whether one was named that no clock shows.

    `asked`: "730" alone is a time only where one was asked for.
    """
    found = scanner.take(TIME) or (scanner.take(_BARE) if asked else [])
    if not found:
        return None, False
    parts = {key.rstrip("0123456789"): value for key, value in found[-1].groupdict().items() if value}
    if "noon" in parts:
        return time(12), False
    if "midnight" in parts:
        return time(0), False
    hour, minute = number(parts["h"]), _minute(parts.get("m", ""))
    if "step" in parts:
        minute = _STEPS[parts["step"]]
        if parts["way"] in ("to", "before", "till"):
            hour, minute = (hour - 1) or 12, 60 - minute
    elif "half" in parts:
        minute = 30
    moment = _on_the_clock(hour, minute, parts.get("p"))
    return moment, moment is None


def evening(hour: int) -> time | None:
    """The time that a bare number means; None if it is no hour."""
    return _on_the_clock(hour, 0, None)


def _minute(text: str) -> int:
    return number(text.split(" ", 1)[1] if text.startswith(("oh ", "o ", "zero ")) else text) if text else 0


def _on_the_clock(hour: int, minute: int, part: str | None) -> time | None:
    if hour == 0 or hour > 23:
        return time(0, minute) if hour == 0 else None
    if part in ("am", "in the morning"):
        return time(hour % 12, minute) if hour <= 12 else None
    if part == "at night" and hour == 12:
        return time(0, minute)
    return time(hour if hour >= 12 else hour + 12, minute)
