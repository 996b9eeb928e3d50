"""Times of day, time zones and durations."""

from __future__ import annotations

import re

from duologue.tts.number_words import cardinal
from duologue.tts.rules import RuleMatch, Rules, word_set

__all__ = ["TIME_RULES", "ZONE_RULES"]

_HALF = r"(?:\s?([AaPp])\.?[Mm](?:\.|(?![A-Za-z])))"
_ZONES = {
    "ET": "Eastern Time", "EST": "Eastern Standard Time", "EDT": "Eastern Daylight Time", "CT": "Central Time",
    "CST": "Central Standard Time", "CDT": "Central Daylight Time", "MT": "Mountain Time",
    "MST": "Mountain Standard Time", "MDT": "Mountain Daylight Time", "PT": "Pacific Time",
    "PST": "Pacific Standard Time", "PDT": "Pacific Daylight Time", "AKST": "Alaska Standard Time",
    "AKDT": "Alaska Daylight Time", "HST": "Hawaii Standard Time", "AST": "Atlantic Standard Time",
    "ADT": "Atlantic Daylight Time", "GMT": "G M T", "UTC": "U T C", "Z": "U T C", "BST": "British Summer Time",
    "WET": "Western European Time", "WEST": "Western European Summer Time", "CET": "Central European Time",
    "CEST": "Central European Summer Time", "EET": "Eastern European Time", "EEST": "Eastern European Summer Time",
    "MSK": "Moscow Time", "IST": "India Standard Time", "JST": "Japan Standard Time", "KST": "Korea Standard Time",
    "SGT": "Singapore Time", "HKT": "Hong Kong Time", "AEST": "Australian Eastern Standard Time",
    "AEDT": "Australian Eastern Daylight Time", "AWST": "Australian Western Standard Time",
    "NZST": "New Zealand Standard Time", "NZDT": "New Zealand Daylight Time",
}  # fmt: skip
_ZONE = "|".join(sorted(_ZONES, key=len, reverse=True))
_AFTER_TIME = re.compile(r"(?:\d|(?<![A-Za-z])[ap]\.?m\.?|o'clock|noon|midnight)[ (]{0,2}$", re.IGNORECASE)

_PARTS = {"d": "day", "h": "hour", "hr": "hour", "hrs": "hour", "m": "minute", "min": "minute", "mins": "minute",
          "s": "second", "sec": "second", "secs": "second"}  # fmt: skip
_PART = r"(\d{1,4})\s?(d|hrs?|h|mins?|m|secs?|s)(?:\.(?= \d))?"
_LASTS = word_set("took takes take lasted lasts last duration length runtime time ran runs finished record")
_TIMES = word_set("at by until till from to before after since around")


def _clock(match: RuleMatch) -> str | None:
    hour, minute, second, half = int(match[1]), int(match[2]), match[3], match[4]
    if hour > 24:
        return f"{cardinal(hour)} {cardinal(minute)}"
    if second is not None and not half and (len(match[1]) == 1 or not _LASTS.isdisjoint(match.words)):
        return _spans(((hour, "hour"), (minute, "minute"), (int(second), "second")))
    words = cardinal(hour)
    if minute:
        words = f"{'twelve' if not hour else words} {'oh ' if minute < 10 else ''}{cardinal(minute)}"
        words += " a.m." if not hour and not half else ""
    elif not half:
        words = f"{words} o'clock" if 0 < hour <= 12 else f"{words} hundred hours" if hour else "midnight"
    if second and second != "00":
        words += f" and {_count(int(second), 'second')}"
    if half:
        words += f" {half.lower()}.m."
    return f"{words} {_ZONES['Z']}" if match[5] else words


def _hour(match: RuleMatch) -> str | None:
    return f"{cardinal(int(match[1]))} {match[2].lower()}.m." if int(match[1]) <= 24 else None


def _dotted(match: RuleMatch) -> str:
    minute = int(match[2])
    words = f" {'oh ' if 0 < minute < 10 else ''}{cardinal(minute)}" if minute else ""
    return f"{cardinal(int(match[1]))}{words} {match[3].lower()}.m."


def _military(match: RuleMatch) -> str | None:
    """A time such as "0800 hours"; "1500 hours" may be a quantity."""
    hour, minute = match[1], match[2]
    if hour[0] != "0" and match.last not in _TIMES:
        return None
    words = f"{'zero ' if hour[0] == '0' else ''}{cardinal(int(hour))}"
    words += " hundred" if minute == "00" else f" {'oh ' if minute[0] == '0' else ''}{cardinal(int(minute))}"
    return words + " hours"


def _count(number: int, unit: str) -> str:
    return f"{cardinal(number)} {unit}{'' if number == 1 else 's'}"


def _spans(parts: tuple[tuple[int, str], ...]) -> str:
    words = [_count(number, unit) for number, unit in parts if number]
    return " ".join(words) or _count(0, parts[-1][1])


def _duration(match: RuleMatch) -> str | None:
    """A duration of several units: "1h 30m"; "m" is minutes here."""
    groups = match.groups()
    parts = [(int(groups[n]), _PARTS[groups[n + 1]]) for n in range(0, len(groups), 2) if groups[n]]
    order = [("day", "hour", "minute", "second").index(unit) for _, unit in parts]
    return _spans(tuple(parts)) if order == sorted(set(order)) else None


def _hour_minute(match: RuleMatch) -> str:
    return _spans(((int(match[1]), "hour"), (int(match[2]), "minute")))


def _zone(match: RuleMatch) -> str | None:
    """A time zone after a time; "ET" or "CST" elsewhere may be something else."""
    return _ZONES[match[1]] if _AFTER_TIME.search(match.before(12)) else None


def _offset(match: RuleMatch) -> str:
    minutes = f" {cardinal(int(match[4]))}" if match[4] and int(match[4]) else ""
    sign = "plus" if match[2] == "+" else "minus"
    return f"{_ZONES[match[1]]} {sign} {cardinal(int(match[3]))}{minutes}"


TIME_RULES = Rules(
    re.compile(r"\d{1,2}:|\d{1,4}\s?[AaPpdhms]|\d{1,2}\.\d\d\s?[AaPp]"),
    (
        (re.compile(rf"(\d{{1,2}}):([0-5]\d)(?::([0-5]\d)(?:\.\d{{1,9}})?)?{_HALF}?(?![\d:])(Z(?!\w))?"), _clock),
        (re.compile(rf"(\d{{1,2}})[.]([0-5]\d){_HALF}"), _dotted),
        (re.compile(rf"(\d{{1,2}}){_HALF}"), _hour),
        (re.compile(r"([01]\d|2[0-4])([0-5]\d)\s?(?:hours|hrs)(?![A-Za-z])"), _military),
        (re.compile(rf"{_PART}\s?{_PART}(?:\s?{_PART})?(?:\s?{_PART})?(?!\w)"), _duration),
        (re.compile(r"(\d{1,2})h([0-5]\d)(?!\w)"), _hour_minute),
    ),
)
"""Times and durations; they begin with a digit."""

ZONE_RULES = Rules(
    re.compile(r"[A-Z]{1,4}(?![A-Za-z])"),
    (
        (re.compile(r"(GMT|UTC)\s?([+-])\s?(\d{1,2})(?::?(\d\d))?(?!\d)"), _offset),
        (re.compile(rf"({_ZONE})(?!\w)"), _zone),
    ),
)
"""Time zones; they begin with a letter."""
