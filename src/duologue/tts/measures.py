"""Measures: units, temperatures, percentages, heights and dimensions."""

from __future__ import annotations

import re

from duologue.tts.money import NUMBER
from duologue.tts.number_words import amount, cardinal
from duologue.tts.rules import RuleMatch, Rules, any_of, word_set
from duologue.tts.units import PER, UNITS, plural

__all__ = ["CROSS_RULES", "MEASURE_RULES"]


_POWERS = {None: "", "²": "square ", "2": "square ", "³": "cubic ", "3": "cubic "}
_SCALES = {"C": "Celsius", "F": "Fahrenheit", "K": "Kelvin"}
_WEATHER = word_set(
    "temperature temperatures degrees weather high highs low lows warm cold hot cool cools heat heats heated oven set "
    "thermostat feels outside currently forecast sunny cloudy around preheat fever it's"
)
_SIGNS = {"-": "minus ", "+": "plus ", None: ""}
_GOES_ON = re.compile(r" [a-z\d(]|[,;:!?)]")
_MEASURE_BEFORE = re.compile(r"\d ?(?:mm|cm|m|km|in|ft|yd|px)\.? $")
_END = r"(?![\w/])"
_SHORT_UNIT = any_of(unit for unit in UNITS if unit.endswith("."))
_POWERED = r"(?:mm|cm|km|m|ft|in|yd|mi)(?=[²³]|[23](?!\w))"


def _signed(sign: str | None, number: str) -> str:
    return _SIGNS[sign] + amount(number)


def _unit(match: RuleMatch) -> str | None:
    """A number with a unit: "5 km", "12 m²", "60 km/h", "a 5 km run", "30-min"."""
    sign, number, hyphen, symbol, power, below, below_power = match.groups()
    if symbol == "s" and number in ("100", "1000") and match.after(3) == " of":
        return None  # "100s of people"
    unit = UNITS.get(symbol) or UNITS[symbol + "."]
    words = _POWERS[power] + (unit if number == "1" or hyphen or match.is_adjective else plural(unit))
    joint = "-" if hyphen else " "
    return f"{_signed(sign, number)}{joint}{words}" + (f" per {_below(below, below_power)}" if below else "")


def _below(symbol: str, power: str | None) -> str:
    """What stands below the line, as in "square meter" or "second squared"."""
    unit = PER[symbol]
    return f"{unit} squared" if power and unit == "second" else _POWERS[power] + unit


def _short_unit(match: RuleMatch) -> str:
    """A unit with a full stop, which may end the sentence too."""
    sign, number, symbol = match.groups()
    unit = UNITS[symbol]
    words = f"{_signed(sign, number)} {unit if number == '1' or match.is_adjective else plural(unit)}"
    return words if _GOES_ON.match(match.after(2)) else words + "."


def _degrees(match: RuleMatch) -> str:
    sign, number, scale = match.groups()
    words = f"{_signed(sign, number)} degree{'' if number == '1' else 's'}"
    return f"{words} {_SCALES[scale]}" if scale else words


def _temperature(match: RuleMatch) -> str | None:
    """A temperature without its sign of degrees: one with a fraction, or in a sentence about the weather or an oven."""
    if _WEATHER.isdisjoint(match.words) and "." not in match[2]:
        return None
    return f"{_signed(match[1], match[2])} degrees {_SCALES[match[3]]}"


def _percent(match: RuleMatch) -> str:
    return f"{_signed(match[1], match[2])} percent"


def _height(match: RuleMatch) -> str:
    return f"{cardinal(int(match[1]))} foot {cardinal(int(match[2]))}"


def _mark(match: RuleMatch) -> str | None:
    """Feet or inches by a mark, unless the mark closes a quotation."""
    number, mark = match.groups()
    if match.before(200).count(mark) % 2:
        return None
    unit = "foot" if mark == "'" else "inch"
    return f"{amount(number)} {unit if number == '1' or match.is_adjective else plural(unit)}"


def _by(match: RuleMatch) -> str:
    return f"{amount(match[1])} by "


def _cross(match: RuleMatch) -> str | None:
    return "by" if _MEASURE_BEFORE.search(match.before(8)) else None


def _times(match: RuleMatch) -> str:
    return f"{amount(match[1])} times" + (f" per {PER.get(match[2], match[2])}" if match[2] else "")


def _per(match: RuleMatch) -> str:
    return f"{amount(match[1])} per {PER.get(match[2], match[2])}"


MEASURE_RULES = Rules(
    re.compile(rf"[-+]?{NUMBER}[\s-]?[A-Za-zμ%°'\"/]"),
    (
        (re.compile(r"(\d)(?:' ?| ?ft\.?,? )(\d{1,2})(?:\"| ?in(?:\.|(?![A-Za-z])))(?!\w)"), _height),
        (re.compile(r"(\d{1,3})(['\"])(?![\w'\"])"), _mark),
        (re.compile(rf"([-+])?({NUMBER})\s?%+"), _percent),
        (re.compile(rf"([-+])?({NUMBER})\s?°(?:\s?([CFK])(?!\w))?"), _degrees),
        (re.compile(r"(-)?(\d{1,3}(?:\.\d)?) ?([CF])(?!\w)"), _temperature),
        (
            re.compile(rf"([-+])?({NUMBER})\s?({any_of(unit for unit in UNITS if unit.endswith('.'))})(?!\w)"),
            _short_unit,
        ),
        (
            re.compile(
                rf"([-+])?({NUMBER})(?:\s|(-))?(?:({_POWERED}|{any_of(UNITS)})([²³23])?)"
                rf"(?:/({any_of(PER)})([²³])?)?{_END}(?<![./])"
            ),
            _unit,
        ),
        (re.compile(rf"({NUMBER})\s?[xX]\s?(?=\d)"), _by),
        (re.compile(rf"({NUMBER})[xX](?:/([a-z]{{2,10}}))?(?!\w)"), _times),
        (
            re.compile(rf"({NUMBER})\s?/\s?(day|week|month|year|hour|min|minute|sec|mo|yr|hr|wk|person|night)(?!\w)"),
            _per,
        ),
    ),
)
"""Measures; they begin with a digit, or with "-" or "+" before it."""

CROSS_RULES = Rules(re.compile("x"), ((re.compile(r"x(?= \d)"), _cross),))
"""The "x" in "30 cm x 20 cm"."""
