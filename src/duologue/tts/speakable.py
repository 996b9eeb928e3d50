"""Text made speakable: words and pauses only."""

from __future__ import annotations

import re

from duologue.tts.abbreviations import ABBREVIATION_RULES
from duologue.tts.addresses import ADDRESS_RULES
from duologue.tts.capitals import CAPITAL_RULES
from duologue.tts.codes import CARD_RULES, CODE_RULES, MIXED_RULES
from duologue.tts.dates import DATE_RULES, MONTH_RULES
from duologue.tts.markup import latin, without_markup
from duologue.tts.measures import CROSS_RULES, MEASURE_RULES
from duologue.tts.money import AMOUNT_RULES, MONEY_RULES
from duologue.tts.named_numbers import NAMED_RULES, VERSION_RULES
from duologue.tts.numbers import NUMBER_RULES, PLAIN_RULES
from duologue.tts.roman import ROMAN_RULES
from duologue.tts.rules import RuleMatch, Rules
from duologue.tts.signs import SIGN_RULES
from duologue.tts.telephone import CALL_RULES, EXTENSION_RULES, TELEPHONE_RULES
from duologue.tts.times import TIME_RULES, ZONE_RULES

__all__ = ["speakable"]

# Rules are tried in this order where a word, a number or a sign begins, and the first that has a reading wins: what a
# form or the words around it give away comes before what is a guess.
_AT_DIGIT: tuple[Rules, ...] = (
    ADDRESS_RULES,
    DATE_RULES,
    CARD_RULES,
    TELEPHONE_RULES,
    TIME_RULES,
    AMOUNT_RULES,
    MEASURE_RULES,
    CALL_RULES,
    CODE_RULES,
    NAMED_RULES,
    NUMBER_RULES,
    MIXED_RULES,
    PLAIN_RULES,
)
_BEFORE_DIGIT: tuple[Rules, ...] = (
    TELEPHONE_RULES,
    MONEY_RULES,
    DATE_RULES,
    AMOUNT_RULES,
    MEASURE_RULES,
    PLAIN_RULES,
)
_AT_LETTER: tuple[Rules, ...] = (
    ADDRESS_RULES,
    MONEY_RULES,
    CARD_RULES,
    CODE_RULES,
    MONTH_RULES,
    EXTENSION_RULES,
    CROSS_RULES,
    ABBREVIATION_RULES,
    ZONE_RULES,
    VERSION_RULES,
    ROMAN_RULES,
    MIXED_RULES,
    CAPITAL_RULES,
)

_INSIDE = (PLAIN_RULES,)
_SIGNS = {char: (Rules(re.compile(""), rules),) for char, rules in SIGN_RULES.items()}
_LEADING = frozenset("+-.'($€£¥₹₩₽₺₪₱₦₫฿₿₴")
"""Signs that a number may begin with."""

_PLACE = re.compile(
    # a word in capitals, or one with a mark or a digit in it, or a short form
    r"(?<![A-Za-z0-9])(?:[A-Z]|[a-z](?=[\w+%-]{0,64}[./@:\d])|x(?= ?#?\d)"
    r"|(?:aka|appt|approx|etc|ext|[km]ph|kr|vs|zl|x?i{1,3}|x?i?vi{0,3}|xi{0,3})(?![A-Za-z']))"
    r"|\d|[^\sA-Za-z0-9,;:!?\"()\[\]{}|\\.']|\.(?=\w)|\((?=\+?\d)|'(?=\d)"
)
_MOST_PLACES = 20_000
"""Places of a text that are read with all rules; numbers beyond are read plainly, so that no text costs too much."""
_WORD = re.compile(r"[A-Za-z]+")
_OPENERS = frozenset("([{\"'—–/=<>~:,*^$€£¥₹")
"""Signs after which a mark belongs to the number that follows."""

_UNSAID = re.compile(r"[^A-Za-z .,!?;:'\"()—-]")
_LOOSE = re.compile(r"(?<![A-Za-z.'\")])['-]+(?![A-Za-z])")
_UNSPACED = re.compile(r"(?<=[a-z]{2})([.!?])(?=[A-Z])|(?<=[A-Za-z])([,;:])(?=[A-Za-z])")
_SPACED_MARK = re.compile(r" (?=[,.!?;:])")
_MARKS = re.compile(r"[,;:—]+ ?(?=[.!?])|([!?])[!?.]+|(\.{3})\.+|(,)[,;:]+")
_EMPTY = re.compile(r"\( ?\)|\" ?\"")
_EDGE = re.compile(r"^[ ,;:.!?)—-]+")


def speakable(text: str) -> str:
    """Return the text as an English voice speaks it: letters and marks of pause; empty if nothing can be said.

    Markup and emoji are removed, links keep their words, accents are dropped, and other scripts are left out. Numbers,
    money, dates, times, measures, codes, addresses, signs and abbreviations become words; words around a number decide
    between a quantity and digits. `docs/spoken-text.md` lists the readings. Takes time in proportion to the length.
    """
    text = _in_words(latin(without_markup(text)))
    text = _LOOSE.sub(" ", _UNSAID.sub(" ", text))
    text = _UNSPACED.sub(r"\1\2 ", _EMPTY.sub("", " ".join(text.split())))
    text = _MARKS.sub(r"\1\2\3", _SPACED_MARK.sub("", " ".join(text.split())))
    text = _EDGE.sub("", text)
    return text if any(char.isalpha() for char in text) else ""


def _in_words(text: str) -> str:
    """The text with words for all that is not one; a single pass, in which no reading is read again."""
    said: list[str] = []
    at = places = 0
    while place := _PLACE.search(text, at):
        start = place.start()
        said.append(text[at:start])
        before = text[start - 1] if start else " "
        places += 1
        is_inside = places > _MOST_PLACES or (start > at and before.isalnum())
        at, words = _read(text, start, _rules(text[start], before, is_inside=is_inside))
        if at > start + 1 or words != text[start:at]:
            words = _apart(said, words, text[at : at + 1])
        said.append(words)
    said.append(text[at:])
    return "".join(said)


def _read(text: str, start: int, kinds: tuple[Rules, ...]) -> tuple[int, str]:
    """Where what begins at `start` ends, and its words; the text itself if no rule reads it."""
    match = RuleMatch(text, start)
    for kind in kinds:
        if not kind.gate.match(text, start):
            continue
        for pattern, reader in kind.rules:
            if match.matches(pattern) and (words := reader(match)) is not None:
                return match.end, words
    word = _WORD.match(text, start)
    end = word.end() if word else start + 1
    return end, text[start:end]


def _rules(char: str, before: str, *, is_inside: bool) -> tuple[Rules, ...]:
    """The rules for a place that begins with `char`; `is_inside` a word that has begun before it."""
    if char.isdecimal():
        return _INSIDE if is_inside else _AT_DIGIT
    if char.isalpha():
        return () if is_inside else _AT_LETTER
    signs = _SIGNS.get(char, ())
    if char not in _LEADING or (char in "+-.'" and not (before.isspace() or before in _OPENERS)):
        return signs
    return (*_BEFORE_DIGIT, *signs)


def _apart(said: list[str], words: str, following: str) -> str:
    """The words with spaces where they would touch a letter."""
    previous = next((part[-1] for part in reversed(said) if part), " ")
    before = " " if previous.isalnum() and words[:1].isalpha() else ""
    return f"{before}{words}{' ' if following.isalnum() and words[-1:].isalpha() else ''}"
