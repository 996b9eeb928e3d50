"""Numbers as English words, without "and" and without commas inside a number."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "LONGEST_CARDINAL",
    "amount",
    "cardinal",
    "decade",
    "decimal",
    "digits",
    "grouped",
    "ordinal",
    "pairs",
    "plural_ordinal",
    "year",
]

# fmt: off
_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]
_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
# fmt: on
_SCALES = ["", "thousand", "million", "billion", "trillion"]
_IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
LONGEST_CARDINAL = 3 * len(_SCALES)
"""Digits in the largest number that has a name here; longer ones are read digit by digit."""


def digits(text: str) -> str:
    """Each digit in `text` as a word: "407" is "four zero seven"; other characters are left out."""
    return " ".join(_ONES[int(char)] for char in text if char in "0123456789")


def _below_hundred(number: int) -> str:
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens]}-{_ONES[ones]}" if ones else _TENS[tens]


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = [f"{_ONES[hundreds]} hundred"] if hundreds else []
    if rest or not hundreds:
        words.append(_below_hundred(rest))
    return " ".join(words)


def cardinal(number: int) -> str:
    """The number as a count: 1234 is "one thousand two hundred thirty-four".

    Beyond `LONGEST_CARDINAL` digits it is read digit by digit.
    """
    if number < 0:
        return "minus " + cardinal(-number)
    if number >= 10**LONGEST_CARDINAL:
        return digits(str(number))
    groups = []
    for scale in _SCALES:
        number, group = divmod(number, 1000)
        if group:
            groups.append(f"{_below_thousand(group)} {scale}".rstrip())
    return " ".join(reversed(groups)) or _ONES[0]


def ordinal(number: int) -> str:
    """The number as a rank: 21 is "twenty-first"."""
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last.endswith("y"):
        return f"{head}{last[:-1]}ieth"
    return head + _IRREGULAR.get(last, last + "th")


def plural_ordinal(number: int) -> str:
    """The number as the lower part of a fraction: 3 is "thirds", 4 is "quarters"."""
    return {2: "halves", 4: "quarters"}.get(number) or ordinal(number) + "s"


def decimal(text: str) -> str:
    """A decimal in digits, as text so that no digit is lost: "3.50" is "three point five zero"."""
    whole, _, fraction = text.partition(".")
    words = cardinal(int(whole)) if len(whole) <= LONGEST_CARDINAL and whole else digits(whole or "0")
    return f"{words} point {digits(fraction)}" if fraction else words


def year(number: int) -> str:
    """A year from 1000 to 2999: 1905 is "nineteen oh five", 2005 "two thousand five", 2026 "twenty twenty-six"."""
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if rest == 0:
        return f"{_below_hundred(century)} hundred"
    return f"{_below_hundred(century)} {'oh ' if rest < 10 else ''}{_below_hundred(rest)}"


def amount(text: str) -> str:
    """A number in digits, with or without separators of thousands and a fraction: "1,234.5"."""
    return decimal(text.replace(",", ""))


def pairs(text: str) -> str:
    """The digits of a room, a house or a road: 204 is "two oh four", 1215 "twelve fifteen", 1200 "twelve hundred"."""
    if len(text) not in (3, 4) or text[0] == "0":
        return cardinal(int(text)) if len(text) < 3 and text[0] != "0" else digits(text)
    head, tail = int(text[:-2]), int(text[-2:])
    if tail == 0:
        return cardinal(int(text)) if head % 10 == 0 else f"{_below_hundred(head)} hundred"
    return f"{_below_hundred(head)} {'oh ' if tail < 10 else ''}{_below_hundred(tail)}"


def grouped(groups: Iterable[str]) -> str:
    """Groups of digits with a pause after each: "020", "7946" is "zero two zero, seven nine four six"."""
    return ", ".join(digits(group) for group in groups)


def decade(text: str) -> str:
    """A decade by its first year: "1990" is "nineteen nineties", "80" is "eighties"."""
    words = year(int(text)) if len(text) == 4 else cardinal(int(text))
    return words[:-1] + "ies" if words.endswith("y") else words + "s"
