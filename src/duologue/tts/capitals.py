"""Words in capitals: letters read one by one (FBI), names read as words (NASA), and words that are shouted (URGENT)."""

from __future__ import annotations

import re

from duologue.tts.rules import RuleMatch, Rules, word_set

__all__ = ["CAPITAL_RULES", "capitals", "is_pronounceable", "letters"]

_NAMES = word_set(
    "AIDS COVID FEMA FIFA HIPAA IMAX INTERPOL JPEG JSON MOMA NAFTA NASA NASCAR NASDAQ NATO NORAD OPEC OSHA PIN PINS "
    "POTUS RADAR RAM ROM SARS SIM SWAT UNESCO UNICEF VAT"
)
"""Read as words, and kept in capitals."""
_INITIALISMS = word_set(
    "AARP ACLU ADAC ASAP ASOS AWOL BYOB EMEA EULA IATA IBAN ICAO IIRC IMAP UCLA UEFA USPS YMCA YOLO"
)
"""Read letter by letter, although they look like words."""
_SHORT_WORDS = word_set(
    """
    ACE ACT ADD AGE AGO AID AIM AIR ALL AM AN AND ANY ARE ARM ART AS ASK AT ATE BAD BAG BAN BAR BE BED BEE BET BIG BIT
    BOX BOY BUS BUT BUY BY CAN CAR CAT CUP CUT DAD DAY DID DO DOG DRY DUE EAR EAT EGG END EYE FAR FEE FEW FIT FIX FLY
    FOR FUN GAS GET GO GOD GOT GUN GUY HAD HAS HAT HE HER HEY HI HIM HIS HIT HOT HOW IF ILL IN IS IT ITS JOB JOY KEY KID
    LAW LAY LEG LET LIE LOT LOW MAN MAP MAY ME MEN MET MIX MOM MUM MY NET NEW NO NON NOR NOT NOW ODD OF OFF OH OIL OLD
    ON ONE OR OUR OUT OWN PAY PEN PER PET PUT RAN RED ROW RUN SAD SAW SAY SEA SEE SET SHE SHY SIR SIT SIX SKY SO SON SUM
    SUN TAX TEA TEN THE TIE TIP TO TOO TOP TOY TRY TWO UP US USE VAN WAR WAS WAY WE WET WHO WHY WIN WON YES YET YOU ZIP
    ZOO
    """
)
_STEMS = word_set("AREN CAN COULDN DIDN DOESN DON HADN HASN HAVEN ISN SHOULDN THEY WASN WE WEREN WON WOULDN YOU")
"""What stands before "'T", "'RE" and the like."""
_AMBIGUOUS = word_set("AM HI IN IT ME OR US WHO")
"""Letters ("the IT team", "the WHO") unless the words beside them are in capitals too."""

_BEFORE = re.compile(r"([A-Z]{2,24})[,:]? $")
_AFTER = re.compile(r"[,:]? ([A-Z]{2,24})(?![A-Za-z])")
_BEGINS = re.compile(r"(?:^\s?|[.!?] )[\"(']?$")

_ONSETS = (
    "b|bl|br|c|ch|chr|cl|cr|d|dr|f|fl|fr|g|gh|gl|gn|gr|h|j|k|kn|l|m|n|p|ph|pl|pr|ps|qu|r|rh|s|sc|sch|scr|sh|shr|sk|sl|"
    "sm|sn|sp|sph|spl|spr|squ|st|str|sw|t|th|thr|tr|tw|v|w|wh|wr|y|z"
)
_CODAS = (
    "b|c|ch|ck|ct|d|dd|dge|f|ff|ft|g|gh|ght|gn|h|hn|k|l|ld|lf|lk|ll|lm|lp|lpt|ls|lsh|lt|m|mb|mn|mp|n|nc|nch|nd|ng|nk|ns|nt|"
    "p|ph|pt|r|rb|rc|rch|rd|rf|rg|rk|rl|rld|rm|rn|rp|rr|rst|rt|rth|s|sh|sk|sm|sp|ss|st|t|tch|th|tt|v|w|wd|wk|wl|wn|"
    "x|xt|y|z|zz"
)
_PRONOUNCEABLE = re.compile(
    rf"(?:{_ONSETS})?[aeiouy]{{1,3}}(?:(?:[bcdfghjklmnpqrstvwxz]|(?:{_CODAS})?(?:{_ONSETS}))[aeiouy]{{1,3}}){{0,9}}"
    rf"(?:(?:{_CODAS})(?:s|ed|es|th)?)?"
)


def letters(word: str) -> str:
    """Each letter by itself: "FBI" is "F B I"."""
    return " ".join(word.upper())


def is_pronounceable(word: str) -> bool:
    """Whether letters look like an English word."""
    return len(word) <= 24 and _PRONOUNCEABLE.fullmatch(word.lower()) is not None


def capitals(word: str, *, is_shouted: bool = False) -> str | None:
    """How a word in capitals is read, in lower case where it is a word; None to leave it as it is.

    `is_shouted`: the words beside it are in capitals too.
    """
    if word == "OK":
        return "okay"
    if word in _AMBIGUOUS:
        return word.lower() if is_shouted else None if word == "US" else letters(word)
    if word in _NAMES:
        return None
    if word in _SHORT_WORDS:
        return word.lower()
    if len(word) < 4 or word in _INITIALISMS:
        return letters(word)
    return word.lower() if is_pronounceable(word) or len(word) > 8 else letters(word)


def _in_capitals(match: RuleMatch) -> str | None:
    word, ending = match[1], match[2] or ""
    said = capitals(word, is_shouted=_is_shouted(match))
    if said is None:
        return None
    if said.islower() and _BEGINS.search(match.before(3)):
        said = said[0].upper() + said[1:]
    if ending and said.isupper():
        return f"{said}'s"
    return said + ending


def _is_shouted(match: RuleMatch) -> bool:
    """Whether the word before or after is a word in capitals too, and no initialism."""
    near = (_BEFORE.search(match.before(26)), _AFTER.match(match.text, match.end))
    return any(word and (word[1] in _SHORT_WORDS or (capitals(word[1]) or "").islower()) for word in near)


def _contraction(match: RuleMatch) -> str | None:
    word = match[1]
    said = capitals(word, is_shouted=True)
    if word != "I" and not (said and said.islower()) and word not in _STEMS:
        return None
    said = f"{word if word == 'I' else word.lower()}'{match[2].lower()}"
    return said[0].upper() + said[1:] if _BEGINS.search(match.before(3)) else said


def _and(match: RuleMatch) -> str:
    """Letters that "&" joins: "AT&T"."""
    return f"{letters(match[1])} and {letters(match[2])}"


CAPITAL_RULES = Rules(
    re.compile(r"[A-Z]{2}|[A-Z][&']"),
    (
        (re.compile(r"([A-Z]{1,3})&([A-Z]{1,3})(?![A-Za-z])"), _and),
        (re.compile(r"([A-Z]{1,12})'(T|S|RE|VE|LL|D|M)(?![A-Za-z])"), _contraction),
        (re.compile(r"([A-Z]{2,40})('?s)?(?![A-Za-z0-9])"), _in_capitals),
    ),
)
"""Words in capitals."""
