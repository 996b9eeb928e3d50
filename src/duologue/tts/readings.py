"""How figures are said: numbers, money, dates, times, telephone numbers, measures."""

from __future__ import annotations

import re
from collections.abc import Callable

from duologue.tts.number_words import (
    cardinal,
    decimal,
    digits,
    ordinal,
    plural_ordinal,
    year,
)

__all__ = ["spoken_figures"]

Reading = str | Callable[[re.Match[str]], str]

# Bounded everywhere: a search that may start at each figure of an endless run must not read the run to its end.
_NUM = r"(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:\.\d{1,15})?"
_ALONE = r"(?<![\w.,])"
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_MONTH = rf"({'|'.join(_MONTHS)}|Sept|{'|'.join(name[:3] for name in _MONTHS)})\b\.?"
_MAGNITUDES = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion"}
_MONEY = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "sen", "sen"),
    "USD": ("US dollar", "US dollars", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
    "¢": ("cent", "cents", "", ""),
}
_UNITS = {
    "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "m": "meter", "kg": "kilogram", "g": "gram",
    "mg": "milligram", "lb": "pound", "lbs": "pound", "oz": "ounce", "ft": "foot", "mi": "mile", "ml": "milliliter",
    "mL": "milliliter", "L": "liter", "l": "liter", "mph": "mile per hour", "km/h": "kilometer per hour",
    "kph": "kilometer per hour", "m/s": "meter per second", "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz",
    "GHz": "gigahertz", "kB": "kilobyte", "KB": "kilobyte", "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte",
    "Mbps": "megabit per second", "Gbps": "gigabit per second", "ms": "millisecond", "sec": "second",
    "secs": "second", "s": "second", "min": "minute", "mins": "minute", "hr": "hour", "hrs": "hour", "h": "hour",
    "kW": "kilowatt", "kWh": "kilowatt hour", "W": "watt", "V": "volt", "dB": "decibel", "sq ft": "square foot",
    "μm": "micrometer", "μg": "microgram", "yd": "yard",
}  # fmt: skip
_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))


def _amount(text: str) -> str:
    """A number that counts something."""
    text = text.replace(",", "")
    if "." in text:
        return decimal(text)
    return cardinal(int(text))


def _plain(match: re.Match[str]) -> str:
    """A number by itself: a count, a year, or figures to be read one by one."""
    text = match[0]
    if not text.isdigit():
        return _amount(text)
    if (len(text) > 1 and text[0] == "0") or (len(text) >= 7 and not text.endswith("000")):
        return digits(text)
    if len(text) == 4 and (1100 <= int(text) < 2000 or 2010 <= int(text) < 2100):
        return year(int(text))
    return _amount(text)


def _groups(match: re.Match[str]) -> str:
    """A telephone number or the like: figure by figure, with a pause between its groups."""
    plus = "plus " if match[0].startswith("+") else ""
    return plus + ", ".join(digits(group) for group in re.findall(r"\d+", match[0]))


def _plural(unit: str) -> str:
    head, _, tail = unit.partition(" per ")
    irregular = {"foot": "feet", "square foot": "square feet"}
    plural = irregular.get(head) or (head if head.endswith("hertz") else head + "s")
    return f"{plural} per {tail}" if tail else plural


def _unit(match: re.Match[str]) -> str:
    number, unit, power = match.groups()
    words = _UNITS[unit]
    words = words if number == "1" else _plural(words)
    return f"{_amount(number)} {({'²': 'square ', '³': 'cubic '}).get(power or '', '')}{words}"


def _money(match: re.Match[str]) -> str:
    sign, number, magnitude = match["sign"] or match["code"], match["number"].replace(",", ""), match["magnitude"]
    one, many, small_one, small_many = _MONEY[sign]
    minus = "minus " if match["minus"] else ""
    if magnitude:
        return f"{minus}{_amount(number)} {_MAGNITUDES.get(magnitude.lower(), magnitude)} {many}"
    whole, _, part = number.partition(".")
    if len(part) != 2:
        return f"{minus}{_amount(number)} {one if number == '1' else many}"
    pieces = []
    if whole.strip("0") or not part.strip("0"):
        pieces.append(f"{_amount(whole)} {one if whole == '1' else many}")
    if part.strip("0"):
        pieces.append(f"{cardinal(int(part))} {small_one if int(part) == 1 else small_many}")
    return minus + " and ".join(pieces)


def _clock(match: re.Match[str]) -> str:
    hour, minute, second, half = int(match[1]), int(match[2]), match[3], match[4]
    if hour > 24:
        return f"{cardinal(hour)} {cardinal(minute)}"
    words = cardinal(hour)
    if minute:
        words += f" {'oh ' if minute < 10 else ''}{cardinal(minute)}"
    elif not half:
        words = f"{words} o'clock" if 0 < hour <= 12 else f"{words} hundred hours" if hour else "midnight"
    if second:
        words += f" and {cardinal(int(second))} seconds"
    return f"{words} {half.lower()}.m." if half else words


def _calendar(month: int, day: int) -> str | None:
    return f"{_MONTHS[month - 1]} {ordinal(day)}" if 1 <= month <= 12 and 1 <= day <= 31 else None


def _iso_date(match: re.Match[str]) -> str:
    day = _calendar(int(match[2]), int(match[3]))
    return f"{day}, {match[1]}{' at ' if match[4] else ''}" if day else match[0]


def _slashed_date(match: re.Match[str]) -> str:
    first, second, of = int(match[1]), int(match[2]), match[3]
    day = _calendar(first, second) or _calendar(second, first)
    return f"{day}, {of if len(of) == 4 else '20' + of}" if day else match[0]


def _fraction(match: re.Match[str]) -> str:
    whole, over, under = match[1], int(match[2]), int(match[3])
    if 0 < over < under and (under <= 10 or under in (16, 32, 64, 100)):
        part = f"{cardinal(over)} {plural_ordinal(under) if over > 1 else plural_ordinal(under)[:-1]}"
        part = part.replace("halve", "half") if over == 1 else part
        return f"{_amount(whole)} and {part.replace('one half', 'a half')}" if whole else part
    before = f"{_amount(whole)} " if whole else ""
    if over == under:
        return f"{before}{cardinal(over)} out of {cardinal(under)}"
    return before + (_calendar(over, under) or f"{cardinal(over)} {cardinal(under)}")


def _month_day(match: re.Match[str]) -> str:
    month = next(name for name in _MONTHS if name.startswith(match[1][:3]))
    return f"{month} {ordinal(int(match[2]))}" if 1 <= int(match[2]) <= 31 else match[0]


def _day_month(match: re.Match[str]) -> str:
    month = next(name for name in _MONTHS if name.startswith(match[2][:3]))
    return f"the {ordinal(int(match[1]))} of {month}" if 1 <= int(match[1]) <= 31 else match[0]


def _decade(match: re.Match[str]) -> str:
    words = year(int(match[1])) if len(match[1]) == 4 else cardinal(int(match[1]))
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def _magnitude(match: re.Match[str]) -> str:
    return f"{_amount(match[1])} {_MAGNITUDES[match[2].lower()]}"


_FIGURES: tuple[tuple[re.Pattern[str], Reading], ...] = tuple(
    (re.compile(pattern), reading)
    for pattern, reading in (
        (r"\d{16,}", lambda m: f" {digits(m[0])} "),
        (r"(?<![\w.])\.(?=\d)", "0."),
        (r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?!\d)(?:(T)(?=\d))?", _iso_date),
        (r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4}|\d\d)(?![\d/])", _slashed_date),
        (r"(?<=\d)\s?[-–]\s?(?=\d{1,2}:\d\d)", " to "),
        (r"(?<![\d:.])(\d{1,2}):([0-5]\d)(?::([0-5]\d))?(?:\s?([AaPp])\.?[Mm](?:\.|\b))?(?![\d:])", _clock),
        (r"(?<![\w.:])(\d{1,2})\s?([AaPp])\.?[Mm](?:\.|\b)", lambda m: f"{cardinal(int(m[1]))} {m[2].lower()}.m."),
        (r"(?<![\w.+-])(?:\+?\d{1,3}[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])", _groups),
        (r"\+\d[\d ()-]{6,18}\d(?!\w)", _groups),
        (r"(?<![\w.-])\d{3}-\d{4}(?![\w-])|(?<![\w.-])\d{2,5}(?:-\d{2,5}){2,6}(?![\w-])", _groups),
        (r"(?<![\w.])\d{1,4}(?:\.\d{1,4}){2,6}(?!\w)", lambda m: " point ".join(map(_amount, m[0].split(".")))),
        (rf"\b{_MONTH} (\d{{1,2}})(?:st|nd|rd|th)?\b(?![:%.,]\d)", _month_day),
        (rf"(?:\b[Tt]he )?\b(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?{_MONTH}", _day_month),
        (r"24/7", "twenty-four seven"),
        (r"(?<![\w./])(?:(\d{1,6}) )?(\d{1,3})/(\d{1,3})(?![\w/])", _fraction),
        (r"(?<=\d) - (?=\d)", " minus "),
        (r"(?<=\d)\s?[-–]\s?(?=[$€£¥]?\d)", " to "),
        (
            rf"(?P<minus>-?)(?:(?:(?<![\w$])|(?<=US))(?P<sign>[$€£¥])\s?|(?<!\w)(?P<code>USD|EUR|GBP)\s?)"
            rf"(?P<number>{_NUM})(?:\s?(?P<magnitude>hundred|thousand|million|billion|trillion|bn|[kKmMbB])\b)?",
            _money,
        ),
        (
            rf"{_ALONE}(?P<minus>-?)(?P<number>{_NUM})(?P<magnitude>)\s?(?:(?P<sign>[€£¥¢])|(?P<code>USD|EUR|GBP)\b)",
            _money,
        ),
        (rf"(?<![\w.,+-])-(?={_NUM})", "minus "),
        (r"(?<!\w)(\d)'(\d{1,2})\"", lambda m: f"{cardinal(int(m[1]))} foot {cardinal(int(m[2]))}"),
        (rf"({_NUM})\s?%", lambda m: _amount(m[1]) + " percent"),
        (
            rf"({_NUM})\s?°(?:\s?([CF])\b)?",
            lambda m: (
                f"{_amount(m[1])} degree{'' if m[1] == '1' else 's'}"
                + {"C": " Celsius", "F": " Fahrenheit"}.get(m[2] or "", "")
            ),
        ),
        (r"(?<![\w.,])'?(\d{4}|\d0)'?s\b", _decade),
        (rf"{_ALONE}({_NUM})\s?({_UNIT})([²³])?(?![\w/'])", _unit),
        (rf"{_ALONE}({_NUM})(k|K|M|bn)\b", _magnitude),
        (r"(?<!\w)(\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:st|nd|rd|th)\b", lambda m: ordinal(int(m[1].replace(",", "")))),
        (r"\b[Nn]os?\. ?(?=\d)|#\s?(?=\d)", "number "),
        (r"(?<=\d)\s?x\s?(?=\d)", " by "),
        (rf"{_ALONE}({_NUM})x\b", lambda m: _amount(m[1]) + " times"),
        (r"(?<=\d):(?=\d)", " to "),
        (r"(?<=[A-Za-z])-?(\d{3,})", lambda m: " " + digits(m[1]) + " "),
        (r"(?<=[A-Za-z])-?(?=\d)|(?<=\d)-?(?=[A-Za-z])", " "),
        (_NUM, _plain),
        (r"(?<=[a-z])\.(?=\d)|(?<=\d)\.(?=[a-z])", " point "),
    )
)


def spoken_figures(text: str) -> str:
    """The text with every figure in words."""
    for pattern, reading in _FIGURES:
        text = pattern.sub(reading, text)
    return text
