"""Telephone numbers: read digit by digit, with a pause after each group."""

from __future__ import annotations

import re

from duologue.tts.capitals import capitals
from duologue.tts.number_words import cardinal, digits, grouped, pairs
from duologue.tts.rules import RuleMatch, Rules, word_set

__all__ = ["CALL_RULES", "EXTENSION_RULES", "TELEPHONE_RULES"]

_GROUP = re.compile(r"\d+")
_LETTERS = re.compile(r"[A-Z]+|\d+")
_NO_MORE = r"(?![\w-]|[.,:/]\d)"

_CALLS = word_set(
    "call called calling calls dial dialed dialing dialling dials fax phone phoning ring ringing sms telephone text "
    "texting whatsapp"
)
_LINES = word_set("phone telephone tel mobile cell fax hotline helpline landline whatsapp")
_LINKS = word_set("is are was number no : # us me them him her at on the")
_SERVICES = word_set("000 101 110 111 112 118 119 211 311 411 511 611 711 811 911 988 995 999")
"""Numbers of emergency and information services."""
_NAMES_SERVICE = word_set("emergency emergencies hotline helpline lifeline crisis dispatch")
_OF_SERVICE = word_set("call calls caller callers center centre dispatcher emergency line operator operators")

_COUNTRIES_1 = frozenset("17")
_COUNTRIES_3 = re.compile(r"2[1-689]|3[578]|42|5[09]|6[7-9]|8[05-9]|9[679]")
"""The first two digits of country codes that have three."""


def _international(match: RuleMatch) -> str | None:
    groups = _GROUP.findall(match[0])
    if not 7 <= sum(map(len, groups)) <= 15:
        return None
    if len(groups) == 1:
        number = groups[0]
        size = 1 if number[0] in _COUNTRIES_1 else 3 if _COUNTRIES_3.match(number) else 2
        groups = [number[:size], *_split(number[size:])]
    return "plus " + grouped(groups)


def _split(number: str) -> list[str]:
    """A number that was written in one piece, in the groups in which people say it."""
    length = len(number)
    if length == 11 and number[0] == "1":
        return [number[0], number[1:4], number[4:7], number[7:]]
    if length == 11 and number[0] == "0":
        at = (5, 8) if number[1] == "7" else (3, 7)
        return [number[: at[0]], number[at[0] : at[1]], number[at[1] :]]
    if length in (7, 10):
        return [number[i : i + 3] for i in range(0, length - 4, 3)] + [number[-4:]]
    if length < 7:
        return [number]
    tail = length % 4
    return [number[:tail]] * bool(tail) + [number[i : i + 4] for i in range(tail, length, 4)]


def _north_american(match: RuleMatch) -> str:
    return grouped(_GROUP.findall(match[0]))


def _national(match: RuleMatch) -> str | None:
    groups = _GROUP.findall(match[0])
    return grouped(groups) if 8 <= sum(map(len, groups)) <= 13 else None


def _hyphenated(match: RuleMatch) -> str:
    return grouped(_GROUP.findall(match[0]))


def _vanity(match: RuleMatch) -> str | None:
    """A number with a word in it, such as 1-800-FLOWERS."""
    if " " in match[0] and not match[0].startswith(("1 8", "1-8")):
        return None
    said = []
    for part in re.split("[- ]", match[0]):
        words = []
        for run in _LETTERS.findall(part):
            if run.isalpha():
                words.append(capitals(run) or run.lower())
            else:
                words.append(f"{cardinal(int(run[0]))} hundred" if re.fullmatch("[89]00", run) else digits(run))
        said.append(" ".join(words))
    return ", ".join(said)


def is_call(match: RuleMatch) -> bool:
    """Whether the words before are about a telephone number: "call", "phone number is", "reach us on"."""
    words = match.words
    if match.last in _CALLS or match.last in _LINES:
        return True
    at = len(words)
    while at and len(words) - at < 4 and words[at - 1] in _LINKS:
        at -= 1
    return 0 < at < len(words) and (words[at - 1] in _CALLS or words[at - 1] in _LINES or words[at - 1] == "reach")


def _called(match: RuleMatch) -> str | None:
    """A number after "call": "Call 4155550132", "text 22395", "phone 555 0132"."""
    groups = match[0].split()
    if not is_call(match) and not (match.last == "to" and "text" in match.words and len(match[0]) > 4):
        return None
    if match.things_after and not (match[0] in _SERVICES and _of_service(match)):
        return None
    if len(groups) > 1:
        return grouped(groups) if 6 <= sum(map(len, groups)) <= 15 else None
    if match.last in ("at", "on", "the") and len(match[0]) < 5 and match[0] not in _SERVICES:
        return None
    return grouped(_split(match[0]))


def _service(match: RuleMatch) -> str | None:
    """An emergency number: 911 always, others where the sentence is about an emergency or about calling."""
    number = match[0]
    if number not in _SERVICES or (match.things_after and not _of_service(match)):
        return None
    if number in ("911", "988") and match.last not in ("page", "room", "porsche", "$"):
        return digits(number)
    near = _CALLS | _NAMES_SERVICE
    if near.intersection(match.words) or _of_service(match):
        return digits(number)
    return None


def _of_service(match: RuleMatch) -> bool:
    return match.noun_after in _OF_SERVICE


def _extension(match: RuleMatch) -> str:
    number = match[1]
    name = "Extension" if match[0][0] == "E" else "extension"
    return f"{name} {pairs(number) if len(number) < 4 else digits(number)}"


TELEPHONE_RULES = Rules(
    re.compile(r"[+(]|\d{1,5}\)?[ .-]"),
    (
        (re.compile(r"\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){1,6}" + _NO_MORE), _international),
        (re.compile(r"\+\d{7,15}" + _NO_MORE), _international),
        (
            re.compile(r"(?:1[- ])?\d{3}[- ](?=[A-Z0-9-]{0,6}[A-Z]{3})[A-Z0-9]{1,10}(?:-[A-Z0-9]{1,10}){0,2}(?![\w-])"),
            _vanity,
        ),
        (
            re.compile(r"(?:\+?\d{1,3}[ .-])?(?:\(\d{3}\)[ -]?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-]|\.\d)"),
            _north_american,
        ),
        (re.compile(r"\(?0\d{1,4}\)?(?:[ -]\d{2,6}){1,4}" + _NO_MORE), _national),
        (re.compile(r"1[38]00 \d{3} \d{3}" + _NO_MORE), _hyphenated),
        (re.compile(r"\d{3}-\d{4}" + _NO_MORE), _hyphenated),
        (re.compile(r"\d{2,5}(?:-\d{2,5}){2,6}" + _NO_MORE), _hyphenated),
    ),
)
"""Numbers that their form gives away; they begin with a digit, "+" or "("."""

CALL_RULES = Rules(
    re.compile(r"\d{2}"),
    (
        (re.compile(r"\d{2,5}(?: \d{2,5}){1,4}" + _NO_MORE), _called),
        (re.compile(r"\d{3,15}" + _NO_MORE), _called),
        (re.compile(r"\d{3}" + _NO_MORE), _service),
    ),
)
"""Numbers that the words around them give away."""

EXTENSION_RULES = Rules(
    re.compile(r"x|[Ee]xt"),
    ((re.compile(r"(?:(?<=\d )x|(?<=\d, )x|[Ee]xt(?:\.|ension)?) ?#?(\d{1,6})(?!\w)"), _extension),),
)
