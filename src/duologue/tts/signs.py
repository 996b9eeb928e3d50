"""Signs, as they are said."""

from __future__ import annotations

import re

from duologue.tts.rules import Rule, RuleMatch, word_set

__all__ = ["SIGN_RULES"]

_KEYS = word_set("press presses pressing pressed hit hits dial dialing enter key then by by: the or and plus push tap")
_PHONE_KEYS = word_set("press presses pressing pressed hit dial dialing push tap key keypad followed")
_AFTER_NUMBER = re.compile(r"(?:\d|[ap]\.?m\.?|[%€£¥kKMB]|°[CF]?|\d ?[A-Za-z]{1,4}|\d\")\s?$")
_COUNTED = re.compile(r"[$€£¥₹]|\d[\d.,]*\s?(?!(?:is|equals|makes|gives)\b)(?:[ap]\.?m|%|[a-z]{2,})")
_MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"


def _dash(match: RuleMatch) -> str | None:
    """A dash between two numbers: "to"; "minus" if it stands between spaces and nothing is counted."""
    before, text, end = match.before(6), match.text, match.end
    if not _AFTER_NUMBER.search(before) or not re.search(r"[\d.]", before):
        return None
    is_spaced = before.endswith(" ") and text[end - 1].isspace() and match[0].strip() == "-"
    if is_spaced and re.search(r"\d\s?$", before) and not _COUNTED.match(text, end):
        return " minus "
    return " to "


def _grade(match: RuleMatch) -> str | None:
    return " minus " if re.search(r"(?:^|[^\w.])[A-F]$", match.before(2)) else None


def _until_month(match: RuleMatch) -> str | None:
    return " to " if re.search(r"\d ?$", match.before(2)) else None


def _key(name: str, match: RuleMatch) -> str | None:
    """A key of a telephone: "press #" is "press pound"."""
    words = match.words
    if match.last not in _KEYS or _PHONE_KEYS.isdisjoint(words):
        return None
    return f" {name} "


def _handle(match: RuleMatch) -> str:
    return "at " + " underscore ".join(part for part in match[1].split("_") if part)


def _hashtag(match: RuleMatch) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|_+", " ", match[1])
    return f"hashtag {words}".rstrip()


def _sign(pattern: str, words: str) -> Rule:
    return re.compile(pattern), lambda _: words


_DASHES: tuple[Rule, ...] = (
    (re.compile(r"[-–—]\s?(?=[$€£¥₹]?\d|noon|midnight)"), _dash),
    (re.compile(rf"[-–]\s?(?={_MONTH})"), _until_month),
    (re.compile(r"-(?=[\s,.!?;]|$)"), _grade),
    _sign(r"(?<=\s)[-–]+(?=\s)|–|-{2,}", " — "),
)

SIGN_RULES: dict[str, tuple[Rule, ...]] = {
    "-": _DASHES,
    "–": _DASHES,
    "—": _DASHES[:1],
    ".": (
        _sign(r"(?<=[a-z0-9]{2})\.(?=[a-z]{2})", " dot "),
        _sign(r"(?<=[a-z])\.(?=\d)|(?<=\d)\.(?=[a-z])", " point "),
    ),
    "@": ((re.compile(r"(?<!\w)@([A-Za-z]\w{0,60})"), _handle), _sign(r"@", " at ")),
    "#": (
        (re.compile(r"(?<!\w)#([A-Za-z]\w{0,60})"), _hashtag),
        _sign(r"(?<=[CF])#(?!\w)", " sharp "),
        (re.compile(r"#(?=\s|$|[.,!?)])"), lambda match: _key("pound", match)),
        _sign(r"(?<=\d)#(?!\w)", " pound "),
        _sign(r"#\s?(?=\d)", " number "),
    ),
    "*": (
        (re.compile(r"\*(?=\s|$|[.,!?)\d])"), lambda match: _key("star", match)),
        _sign(r"(?:(?<=\w)|(?<=\w ))\*(?= ?\w)", " times "),
    ),
    "&": (_sign(r"&", " and "),),
    "%": (_sign(r"%+", " percent "),),
    "+": (_sign(r"(?<=[\w+])\+|(?<=\w )\+|\+(?=\w)", " plus "),),
    "=": (_sign(r"(?<=\w)=(?=\s?\w)|(?<=\w )=(?=\s?\w)", " equals "),),
    "^": (_sign(r"(?<=\w)\^(?=\s?[-\w])|(?<=\w )\^(?=\s?[-\w])", " to the power of "),),
    "<": (_sign(r"(?:(?<=\w)|(?<=\w ))<(?= ?\w)|(?<!\S)<(?= ?[$€£\d])", " less than "),),
    ">": (_sign(r"(?:(?<=\w)|(?<=\w ))>(?= ?\w)|(?<!\S)>(?= ?[$€£\d])", " greater than "),),
    "~": (_sign(r"~\s?(?=[\w$€£])", " about "),),
    "/": (
        _sign(r"(?<=[a-z])/(?=(?:day|week|month|year|hour|hr|mo|yr|person|night)(?!\w))", " per "),
        _sign(r"(?<=\d )/(?= \d)", " divided by "),
        _sign(r"(?<=[A-Z]T)/(?=\d)", " or "),  # "8am PT/11am ET"
    ),
    "°": (_sign(r"°", " degrees "),),
    "§": (_sign(r"§\s?", " section "),),
    "²": (_sign(r"²", " squared "),),
    "³": (_sign(r"³", " cubed "),),
    "$": (_sign(r"[$]+(?!\w)", " dollars "),),
    "€": (_sign(r"€", " euros "),),
    "£": (_sign(r"£", " pounds "),),
    "¥": (_sign(r"¥", " yen "),),
    "₹": (_sign(r"₹", " rupees "),),
}
"""Signs that stand by themselves or between words, by their character."""
