"""Codes, references and other identifiers: read letter by letter and digit by digit."""

from __future__ import annotations

import re

from duologue.tts.capitals import capitals, is_pronounceable, letters
from duologue.tts.number_words import cardinal, digits, grouped, pairs, year
from duologue.tts.rules import RuleMatch, Rules, word_set
from duologue.tts.units import UNITS

__all__ = ["CARD_RULES", "CODE_RULES", "MIXED_RULES", "letters_and_digits"]

_RUN = re.compile(r"[A-Za-z]+|\d+")
_SERIES = re.compile(r"([A-Z])(\d{1,2})-(\1)(\d{1,2})")
_GROUP = re.compile(r"[A-Za-z0-9]+")

_CODES = word_set(
    "code codes pin pins passcode passcodes password passwords otp zip zips zipcode postcode postcodes cvv cvc csc "
    "passphrase iban swift bic imei vin ssn"
)
"""What follows one of these, even at some distance, is an identifier."""
_LEADS = word_set(
    "is are was be being : # = number no to use enter with of as reads says type and or your the then digits from "
    "four following new"
)
"""Words that may stand between such a word and the identifier, right before it."""
_NUMBERED = word_set(
    """
    account acct badge booking card case cheque check claim client confirmation customer docket document employee
    id identifier imei incident invoice licence license locator lot member membership model order parcel part passport
    patient permit plate policy receipt record ref reference registration request reservation routing serial shipment
    sku sort ticket tracking transaction transfer voucher waybill
    """
)
"""What follows one of these at once, or after "number" or "is", is an identifier."""
_JOINTS = word_set("number no nos id code ref reference is are was : # num nr")
_IS = frozenset(("is", "are", "was", ":"))
_VERBS_BEFORE = word_set(
    "to can could will would i you we they please must should may let and or i'll we'll you'll they'll"
)
_SPELLED = word_set("booking confirmation locator pnr record ref reference reservation")
"""What follows is spelled even if it looks like a word."""
_ENDINGS = word_set("end ends ended ending start starts started starting begin begins beginning")
_BEFORE_CODE = re.compile(
    r"(?:,? (?:is|was|as|for|will be))? (?:your|the|my|our|their|his|her)(?: [a-z-]{2,14}){0,2} "
    r"(?:code|pin|passcode|password|otp|zip|postcode)\b",
    re.IGNORECASE,
)
"""What makes the identifier before it one: "4821 is your verification code"."""
_SINGULARS = word_set("character day digit hour minute month more new week year")
_LAST_DIGITS = re.compile(r"\blast (?:four|three|two|digits)\b")
_CARDS = word_set("account card code mastercard number phone pin visa amex")

_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2}|[ABCEGHJ-NPRSTVXY]\d[A-Z][ -]?\d[A-Z]\d"
_VALUE = (
    r"[A-Za-z0-9]{1,24}(?:[-–][A-Za-z0-9]{1,24}){0,7}(?: (?=[A-Z-]{0,6}\d)[A-Z0-9-]{1,12}(?![\w-]|[.,:/]\d)){0,7}"
    r"(?![\w%°-]|[.,:/]\d)"
)


def letters_and_digits(text: str) -> str:
    """Each letter and each digit by itself."""
    return " ".join(digits(char) or char.upper() for char in text)


def _spelled(value: str) -> str:
    """An identifier letter by letter and digit by digit, with a pause between groups that hyphens or spaces part.

    Letters at the beginning that look like a word of four or more are read as one: "SAVE20" is "save twenty".
    """
    groups = _GROUP.findall(value)
    first = _RUN.match(value)
    is_word = (
        first is not None and len(first[0]) > 3 and is_pronounceable(first[0]) and len(_RUN.findall(groups[0])) < 3
    )
    said = []
    for index, group in enumerate(groups):
        words = []
        for run in _RUN.findall(group):
            if run.isdecimal():
                words.append(cardinal(int(run)) if is_word and len(run) < 3 and run[0] != "0" else digits(run))
            else:
                words.append(run.lower() if is_word and index == 0 and not words else letters(run))
        said.append(" ".join(words))
    pause = ", " if len(groups) > 1 and len(value) > 5 and max(map(len, groups)) > 1 else " "
    return pause.join(said)


def _after_code(match: RuleMatch, value: str) -> bool:
    """Whether the words before call what follows a code: "code", "PIN is", "zip", "card ending in"."""
    words, last = match.words, match.last
    if "error" in words[-4:]:
        return False  # "error code 404" is read as the number of a room is
    if last in _CODES:
        return True
    if last in _LEADS and not _CODES.isdisjoint(words):
        return True
    if last in ("in", "with") and len(words) > 1 and words[-2] in _ENDINGS:
        is_year = value.isdecimal() and len(value) == 4 and 1900 <= int(value) < 2100
        return not is_year or not _CARDS.isdisjoint(words)
    if last == "ending" and not _CARDS.isdisjoint(words):
        return True
    return last in _LEADS and bool(_LAST_DIGITS.search(" ".join(words)))


def _after_name(match: RuleMatch, value: str) -> str:
    """The word before that makes what follows an identifier ("order", "account number is"); "" if there is none."""
    words = match.words
    at = len(words)
    while at and len(words) - at < 4 and words[at - 1] in _JOINTS:
        at -= 1
    if not at:
        return "number" if {"number", "ref", "reference", "#"}.intersection(words) and len(value) > 3 else ""
    name = words[at - 1]
    if name in _NUMBERED:
        is_verb = at == len(words) and at > 1 and words[at - 2] in _VERBS_BEFORE
        is_amount = at < len(words) and len(value) < 4 and _IS.issuperset(words[at:])  # "the order is 150"
        return "" if value.isdecimal() and (is_verb or is_amount) else name
    if at < len(words):
        return next((word for word in words[at:] if word in ("number", "ref", "reference", "#", "id")), "")
    return ""


def _identifier(match: RuleMatch) -> str | None:
    """Digits, or letters and digits, after a word such as "code", "order" or "account number"."""
    value = match[0]
    things = match.things_after or _counts(match)
    is_long = len(value) > 4 or not value.isdecimal() or (match.last in _CODES and len(value) > 2)
    if (is_long or not things) and _after_code(match, value):
        return _spelled(value)
    if len(value) > 2 and _BEFORE_CODE.match(match.text, match.end):
        return _spelled(value)
    if things:
        return None
    name = _after_name(match, value)
    if not name or (value.isdecimal() and len(value) < 3):
        return None
    if value.isdecimal() and len(value) < 4 and name in ("number", "#", "case", "check", "part", "lot", "model"):
        return None
    return _spelled(value)


def _counts(match: RuleMatch) -> bool:
    """Whether a unit or an adjective follows: "12 digits long", "300 seconds", "4 new"."""
    return match.noun_after in UNITS or match.noun_after in _SINGULARS


def _locator(match: RuleMatch) -> str | None:
    """Letters alone after "booking reference" and the like: "XKJPQR"."""
    words = match.words
    if _SPELLED.isdisjoint(words[-5:]) or match.last not in (*_SPELLED, "is", ":", "number", "code", "#"):
        return None
    return letters(match[0])


def _postcode(match: RuleMatch) -> str | None:
    if " " not in match[0] and _CODES.isdisjoint(match.words):
        return None
    return letters_and_digits(match[0].replace(" ", "").replace("-", ""))


def _flight(match: RuleMatch) -> str | None:
    """The number of a flight: "BA 117" after "flight"."""
    if not {"flight", "flights"}.intersection(match.words[-4:]):
        return None
    return f"{letters_and_digits(match[1])} {digits(match[2])}"


def _groups(match: RuleMatch) -> str:
    pause = ", " if match.before(5) == "IBAN " else ""
    return pause + ", ".join(letters_and_digits(group) for group in _GROUP.findall(match[0]))


def _zip(match: RuleMatch) -> str:
    return grouped(match[0].split("-"))


def _mixed(match: RuleMatch) -> str | None:
    """Letters and digits in one word without a word that tells what it is: "B12", "COVID-19", "X7K9P2"."""
    text = match[0]
    runs = _RUN.findall(text)
    if all(run.isalpha() for run in runs) or all(run.isdecimal() for run in runs):
        return None
    if series := _SERIES.fullmatch(text):
        return f"{series[1]} {cardinal(int(series[2]))} to {series[3]} {cardinal(int(series[4]))}"
    is_upper = text.upper() == text
    if len(runs) > 3 if is_upper else len(runs) > 4 and len(text) > 5:
        return _spelled(text)
    if is_upper and len(runs) == 3 and len(text) > 5 and runs[0].isdecimal() and "-" not in text:
        return _spelled(text)
    said = []
    for at, run in enumerate(runs):
        if run.isdecimal() and at and runs[at - 1] in ("FY", "CY") and len(run) == 4:
            said.append(year(int(run)))
        elif run.isdecimal() and at == 1 and len(run) == 3 and (len(runs[0]) == 1 or runs[0] == "US") and is_upper:
            said.append(pairs(run))
        elif run.isdecimal():
            said.append(cardinal(int(run)) if len(run) < 3 and (run[0] != "0" or run == "0") else digits(run))
        elif run.isupper() and len(run) > 1:
            said.append(capitals(run) or run)
        else:
            said.append(run if at or len(runs) > 1 else run.lower())
    return " ".join(said)


CARD_RULES = Rules(
    re.compile(r"[A-Z]{1,2}\d|\d{4,5}[ -]\d|[0-9a-fA-F]{8}-"),
    (
        (re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?!\w)"), _groups),  # IBAN
        (re.compile(r"\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?![\w-]| \d)|\d{4}[ -]\d{6}[ -]\d{5}(?![\w-])"), _groups),
        (re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?!\w)"), _groups),  # UUID
        (re.compile(rf"(?:{_POSTCODE})(?![\w-])"), _postcode),
        (re.compile(r"\d{5}-\d{4}(?![\w-])"), _zip),
    ),
)
"""Identifiers that their form gives away; they begin with a letter or a digit."""

CODE_RULES = Rules(
    re.compile(r"[A-Za-z–-]{0,16} ?\d|[A-Z]{4}"),
    (
        (re.compile(r"([A-Z]{2}|[A-Z]\d|\d[A-Z]) ?(\d{1,4})(?![\w-]|[.:]\d)"), _flight),
        (re.compile(rf"(?=[A-Za-z–-]{{0,16}}\d){_VALUE}"), _identifier),
        (re.compile(r"[A-Z]{4,8}(?!\w)"), _locator),
    ),
)
"""Identifiers that the words around them give away; they begin with a letter or a digit."""

MIXED_RULES = Rules(
    re.compile(r"[A-Za-z]{1,40}-?\d|\d{1,40}-?[A-Za-z]"),
    (
        (
            re.compile(
                r"(?=[A-Za-z]{1,40}-?\d|\d{1,40}-?[A-Za-z])[A-Za-z0-9]{1,80}(?:-[A-Z0-9]{1,40}){0,6}"
                r"(?:(?<=\d)[a-rt-z])?(?!\w)"
            ),
            _mixed,
        ),
    ),
)
