"""Figures in words, for languages whose phonemes are made by rule: whole numbers, decimals, times of day."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["mandarin_number", "spanish_number", "with_mandarin_figures", "with_spanish_figures"]

_DIGITS_LONG = 13
"""A run of as many digits is no number, and is read digit by digit."""

_ES_SMALL: Final = [
    "cero",
    "uno",
    "dos",
    "tres",
    "cuatro",
    "cinco",
    "seis",
    "siete",
    "ocho",
    "nueve",
    "diez",
    "once",
    "doce",
    "trece",
    "catorce",
    "quince",
    "dieciséis",
    "diecisiete",
    "dieciocho",
    "diecinueve",
    "veinte",
    "veintiuno",
    "veintidós",
    "veintitrés",
    "veinticuatro",
    "veinticinco",
    "veintiséis",
    "veintisiete",
    "veintiocho",
    "veintinueve",
]
_ES_TENS: Final = ["treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"]
_ES_HUNDREDS: Final = [
    "ciento",
    "doscientos",
    "trescientos",
    "cuatrocientos",
    "quinientos",
    "seiscientos",
    "setecientos",
    "ochocientos",
    "novecientos",
]
_ES_TIME = re.compile(r"\b(\d{1,2}):(\d{2})\b")
_ES_NUMBER = re.compile(r"\d{1,3}(?:[.\u00a0\u202f]\d{3})+(?:,\d+)?(?!\d)|\d+(?:,\d+)?(?:\.\d+)?")

_ZH_DIGITS: Final = "零一二三四五六七八九"
_ZH_NUMBER = re.compile(r"(\d+(?:,\d{3})*)(?:\.(\d+))?(%?)(年?)")
_ZH_TIME = re.compile(r"(?<!\d)(\d{1,2})[:：](\d{2})(?!\d)")


def with_spanish_figures(text: str) -> str:
    """The text with its figures in Spanish words: "8:30" is "ocho treinta", "1.500,5" "mil quinientos coma cinco"."""
    text = _ES_TIME.sub(lambda m: f"{int(m[1])} {int(m[2])}" if int(m[2]) else f"{int(m[1])} en punto", text)
    return " ".join(_ES_NUMBER.sub(lambda m: f" {_spanish(m[0])} ", text).split())


def spanish_number(number: int) -> str:
    """A whole number from 0 to a billion (10^12) less one, in words."""
    if number < 30:
        return _ES_SMALL[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return _ES_TENS[tens - 3] + (f" y {_ES_SMALL[rest]}" if rest else "")
    if number < 1_000:
        hundreds, rest = divmod(number, 100)
        if number == 100:
            return "cien"
        return _ES_HUNDREDS[hundreds - 1] + (f" {spanish_number(rest)}" if rest else "")
    scale, one, many = (1_000, "mil", "mil") if number < 1_000_000 else (1_000_000, "un millón", "millones")
    count, rest = divmod(number, scale)
    head = one if count == 1 else f"{_shortened(spanish_number(count))} {many}"
    return head + (f" {spanish_number(rest)}" if rest else "")


def _shortened(words: str) -> str:
    """Words of a number in front of a noun: "veintiuno" is "veintiún"."""
    if words.endswith("veintiuno"):
        return words[:-3] + "ún"
    return words[:-1] if words.endswith("uno") else words


def _spanish(figures: str) -> str:
    whole, _, decimals = figures.replace("\u00a0", ".").replace("\u202f", ".").partition(",")
    if not decimals and re.fullmatch(r"\d+\.\d+", whole) and not re.fullmatch(r"\d{1,3}\.\d{3}", whole):
        whole, _, decimals = whole.partition(".")
    digits = whole.replace(".", "")
    is_code = (digits.startswith("0") and len(digits) > 1) or len(digits) >= _DIGITS_LONG
    said = " ".join(_ES_SMALL[int(d)] for d in digits) if is_code else spanish_number(int(digits))
    if decimals:
        said += " coma " + " ".join(_ES_SMALL[int(d)] for d in decimals)
    return said


def with_mandarin_figures(text: str) -> str:
    """The text with its figures in Chinese characters; a year, a code and decimals are read digit by digit."""
    text = _ZH_TIME.sub(lambda m: f"{int(m[1])}点" + (f"{int(m[2])}分" if int(m[2]) else ""), text)
    return _ZH_NUMBER.sub(_mandarin, text)


def mandarin_number(number: int) -> str:
    """A whole number from 0 to 10^12 less one, in characters."""
    if number < 10:
        return _ZH_DIGITS[number]
    for scale, name in ((10**8, "亿"), (10**4, "万"), (1_000, "千"), (100, "百"), (10, "十")):
        if number >= scale:
            count, rest = divmod(number, scale)
            head = "" if (scale, count) == (10, 1) else mandarin_number(count)
            gap = "零" if rest and rest * 10 < scale else ""
            return head + name + gap + (_after(rest) if rest else "")
    raise AssertionError(number)


def _after(rest: int) -> str:
    """The rest of a number behind a larger part of it, where ten is "one ten"."""
    words = mandarin_number(rest)
    return f"一{words}" if 10 <= rest < 20 else words


def _mandarin(match: re.Match[str]) -> str:
    digits, decimals, percent, year = match[1].replace(",", ""), match[2], match[3], match[4]
    is_code = (digits.startswith("0") and len(digits) > 1) or len(digits) >= _DIGITS_LONG or len(digits) in (7, 8, 11)
    if is_code or (year and len(digits) == 4):
        said = "".join(_ZH_DIGITS[int(d)] for d in digits)
    else:
        said = mandarin_number(int(digits))
    if decimals:
        said += "点" + "".join(_ZH_DIGITS[int(d)] for d in decimals)
    return ("百分之" + said if percent else said) + year
