"""Numbers that are names: of rooms and roads, of houses, of versions, and of computers."""

from __future__ import annotations

import re

from duologue.tts.number_words import amount, digits, pairs
from duologue.tts.rules import RuleMatch, Rules, word_set
from duologue.tts.units import UNITS

__all__ = ["NAMED_RULES", "SOFTWARE", "VERSION_RULES", "number_part"]

_PLACES = word_set(
    """
    airbus apartment apt area bay boeing box building bus cabin cell channel desk door exit extension flat flight floor
    form gate highway hwy interstate locker office pier platform pod porsche rm road room route rte seat section slip
    stall studio suite terminal tower track train tram unit ward
    """
)
_PLACES |= {f"{name}s" for name in _PLACES}
"""What follows one of these is a name: "room 204" is "room two oh four"."""
_BY_DIGIT = frozenset(("flight", "extension"))
_STATUS = word_set("error errors http status")
_STREETS = (
    "Alley|Avenue|Ave|Boulevard|Blvd|Circle|Close|Court|Ct|Crescent|Drive|Dr|Gardens|Grove|Highway|Hwy|Lane|Ln|Mews|"
    "Parade|Parkway|Pkwy|Place|Pl|Plaza|Road|Rd|Row|Square|Sq|Street|St|Terrace|Trail|Way|Broadway"
)
SOFTWARE = word_set(
    """
    android angular api bluetooth build chrome chromium claude cuda debian django docker edge fedora firefox firmware
    gemini gpt go html http ios ipados java js kernel kubernetes linux llama macos mysql node openssl php postgres
    postgresql python pytorch react redis release revision ruby rust safari sdk software swift tensorflow tls typescript
    ubuntu unity update usb v version versions vue watchos windows xcode
    """
)


def number_part(text: str) -> str:
    """One part of a number that marks divide; digit by digit if it begins with a zero."""
    return digits(text) if text[0] == "0" and len(text) > 1 else amount(text)


def _dotted(match: RuleMatch) -> str:
    """An IP address with "dot" between its numbers; other numbers of several parts with "point"."""
    parts = match[0].split(".")
    if len(parts) == 4 and all(int(part) < 256 for part in parts):
        return " dot ".join(map(pairs, parts))
    return " point ".join(number_part(part) for part in parts)


def _version(match: RuleMatch) -> str | None:
    """The number of a version, part by part: "Python 3.11" is "three point eleven"."""
    if match.last not in SOFTWARE and match.words[-2:-1] != ("version",):
        return None
    return " point ".join(number_part(part) for part in match[0].split("."))


def _place(match: RuleMatch) -> str | None:
    """The number of a room, a bus or a road, and the codes of web errors: 204 is "two oh four"."""
    words = match.words
    named = match.last
    if named in ("number", "no", "#", ":") and len(words) > 1:
        named = words[-2]
    if match.things_after or match.noun_after in UNITS:
        return None
    if named in ("and", "or", "to"):  # "rooms 301 and 302"
        named = next((word for word in reversed(words[:-1]) if word in _PLACES), "")
    number, letter = match[1], match[2] or ""
    if named in _PLACES or (named in _STATUS and len(number) == 3) or (named == "code" and "error" in words[-2:]):
        by_digit = len(number) > (2 if named == "flight" else 3) if named in _BY_DIGIT else False
        said = digits(number) if by_digit else pairs(number)
        return f"{said} {letter}".rstrip()
    return None


def _house(match: RuleMatch) -> str:
    return f"{pairs(match[1])} {match[2] or ''}".rstrip()


def _version_letter(match: RuleMatch) -> str:
    return "version " + " point ".join(number_part(part) for part in match[1].split("."))


def _with_letter(match: RuleMatch) -> str:
    return f"{pairs(match[1])} {match[2].upper()}"


_NOT_DECIMAL = r"(?![\w]|[.,:/]\d)"

NAMED_RULES = Rules(
    re.compile(r"\d{1,5}(?![\d:/%])"),
    (
        (re.compile(r"(144|240|360|480|720|1080|1440|2160)([pi])(?!\w)"), _with_letter),  # lines of a picture
        (re.compile(r"(40[13])\(([a-z])\)"), _with_letter),  # a pension plan: "401(k)"
        (re.compile(r"\d{1,4}(?:\.\d{1,4}){1,6}(?!\w|\.\d)"), _version),
        (re.compile(r"\d{1,4}(?:\.\d{1,4}){2,6}(?!\w|\.\d)"), _dotted),
        (re.compile(rf"(\d{{1,5}})([A-Z])?{_NOT_DECIMAL}"), _place),
        (
            re.compile(
                rf"(\d{{3,5}})([A-Z])?(?=(?: [NSEW]\.?| North| South| East| West)?(?: \d{{1,3}}(?:st|nd|rd|th))?"
                rf"(?: [A-Z][a-z]{{1,20}}){{0,3}} (?:{_STREETS})(?![A-Za-z]))"
            ),
            _house,
        ),
    ),
)
"""Numbers that name something; they begin with a digit."""

VERSION_RULES = Rules(
    re.compile(r"[vV]"),
    ((re.compile(r"[vV](?:er)?\.? ?(\d{1,5}(?:\.\d{1,5}){0,5})(?![\w]|\.\d)"), _version_letter),),
)
"""Versions such as "v2.0"; they begin with a letter."""
