"""What the agent's words ask for, and what they say was understood: as a caller hears them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time, timedelta
from enum import StrEnum
from typing import Final

from duologue.tts.number_words import cardinal, ordinal

__all__ = ["Question", "ReadBack", "is_booked", "is_goodbye", "question_in", "read_back"]


class Question(StrEnum):
    """What the agent wants to know."""

    PEOPLE = "people"
    DAY = "day"
    TIME = "time"
    NAME = "name"
    CONFIRM = "confirm"
    CHANGE = "change"
    PEOPLE_OR_TIME = "people_or_time"
    AGAIN = "again"
    MORE = "more"


_ASKS: Final = {
    Question.PEOPLE_OR_TIME: re.compile(r"the people,? or the time|do you mean a table"),
    Question.MORE: re.compile(r"anything else"),
    Question.AGAIN: re.compile(r"start again"),
    Question.CHANGE: re.compile(r"what (?:should i|would you like to) change"),
    Question.CONFIRM: re.compile(r"is that (?:right|correct)|shall i book it"),
    Question.NAME: re.compile(r"\bname\b"),
    Question.PEOPLE: re.compile(r"how many|for how many people"),
    Question.DAY: re.compile(r"(?:which|what) day"),
    Question.TIME: re.compile(r"what time"),
}
_SENTENCE: Final = re.compile(r"[^.!?]+\?")


@dataclass(frozen=True, slots=True)
class ReadBack:
    """A booking as the agent reads it out; None if a part is not in it."""

    people: int | None
    day: date | None
    time: time | None
    name: str | None


def question_in(text: str) -> Question | None:
    """What the last question in `text` asks; None if there is none, or another."""
    asked = _SENTENCE.findall(text.casefold())
    if not asked:
        return None
    return next((question for question, pattern in _ASKS.items() if pattern.search(asked[-1])), None)


def is_booked(text: str) -> bool:
    """True if the agent says that it is done."""
    return re.search(r"(?<!nothing )\b(?:is|it's) booked\b|\breference is\b", text.casefold()) is not None


def is_goodbye(text: str) -> bool:
    """True if these are the agent's last words."""
    return "goodbye" in text.casefold()


_NUMBERS: Final = {cardinal(value): value for value in range(1, 60)} | {str(value): value for value in range(1, 60)}
_RANKS: Final = {ordinal(value).replace("-", " "): value for value in range(1, 32)}
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip


def _any(words: object) -> str:
    return "|".join(sorted(map(str, words), key=len, reverse=True))  # type: ignore[call-overload]


_NUMBER: Final = rf"(?:{_any(_NUMBERS)})"
_PEOPLE: Final = re.compile(rf"\btable for (?P<n>{_NUMBER}|one person)\b|\b(?P<m>{_NUMBER}) people\b")
_DATE: Final = re.compile(rf"\bthe (?P<rank>{_any(_RANKS)}|\d{{1,2}}(?:st|nd|rd|th)) of (?P<month>{_any(_MONTHS)})\b")
_NEAR: Final = re.compile(r"\b(?P<near>today|tomorrow)\b")
_TIME: Final = re.compile(
    rf"\bat (?P<hour>{_NUMBER})(?:(?::| )(?P<minute>\d\d|(?:oh )?{_NUMBER}))?"
    r"(?: o'clock)?(?: in the (?P<part>morning|afternoon|evening)|(?P<suffix> ?[ap]\.?m\b))"
)
_NAME: Final = re.compile(r"\bunder (?:the name )?(?:of )?(?P<name>[^\W\d_][\w' -]*?)(?=[,.!?]|$)")


def read_back(text: str, today: date) -> ReadBack:
    """What the agent has understood, as far as `text` tells."""
    lower = text.casefold().replace("-", " ")
    people = _PEOPLE.search(lower)
    name = _NAME.search(text)
    return ReadBack(
        people=_NUMBERS.get(people["n"] or people["m"], 1) if people else None,
        day=_day(lower, today),
        time=_time(lower),
        name=name["name"].strip() if name else None,
    )


def _day(lower: str, today: date) -> date | None:
    if (near := _NEAR.search(lower)) is not None:
        return today + timedelta(days=near["near"] == "tomorrow")
    if (found := _DATE.search(lower)) is None:
        return None
    rank = _RANKS[found["rank"]] if found["rank"] in _RANKS else int(found["rank"][:-2])
    month = _MONTHS.index(found["month"]) + 1
    try:
        day = date(today.year, month, rank)
        return day if day >= today else date(today.year + 1, month, rank)
    except ValueError:
        return None


def _time(lower: str) -> time | None:
    if re.search(r"\bat noon\b", lower):
        return time(12)
    if (found := _TIME.search(lower)) is None:
        return None
    hour = _NUMBERS[found["hour"]] % 12
    minute = found["minute"] or "0"
    minutes = int(minute) if minute.isdigit() else _NUMBERS[minute.removeprefix("oh ")]
    morning = found["part"] == "morning" or (found["suffix"] or "").strip().startswith("a")
    return time(hour + (0 if morning else 12), minutes) if minutes < 60 else None
