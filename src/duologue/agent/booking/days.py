"""Days as people say them: "tomorrow", "next Friday", "on the fifth of May"."""

from __future__ import annotations

import re
from datetime import date, timedelta

from duologue.agent.booking.vocabulary import NUMBER, ORDINAL, Scanner, number, ordinal

__all__ = ["DAY", "MONTHS", "WEEKDAYS", "find_day"]

_WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
_MONTHS = "January February March April May June July August September October November December"
WEEKDAYS = _WEEKDAYS.split()
MONTHS = _MONTHS.split()

_MONTH = {name.casefold(): index for index, name in enumerate(MONTHS, 1)}
_MONTH |= {name[:3]: index for name, index in list(_MONTH.items())} | {"sept": 9}
_WEEKDAY = {name.casefold(): index for index, name in enumerate(WEEKDAYS)}

_WD = rf"\b(?:{'|'.join(_WEEKDAY)})s?\b"
_MO = rf"\b(?:{'|'.join(sorted(_MONTH, key=len, reverse=True))})\b"
_PART = r"(?: (?:morning|afternoon|evening|night|lunchtime))?"

_ON = rf"(?:(?:\bon )?{_WD} )?"

DAY = re.compile(
    "|".join(
        (
            rf"(?P<past>\byesterday\b|\blast (?:{_WD}|week|night))",
            r"(?P<after>\b(?:the )?day after tomorrow\b)",
            rf"\b(?:a|one|1) week from (?P<from>today|now|tomorrow|{_WD})",
            rf"\bin (?P<count>an?|{NUMBER}) (?P<unit>days?|weeks?)\b",
            rf"{_ON}(?:(?:\bon )?\bthe )?(?P<d1>{ORDINAL}|\b\d{{1,2}}) (?:of )?(?P<m1>{_MO})(?: 20\d\d)?",
            rf"{_ON}(?P<m2>{_MO}) (?:the )?(?P<d2>{ORDINAL}|{NUMBER})(?: 20\d\d)?",
            rf"(?:{_WD} (?:the )?|\bon the )(?P<d3>{ORDINAL})",
            rf"(?:\b(?:on|this|coming|for) )*(?P<weekday>(?:next )?{_WD}){_PART}",
            rf"(?P<tomorrow>\btomorrow\b){_PART}",
            r"(?P<today>\btonight\b|\btoday\b|\bthis (?:evening|afternoon)\b)",
            r"(?P<weekend>\b(?:this|the|next) weekend\b)",
        )
    )
)
_IS_ORDINAL = re.compile(ORDINAL)
_BARE = re.compile(rf"(?:^|\bthe )(?P<d3>{ORDINAL})(?! (?:one|time|name|thing)\b)")


def find_day(scanner: Scanner, today: date, *, asked: bool) -> tuple[date | None, bool]:
    """The last day that is named, and whether one was named that does not exist or is over.

    `asked`: a bare "the fifth" is a day only where one was asked for.
    """
    found = scanner.take(DAY) or (scanner.take(_BARE) if asked else [])
    if not found:
        return None, False
    day = _resolve(found[-1].groupdict(), today)
    return (day, False) if day is not None and day >= today else (None, True)


def _resolve(parts: dict[str, str | None], today: date) -> date | None:
    match {key: value for key, value in parts.items() if value}:
        case {"past": _}:
            return None
        case {"after": _}:
            return today + timedelta(days=2)
        case {"from": start}:
            return _named(start, today) + timedelta(days=7)
        case {"count": count, "unit": unit}:
            days = (1 if count in ("a", "an") else number(count)) * (7 if unit.startswith("week") else 1)
            return today + timedelta(days=days) if days <= 366 else None
        case {"d1": day, "m1": month} | {"d2": day, "m2": month}:
            return _in_month(_day_of_month(day), _MONTH[month], today)
        case {"d3": day}:
            return _next_with(_day_of_month(day), today)
        case {"weekday": name} | {"tomorrow": name} | {"today": name}:
            return _named(name, today)
        case _:
            return _named("saturday", today)


def _day_of_month(text: str) -> int:
    return ordinal(text) if _IS_ORDINAL.fullmatch(text) else number(text)


def _named(name: str, today: date) -> date:
    if name.startswith("next "):
        return _named(name.removeprefix("next "), today + timedelta(days=1))
    if (weekday := _WEEKDAY.get(name.removesuffix("s"), _WEEKDAY.get(name))) is not None:
        return today + timedelta(days=(weekday - today.weekday()) % 7)
    return today + timedelta(days=1 if name == "tomorrow" else 0)


def _in_month(day: int, month: int, today: date) -> date | None:
    """The next such day from today on."""
    try:
        this_year = date(today.year, month, day)
        return this_year if this_year >= today else date(today.year + 1, month, day)
    except ValueError:
        return None


def _next_with(day: int, today: date) -> date | None:
    """The next day from today on that has this number in its month."""
    if not 1 <= day <= 31:
        return None
    candidate = today
    while candidate.day != day:
        candidate += timedelta(days=1)
    return candidate
