"""Amounts of money."""

from __future__ import annotations

import re

from duologue.tts.currencies import CODES, SIGNS, Currency
from duologue.tts.number_words import amount, cardinal
from duologue.tts.rules import RuleMatch, Rules, any_of
from duologue.tts.units import PER

__all__ = ["AMOUNT_RULES", "MAGNITUDES", "MONEY_RULES", "NUMBER"]

NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,5}(?!\d)|\d{1,2}(?:,\d{2}){1,5},\d{3}(?!\d)|\d{1,15}(?!\d))(?:\.\d{1,15})?"
"""A number with or without separators of thousands, the Indian ones too, and with or without a fraction."""
_EUROPEAN = r"\d{1,3}(?:\.\d{3}){0,4},\d\d(?![\d.,])"
"""A number with a comma before its fraction."""

MAGNITUDES = {
    "hundred": "hundred", "thousand": "thousand", "million": "million", "billion": "billion", "trillion": "trillion",
    "lakh": "lakh", "lakhs": "lakh", "crore": "crore", "crores": "crore", "k": "thousand", "K": "thousand",
    "m": "million", "M": "million", "mn": "million", "MM": "million", "mm": "million", "b": "billion", "B": "billion",
    "bn": "billion", "T": "trillion", "tn": "trillion",
}  # fmt: skip
_MAGNITUDE = rf"(?:\s?({'|'.join(sorted(MAGNITUDES, key=len, reverse=True))})(?!\w))?"


_SIGN = rf"(?:{any_of(SIGNS)}|U\.S\. ?\$|US \$)"
_CODE = any_of(CODES)
_PER = rf"(?:\s?/\s?({any_of(PER)}|[a-z]{{2,20}})(?!\w))?"
_ALSO = rf"(?:\s?({_CODE}|US(?= |[.,!?]|$))(?!\w)| (?:dollars?|euros?|pounds?|rupees?|yen)(?!\w))?"
_MINUS = r"([-+])?"
_AFTER = r"(?:\s?([€£¥₹₩₽₺₪₱₦₫฿₴¢$])|\s?(zl|kr)(?!\w)|\s?(CODES)(?!\w))".replace("CODES", _CODE)
_MINUSES = {"-": "minus ", "+": "plus ", None: "", "": ""}


def _currency(name: str) -> Currency:
    return CODES.get(name) or SIGNS.get(name) or SIGNS["US$"]  # "U.S. $"


def _in_words(number: str, magnitude: str | None, currency: Currency, *, singular: bool) -> str:
    """An amount in words; `singular` as before a noun: "twenty dollar" in "a $20 refund"."""
    if "," in number[-3:] or re.fullmatch(_EUROPEAN, number):
        number = number.replace(".", "").replace(",", ".")
    number = number.replace(",", "")
    one, many = currency.one, currency.one if singular else currency.many
    if magnitude:
        return f"{amount(number)} {MAGNITUDES[magnitude]} {many}"
    whole, _, part = number.partition(".")
    if len(part) > 2 or (part and not currency.cent):
        return f"{amount(number)} {currency.many}"
    part = part.ljust(2, "0") if part else ""
    pieces = []
    if whole.strip("0") or not part.strip("0"):
        pieces.append(f"{amount(whole)} {one if int(whole) == 1 else currency.many if part.strip('0') else many}")
    if part.strip("0"):
        pieces.append(f"{cardinal(int(part))} {currency.cent if int(part) == 1 else currency.cents}")
    return " and ".join(pieces)


def _per(unit: str | None) -> str:
    return f" per {PER.get(unit, unit)}" if unit else ""


def _prefixed(match: RuleMatch) -> str | None:
    """An amount after its sign or code: "$5", "US$20", "CHF 30", "$-45.10", "$5/month"."""
    before, sign, within, number, magnitude, code, per = match.groups()
    if sign == "PHP" and re.fullmatch(r"\d\.\d", number):
        return None  # the language
    currency = _currency(code if code and sign == "$" else sign)
    singular = not per and match.is_adjective
    words = _in_words(number, magnitude, currency, singular=singular)
    return _MINUSES[before or within] + words + _per(per)


def _range(match: RuleMatch) -> str:
    """A range with one sign: "$10-20", "€5-10 million"."""
    sign, first, second, magnitude, per = match.groups()
    return f"{amount(first)} to {_in_words(second, magnitude, _currency(sign), singular=False)}{_per(per)}"


def _postfixed(match: RuleMatch) -> str:
    """An amount before its sign or code: "20€", "20 USD", "5¢"."""
    minus, number, magnitude, sign, short, code, per = match.groups()
    singular = not per and match.is_adjective
    words = _in_words(number, magnitude, _currency(sign or short or code), singular=singular)
    return _MINUSES[minus] + words + _per(per)


def _pence(match: RuleMatch) -> str:
    return f"{cardinal(int(match[1]))} {'penny' if int(match[1]) == 1 else 'pence'}"


MONEY_RULES = Rules(
    re.compile(rf"[-+]?(?:{_SIGN}|{_CODE})\s?[-+]?\d"),
    (
        (re.compile(rf"({_SIGN}|{_CODE})\s?({NUMBER})\s?[-–]\s?({NUMBER}){_MAGNITUDE}{_PER}(?![\w%]|[.,]\d)"), _range),
        (
            re.compile(rf"{_MINUS}({_SIGN}|(?:{_CODE}))\s?{_MINUS}({_EUROPEAN}|{NUMBER}){_MAGNITUDE}{_ALSO}{_PER}"),
            _prefixed,
        ),
    ),
)
"""Amounts that begin with a sign or a code, or with "-" or "+" before it."""

AMOUNT_RULES = Rules(
    re.compile(rf"[-+]?{_EUROPEAN}|[-+]?{NUMBER}{_MAGNITUDE}(?:\s?[€£¥₹₩₽₺₪₱₦₫฿₿₴¢$]|\s?[A-Zzkp])"),
    (
        (re.compile(rf"{_MINUS}({_EUROPEAN}|{NUMBER}){_MAGNITUDE}{_AFTER}{_PER}"), _postfixed),
        (re.compile(r"(\d{1,2})p(?!\w)"), _pence),
    ),
)
"""Amounts that begin with a digit."""
