"""Numbers by themselves: counts, years, ranks, fractions, ratios, and numbers that name a room, a road or a version."""

from __future__ import annotations

import re

from duologue.tts.dates import calendar_day, is_date_after, is_year
from duologue.tts.money import MAGNITUDES, NUMBER
from duologue.tts.named_numbers import SOFTWARE, number_part
from duologue.tts.number_words import amount, cardinal, digits, ordinal, pairs, plural_ordinal, year
from duologue.tts.rules import RuleMatch, Rules, any_of, word_set
from duologue.tts.units import UNITS, plural

__all__ = ["NUMBER_RULES", "PLAIN_RULES"]

_IDIOMS = {"24/7": "twenty-four seven", "50-50": "fifty-fifty", "50/50": "fifty-fifty", "20/20": "twenty twenty"}
_RATINGS = word_set(
    "rate rated rating rates score scored scores scoring gave give gives got grade graded stars review reviews"
)
_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True) if not unit.endswith("."))
_MEASURED = word_set("inch inches mile miles cup cups hour hours pint pound pounds")


def _fraction(match: RuleMatch) -> str:
    whole, over, under = match[1], int(match[2]), int(match[3])
    before = f"{amount(whole)} " if whole else ""
    day = calendar_day(over, under)
    if not whole and day and is_date_after(match):
        return day
    noun = match.noun_after
    if match.last in SOFTWARE:
        return f"{before}{cardinal(over)} or {cardinal(under)}"
    rated = not _RATINGS.isdisjoint(match.words) or noun == "stars"
    if (under in (5, 10, 100) and over <= under and rated) or over == under:
        return f"{before}{cardinal(over)} out of {cardinal(under)}"
    if under in (10, 100) and over > 1 and noun not in _MEASURED and match.after(3) != " of":
        return f"{before}{cardinal(over)} out of {cardinal(under)}"
    is_part = under <= 10 or under in (16, 32, 64, 100) or (under in (12, 20) and noun in _MEASURED)
    if 0 < over < under and is_part:
        part = f"{cardinal(over)} {plural_ordinal(under) if over > 1 else plural_ordinal(under)[:-1]}"
        part = part.replace("halve", "half") if over == 1 else part
        if unit := match[4] and UNITS[match[4]]:
            if whole:
                return f"{amount(whole)} and {part.replace('one half', 'a half')} {plural(unit)}"
            return (
                f"{part} {unit}"
                if over == 1
                else f"{part} of {'an' if unit[0] in 'aeio' or unit == 'hour' else 'a'} {unit}"
            )
        return f"{amount(whole)} and {part.replace('one half', 'a half')}" if whole else part
    if over > 31 or under > 99:
        return f"{before}{cardinal(over)} over {cardinal(under)}"
    return before + (day or f"{cardinal(over)} {cardinal(under)}")


def _slashes(match: RuleMatch) -> str:
    return " ".join(number_part(part) for part in match[0].split("/"))


def _ratio(match: RuleMatch) -> str:
    return " to ".join(number_part(part) for part in match[0].split(":"))


def _rank(match: RuleMatch) -> str:
    return ordinal(int(match[1].replace(",", "")))


def _magnitude(match: RuleMatch) -> str | None:
    """A number with a letter for thousands or millions; "4K" and "401k" are names."""
    number, letter = match.groups()
    if number == "401":
        return f"{pairs(number)} {letter.upper()}"
    noun = match.noun_after
    if number + letter == "3M" and not noun:
        return None
    if letter == "K" and (number in ("4", "5", "8", "10") and noun not in ("people", "users", "views", "followers")):
        return None
    return f"{amount(number)} {MAGNITUDES[letter]}"


def _compound(match: RuleMatch) -> str:
    """A number that a hyphen ties to a word: "10-year-old"."""
    return f"{_count(match[1], match)}-"


def _count(text: str, match: RuleMatch) -> str:
    return year(int(text)) if len(text) == 4 and is_year(int(text), match) else amount(text)


def _idiom(match: RuleMatch) -> str:
    return {"24/7": "twenty-four seven", "50-50": "fifty-fifty", "50/50": "fifty-fifty", "20/20": "twenty twenty"}[
        match[0]
    ]


def _hundreds(match: RuleMatch) -> str:
    return {"100": "hundreds", "1000": "thousands", "1,000": "thousands"}[match[1]]


def _power(match: RuleMatch) -> str:
    sign = "minus " if match[2] == "-" else ""
    return f"{amount(match[1])} times ten to the power of {sign}{cardinal(int(match[3]))}"


def _plain(match: RuleMatch) -> str:
    """A number by itself: a count, a year, or digits to be read one by one."""
    sign, text = match.groups()
    words = {"-": "minus ", "+": "plus "}.get(sign or "", "")
    if not text.isdecimal():
        return words + amount(text)
    if (len(text) > 1 and text[0] == "0") or (len(text) >= 7 and not text.endswith("000")):
        return words + digits(text)
    return words + _count(text, match)


NUMBER_RULES = Rules(
    re.compile(r"\d[\d,.]{0,20}(?:[-/:A-Za-z]| \d{1,3}/)"),
    (
        (re.compile(rf"(?:{any_of(_IDIOMS)})(?![\w/-])"), _idiom),
        (re.compile(r"(100|1000|1,000)s(?!\w)"), _hundreds),
        (
            re.compile(
                rf"(?:(\d{{1,6}})(?: |-(?=\d/\d(?!\d))))?(\d{{1,3}})/(\d{{1,3}})(?:\s?({_UNIT})(?![A-Za-z/]))?(?![\w/])"
            ),
            _fraction,
        ),
        (re.compile(r"\d{1,15}(?:/\d{1,15}){1,20}(?!\w)"), _slashes),
        (re.compile(r"\d{1,9}(?::\d{1,9}){1,3}(?![\w:])"), _ratio),
        (re.compile(r"(\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:st|nd|rd|th|ST|ND|RD|TH)(?!\w)"), _rank),
        (re.compile(rf"({NUMBER})(k|K|M|MM|mn|bn|tn)(?!\w)"), _magnitude),
        (re.compile(r"(\d{1,9}(?:\.\d{1,9})?)[eE]([-+])?(\d{1,3})(?!\w)"), _power),
        (re.compile(r"(\d{1,4})-(?=[a-z]{2})"), _compound),
    ),
)
"""Numbers with a form of their own; they begin with a digit."""

PLAIN_RULES = Rules(
    re.compile(r""),
    (
        (re.compile(r"\d{16,}"), lambda match: digits(match[0])),
        (re.compile(rf"([-+])?({NUMBER}|\.\d{{1,15}})"), _plain),
    ),
)
"""All other numbers."""
