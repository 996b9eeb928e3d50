"""Roman numerals: ranks after the names of monarchs (Henry VIII), numbers after nouns (Chapter IV)."""

from __future__ import annotations

import re

from duologue.tts.number_words import cardinal, ordinal, year
from duologue.tts.rules import RuleMatch, Rules, word_set

__all__ = ["ROMAN_RULES"]

_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_NUMERAL = r"(?=[MDCLXVI])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
_MONARCHS = word_set(
    """
    albert alexander alfonso baldwin benedict boniface carl carlos catherine charles christian clement constantine
    darius edward elizabeth felipe ferdinand francis frederick george gregory gustav haakon harald harold henry
    innocent ivan james john juan julius leo leopold louis ludwig mary maximilian napoleon nicholas olav otto paul
    peter philip pius ptolemy ramesses ramses richard robert rudolf thutmose tutankhamun urban victor wilhelm
    william xerxes
    """
)
_GIVEN_NAMES = (
    word_set(
        """
    adam andrew anthony arthur benjamin brian bruce christopher clarence daniel david donald douglas dwight earl edgar
    edwin elmer eric ernest eugene frank franklin fred gary gerald harry harvey howard hugh jack jason jay jeffrey jerry
    joe joseph kenneth kevin larry lawrence leonard lewis mark martin matthew michael patrick ralph raymond roger ronald
    roy russell sam samuel scott stephen steven theodore thomas timothy walter warren wayne
    """
    )
    | _MONARCHS
)
_NUMBERED = word_set(
    """
    act apollo appendix article band battlefield book bowl calibur category chapter civilization class clause creed
    cup debt deck division duty edition effect episode factor fantasy figure final form gear grade group hades halo
    item kart kombat lesson level mark movement night number olympiad page paragraph part phase quest rocky round
    scene schedule season section sonata souls square stage stalker step symphony table tier title tome type unit
    vatican vol volume war wars
    """
)
_SURE = word_set("II III IV VI VII VIII IX XI XII XIII XIV XV XVI XVII XVIII XIX XXI XXII XXIII")
"""What is hardly anything else."""
_LONE = re.compile(r"[A-Z][a-z]+")
_ENDS = re.compile(r"(?:'s)?(?:[.,;:!?)\]\"]|$| (?:of|and|was|is|reigned|ruled|died|or|to|in|at|by|for|on|with|era)\b)")


def _value(numeral: str) -> int:
    values = [_VALUES[char] for char in numeral.upper()]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))


def _roman(match: RuleMatch) -> str | None:
    numeral = match[0]
    value = _value(numeral)
    name = match.last
    before = match.before(24)
    if not before.endswith(" "):
        return None
    if name in _NUMBERED and numeral.strip("IVXL") == "" and numeral != "L":
        is_sure = len(numeral) > 1 or before.rstrip()[-len(name) :][:1].isupper()
        return cardinal(value) if is_sure and (numeral != "I" or name == "war" or _ends(match)) else None
    if not _LONE.search(before) or before.rstrip()[-len(name) :][:1].islower():
        return _alone(value, match)
    if name in _MONARCHS and (len(numeral) > 1 or (numeral in "IVX" and _ends(match))):
        return f"the {ordinal(value)}"
    if len(numeral) < 2:
        return None
    if len(match.words) > 1 and match.words[-2] in _GIVEN_NAMES and numeral in ("II", "III", "IV"):
        return f"the {ordinal(value)}"
    return _alone(value, match) if numeral not in _SURE else cardinal(value)


def _alone(value: int, match: RuleMatch) -> str | None:
    """A numeral that no name leads to: a century, a year, or letters."""
    if match.noun_after in ("century", "centuries", "dynasty"):
        return ordinal(value)
    if len(match[0]) > 4 and 1100 <= value < 2100:
        return year(value)
    return cardinal(value) if match[0] in _SURE and match[0] not in ("IV", "VI", "XI") else None


def _ends(match: RuleMatch) -> bool:
    return _ENDS.match(match.text, match.end) is not None


def _small(match: RuleMatch) -> str | None:
    return cardinal(_value(match[0])) if match.last in _NUMBERED or match.last == "pages" else None


ROMAN_RULES = Rules(
    re.compile(r"[IVXLCDM]{1,15}(?![A-Za-z])|[ivx]{1,4}(?![A-Za-z])"),
    (
        (re.compile(rf"{_NUMERAL}(?![\w-]|\.\w|'[a-rt-z])"), _roman),
        (re.compile(r"(?:ii|iii|iv|vi|vii|viii|ix|xi|xii)(?![\w'-])"), _small),
    ),
)
"""Roman numerals; they begin with a letter."""
