"""Dates, months, days of the week and decades."""

from __future__ import annotations

import re

from duologue.tts.number_words import cardinal, decade, ordinal, year
from duologue.tts.rules import RuleMatch, Rules, word_set

__all__ = ["DATE_RULES", "MONTH_RULES", "calendar_day", "is_date_after", "is_year"]

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTH = rf"({'|'.join(_MONTHS)}|Sept|{'|'.join(name[:3] for name in _MONTHS)})(?![A-Za-z])\.?"
_ANY_DAY = rf"({'|'.join(_DAYS)}|Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)(?![A-Za-z])\.?"
_DAY = r"(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)(?![A-Za-z])\.?"
_DASH = r"\s?[-–—]\s?"
_RANK = r"(?:st|nd|rd|th)?"

_DAY_WORDS = word_set("and or on by until till this next last every from to")
_DATE_WORDS = word_set("on by until till since from before after due dated date dates between through and to")
_YEAR_WORDS = word_set(
    """
    in since of by from until till during before after early late mid year years fiscal spring summer autumn fall winter
    around circa class model season to through between and for the our your this that his her their its
    """
)


def calendar_day(month: int, day: int) -> str | None:
    """A day of the year, as in "November twenty-third"; None if there is no such day."""
    return f"{_MONTHS[month - 1]} {ordinal(day)}" if 1 <= month <= 12 and 1 <= day <= 31 else None


def is_date_after(match: RuleMatch) -> bool:
    """Whether the words before lead to a date rather than to a fraction: "on 3/4"."""
    return match.last in _DATE_WORDS


def is_year(value: int, match: RuleMatch) -> bool:
    """Whether a number of four digits is a year: not if it counts what follows, as in "1500 guests"."""
    if not (1100 <= value < 2000 or 2010 <= value < 2100):
        return False
    if not match.things_after:
        return True
    return value >= 1900 and match.last in _YEAR_WORDS


def _month(name: str) -> str:
    return next(month for month in _MONTHS if month.startswith(name[:3]))


def _written_year(text: str) -> str:
    """The year of a date: "26" is that of this century."""
    return year(int(text)) if len(text) == 4 and text != "0000" else year(2000 + int(text))


def _iso(match: RuleMatch) -> str | None:
    day = calendar_day(int(match[2]), int(match[3]))
    return f"{day}, {_written_year(match[1])}{' at ' if match[4] else ''}" if day else None


def _slashed(match: RuleMatch) -> str | None:
    first, second = int(match[1]), int(match[3])
    day = calendar_day(first, second) or calendar_day(second, first)
    return f"{day}, {_written_year(match[4])}" if day else None


def _dotted(match: RuleMatch) -> str | None:
    day = calendar_day(int(match[2]), int(match[1])) or calendar_day(int(match[1]), int(match[2]))
    return f"{day}, {_written_year(match[3])}" if day else None


def _month_day(match: RuleMatch) -> str | None:
    day, last = int(match[2]), match[3]
    if not 1 <= day <= 31 or (last and not day < int(last) <= 31):
        return None
    words = f"{_month(match[1])} {ordinal(day)}" + (f" to {ordinal(int(last))}" if last else "")
    if match[4]:
        words += f", {_written_year(match[4])}"
    return words


def _day_month(match: RuleMatch) -> str | None:
    day, last = int(match[1]), match[2]
    if not 1 <= day <= 31 or (last and not day < int(last) <= 31):
        return None
    article = "" if match.last == "the" else "the "
    words = f"{article}{ordinal(day)}" + (f" to the {ordinal(int(last))}" if last else "") + f" of {_month(match[3])}"
    return words + (f" {_written_year(match[4])}" if match[4] else "")


def _month_year(match: RuleMatch) -> str:
    return f"{_month(match[1])} {_written_year(match[2])}"


def _names(names: tuple[str, ...], match: RuleMatch) -> str:
    first, second = (next(name for name in names if name.startswith(match[n][:3])) for n in (1, 2))
    return f"{first} to {second}"


def _days(match: RuleMatch) -> str:
    return ", ".join(_day(name) for name in match[0].split("/"))


def _day(name: str) -> str:
    return next(day for day in _DAYS if day.startswith(name[:3]))


def _weekend(match: RuleMatch) -> str | None:
    """ "Sat." and the like, which may be other words, after a word that leads to a day."""
    return _day(match[1]) + ("" if match.after(1) else ".") if match.last in _DAY_WORDS else None


def _decade(match: RuleMatch) -> str | None:
    if match[1] in ("100", "1000"):
        return None
    return "two thousands" if match[1] == "00" else decade(match[1])


def _years(match: RuleMatch) -> str | None:
    first, second = int(match[1]), int(match[2])
    return f"{year(first)} to {cardinal(second)}" if second > max(9, first % 100) else None


def _short_year(match: RuleMatch) -> str:
    short = match[1]
    return f"oh {cardinal(int(short))}" if short[0] == "0" else cardinal(int(short))


DATE_RULES = Rules(
    re.compile(r"'|\d{1,4}(?:(?:st|nd|rd|th)?\s?[-–—/.JFMASOND]|(?:st|nd|rd|th)? of|'?s)"),
    (
        (re.compile(r"(\d{4})-(\d\d)-(\d\d)(?!\d)(?:(T)(?=\d))?"), _iso),
        (re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})(?![\d/])()"), _iso),
        (re.compile(r"(\d{1,2})([/-])(\d{1,2})\2(\d{4}|(?<=/)\d\d)(?![\d/-])"), _slashed),
        (re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?!\d|\.\d)"), _dotted),
        (
            re.compile(rf"(\d{{1,2}}){_RANK}(?:{_DASH}(\d{{1,2}}){_RANK})? (?:of )?{_MONTH}(?:,? (\d{{4}})(?!\d))?"),
            _day_month,
        ),
        (re.compile(r"((?:1[1-9]|20)\d\d)[-–/](\d\d)(?![\d/-])"), _years),
        (re.compile(r"'?(\d{4}|\d0)'?s(?!\w)"), _decade),
        (re.compile(r"'(\d\d)(?![\d'])"), _short_year),
    ),
)
"""Dates that begin with a digit, or with the apostrophe of a short year."""

MONTH_RULES = Rules(
    re.compile(r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun)"),
    (
        (
            re.compile(
                rf"{_MONTH} (\d{{1,2}}){_RANK}(?![\d:%]|[.,]\d|\s?[ap]\.?m)(?:{_DASH}(\d{{1,2}}){_RANK}(?![\d:/]))?"
                r"(?:,? ((?:1[5-9]|20)\d\d)(?!\d))?"
            ),
            _month_day,
        ),
        (re.compile(rf"{_MONTH},? ((?:1[5-9]|20)\d\d)(?![\d-])"), _month_year),
        (re.compile(rf"{_MONTH}{_DASH}{_MONTH}"), lambda match: _names(_MONTHS, match)),
        (re.compile(rf"{_ANY_DAY}{_DASH}{_ANY_DAY}"), lambda match: _names(_DAYS, match)),
        (re.compile(rf"{_ANY_DAY}(?:/{_ANY_DAY}){{1,6}}"), _days),
        (
            re.compile(rf"{_DAY}(?=,? (?:\d|{_MONTH}|at \d|and (?:Tue|Wed|Thu|Fri|Sat|Sun)))"),
            lambda match: _day(match[1]),
        ),
        (re.compile(r"(Wed|Sat|Sun)\."), _weekend),
    ),
)
"""Dates that begin with the name of a month or of a day."""
