"""Words that the booking parser knows: numbers, and words that are not names."""

from __future__ import annotations

import re

__all__ = ["HOUR", "NUMBER", "NUMBERS", "ORDINAL", "STOP", "Scanner", "number", "ordinal", "ordinal_word", "word"]

_CARDINAL_WORDS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen"""
_ORDINAL_WORDS = """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
    fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"""
_ONES = _CARDINAL_WORDS.split()
_ORDINALS = _ORDINAL_WORDS.split()
_TENS = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty"}


def word(value: int) -> str:
    """Return a number in words if it is below sixty, otherwise in digits."""
    if value < 20:
        return _ONES[value]
    if value >= 60:
        return str(value)
    tens, ones = divmod(value, 10)
    return f"{_TENS[tens * 10]} {_ONES[ones]}" if ones else _TENS[tens * 10]


def ordinal_word(value: int) -> str:
    """Return a day of the month in words: `first` to `thirty first`."""
    if value <= 20:
        return _ORDINALS[value - 1]
    if value == 30:
        return "thirtieth"
    return f"{_TENS[value // 10 * 10]} {_ORDINALS[value % 10 - 1]}"


NUMBERS = {word(value): value for value in range(60)}
_DAYS = {ordinal_word(value): value for value in range(1, 32)}


def _any_of(words: object) -> str:
    # Longest first: an alternation takes the first branch that matches, and "twenty" also matches "twenty five".
    return "|".join(sorted(map(str, words), key=len, reverse=True))  # type: ignore[call-overload]


NUMBER = rf"\b(?:{_any_of(NUMBERS)}|\d{{1,3}})\b(?!:)"
HOUR = rf"\b(?:{_any_of(_ONES[1:13])}|1\d|2[0-3]|0?[1-9])\b(?!:)"
ORDINAL = rf"\b(?:{_any_of(_DAYS)}|\d{{1,2}}(?:st|nd|rd|th))\b"


def number(text: str) -> int:
    """Return the value of a match of NUMBER or HOUR."""
    return NUMBERS[text] if text in NUMBERS else int(text)


def ordinal(text: str) -> int:
    """Return the value of a match of ORDINAL."""
    return _DAYS[text] if text in _DAYS else int(text[:-2])


_NOT_NAMES = """
    a about above absolutely actually adults afraid after afternoon again ago ah all allergic almost alone alright
    also although always am an and anniversary another any anybody anyone anything anyway apologies are aren't
    around as ask asked at available away awesome back bad be because been before beg begin behind being best
    better between big birthday book booked booking both bother brilliant but by bye call called calling came can
    can't cancel cannot cant caught certainly change changed check cheers children christmas clock close closed
    code come coming confirm confirmed cool correct could couldn't couple course date days definitely did didn't
    different dinner do does doesn't doing don't done dont door double dozen drop each earlier early easy eat
    eating eh either else end enough er erm especially even evening ever every everybody everyone everything
    exactly example excellent except excuse family far fast few fill find fine finish first folks food for forget
    forgot free friday friend friends from full further gave get getting give go goes going gonna good goodbye got
    gotta great greetings group guess guests had half hang happy hard has hasn't have haven't having he hear heard
    hello help her here hers hey hi high him his hiya hm hmm hold home hour hours how however huh husband i i'd
    i'll i'm i've idea if ill im important in incorrect indeed inside instead into is isn't it it'd it'll it's its
    just keep kids kind know largest last late later least leave less let let's lets like little location long
    look looking lots lovely lunch lunchtime ma'am machine made make makes making man many marvelous may maybe me
    mean meant menu mhm midday midnight might mind mine minute minutes mm moment monday more morning most move
    much must my myself name name's names need needs never new next nice night no nobody noon nope nor not nothing
    now number o'clock oclock of off oh ok okay old on once ones only oops open opening or order other others our
    out outside over own pardon part party people per perfect perhaps person persons phone place please plus pm
    possible probably problem put question quick quickly quite rather read ready real really reference repeat
    request reservation reserve restart restaurant right robot room round said same saturday saw say saying says
    seat seated seats second see seems send separate serious set shall she should show sir sit small so some
    somebody someone something soon sorry sort speak speaking spell spelled spelling start started starting still
    stop sunday sure table tables take taken taking talk tell than thank thanks that that'd that'll that's thats
    the their them then there there'll there's they they're thing things think thinking this those though through
    thursday time times to today together tomorrow tonight too total totally town tried true try tuesday uh um
    under understand understood until up update us use used very wait waiting wanna want wanted wants was wasn't
    way we we'd we'll we're we've wednesday week weekend weeks well went were weren't what what's whatever whats
    when where which while who who's whole why wife will window wish with within without won't wonderful word
    words work works would wouldn't wow wrong ya yah yea yeah year yep yes yesterday yet you you'd you'll you're
    you've your yours yup
"""


class Scanner:
    """Text in which each match of a pattern is blanked, so that no word is used twice."""

    def __init__(self, text: str) -> None:
        self.text: str = text

    def take(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        """Return all matches in order, and replace them with `|`, across which no later pattern matches."""
        found = list(pattern.finditer(self.text))
        for match in reversed(found):
            self.cut(*match.span())
        return found

    def cut(self, start: int, end: int) -> None:
        """Blank a span without changing the length of the text, so that positions stay valid."""
        self.text = self.text[:start] + "|" * (end - start) + self.text[end:]


STOP = frozenset(NUMBERS) | frozenset(_NOT_NAMES.split())
"""Words that count as a name only after a clear cue, as in "my name is Will"."""
