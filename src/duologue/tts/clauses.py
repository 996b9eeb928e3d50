"""Cuts text, while it is being written, into clauses that can be spoken."""

from __future__ import annotations

import re
from typing import Literal

from duologue.errors import ConfigError
from duologue.tts.abbreviations import TITLES
from duologue.tts.rules import word_set

__all__ = ["ClauseSplitter", "clauses_of"]

_Boundary = Literal["sentence", "pause", "none", "unknown"]

_ENDS = ".!?…。！？؟۔।"
_WIDE = "。！？"
_WIDE_PAUSES = "、，；："
_PAUSES = ",;:،؛"
_HAN_OR_KANA = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_PER_WORD = 2
"""Characters of Chinese or Japanese, which has no spaces, that count as a word."""
_CLOSERS = "\"'”’)]}»*_`"
_BREAK = re.compile(rf"[{_ENDS}{_WIDE_PAUSES}{_PAUSES}—\n]|(?<=\s)[-–](?=\s)")
_LAST_MARKS = re.compile(rf"[{_ENDS}]+[{re.escape(_CLOSERS)}]*$")
_SPACE = re.compile(r"\s+")
_SAID = re.compile(r"[^\W_]")
_LONGEST_RUN = 8
"""Marks and closing quotes that belong to one boundary."""
_AHEAD = _LONGEST_RUN + 4
"""Characters beyond a mark that decide what most marks are, and..."""
_MONTH_AHEAD = 8
"""...those after a number by which a month is known: "Februar" and the one after it."""

_INITIALS = re.compile(r"(?:[A-Za-z]{1,2}\.)+[A-Za-z]{1,2}|[A-Z]")
# A full stop after one of these ends no sentence.
_SHORT = frozenset(title.lower() for title in TITLES) | word_set(
    """
    acct al approx apr apt appt assn assoc aug ave avg bldg blvd bros cf co conf corp dec dept est etc ext feb fig fri
    hwy inc incl jan jr jul jun ln ltd nov oct pkwy pl rd ref rs sep sept sq sr ste tel thu thur thurs tue tues univ v
    vol vs
    av avda bzgl bzw dra dres evtl frl ggf hr inkl mlle mme mtra núm pág sra srta str tfno zzgl
    """
)
_BEFORE_FIGURES = word_set("art ca ch fl max min mon mar no nos nr p pp pt rm sat sec sun ver wed")
_HALF_DAY = re.compile(r"\d?[ap]\.m", re.IGNORECASE)
_AFTER_TIME = word_set(
    "Alas Apri Atla Augu Aust Brit Cent Dece East Euro Febr Frid Gree Hawa Indi Janu Japa July June Marc Mond Moun "
    "Nove Octo Paci Satu Sept Stan Sund Thur Tues Wedn"
)
"""How words begin that follow "a.m." or "p.m." inside a sentence: zones, days and months."""
_ORDINAL = re.compile(
    r"(?<!\S)(?:(?<!\bI )am|ab|beim|bis|das|dem|den|der|des|die|im|ins|jede[mnrs]?|vom|zum|zur)"
    r"(?: \d{1,2}\.(?:,| und| oder| bis| zum))* \d{1,3}$",
    re.IGNORECASE,
)
"""German writes ordinal numbers with a full stop, and all nouns with a capital: "am 3. Oktober", "im 2. Stock"."""
_MONTHS = ("Januar", "Jänner", "Februar", "Feber", "März", "Mai", "Juni", "Juli", "Oktober", "Dezember")
_MONTHS_IN_ENGLISH = ("April", "August", "September", "November")
"""In English, too, and there one begins a sentence after a number."""
_SHORT_MONTHS = ("Jan", "Jän", "Feb", "Mär", "Apr", "Jun", "Jul", "Aug", "Sep", "Sept", "Okt", "Nov", "Dez")
_SHORT_MONTH = re.compile(rf"(?:{'|'.join(_SHORT_MONTHS)})(?:\.| \d)")
_ENGLISH = re.compile(r"\b(?:the|are|is|were|have|has|had|of|and|you|we|they|there|that|this|to|for)\b", re.IGNORECASE)
_CODE_NAME = r"\b(?:code|id|number|otp|passcode|password|pin|postcode|ref|reference|zip)[\"'”’]?"
_ANNOUNCES = (
    re.compile(rf"{_CODE_NAME},$", re.IGNORECASE),
    re.compile(rf"(?:{_CODE_NAME}|\b(?:no|is|are))[:;]$", re.IGNORECASE),
)
"""What an identifier follows: the two are spoken together, for the words decide how the identifier is read."""
_JOINT = re.compile(
    r"(?<=[a-z]) (?=(?:and|but|or|so|because|which|that|who|if|when|while|where|to|for|with|from|than|then|until)\b)"
)
_BETWEEN_WORDS = re.compile(r"(?<=[a-z]) (?=[a-z])")
_NAME = (
    r"(?:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|Jan(?:uary)?|Feb(?:ruary)?|"
    r"Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
_RANGE_BEGINS = re.compile(rf"(?:\d|\d ?[ap]m|[ap]\.m\.|[%°]|\b{_NAME}\.?) ?$")
_OF_DATE = re.compile(rf"\b{_NAME}\.?,$")
_STATE = re.compile(r" [A-Z]{2}(?![A-Za-z])")
_RANGE_ENDS = re.compile(rf" ?(?:[$€£¥₹]?\d|{_NAME})")
_JOINED = re.compile(r"[0-9$€£¥₹%°@#&=+]|^(?!I\W*$)[A-Z]{1,4}\W*$|\.$")
"""A word that belongs to its neighbor: part of a number, an amount, a postcode, an abbreviation."""


class ClauseSplitter:
    """Gives the clauses of a text as soon as what came so far holds them.

    The first is short, so that speech begins early: it ends at the first pause after `first_words` words, or near
    `first_chars` characters if there is none. Each later one is a sentence of at most `max_chars` characters and a
    few. Numbers, times, addresses, titles and abbreviations stay whole. White space becomes one space or newline;
    nothing else changes, and the cuts do not depend on the pieces in which the text comes. What it holds is bounded by
    `max_chars`.
    """

    def __init__(self, *, first_words: int = 3, first_chars: int = 60, max_chars: int = 200) -> None:
        if first_words < 1 or not 20 <= first_chars <= max_chars:
            raise ConfigError(
                f"first_words={first_words}, first_chars={first_chars} and max_chars={max_chars} were given; "
                "expected at least one word and 20 <= first_chars <= max_chars."
            )
        self._first_words = first_words
        self._first_chars = first_chars
        self._max_chars = max_chars
        self._held = ""
        self._first = True
        self._seen = self._pause = 0
        """Up to where the marks in what is held are decided, and where the last pause among them ends."""
        self._whole = False
        """The first clause cannot be cut near `first_chars`."""

    def push(self, text: str) -> list[str]:
        """Take the next piece of text; return the clauses that it completes."""
        return self._take(text, ended=False)

    def settle(self) -> list[str]:
        """The writer pauses: what is held, if it ends as a sentence does; the text may still go on."""
        held = self._held.rstrip()
        last = _LAST_MARKS.search(held)
        finished = last and _boundary(held, last.start(), len(held), ended=True) == "sentence"
        return self._take("", ended=True) if finished else []

    def flush(self) -> list[str]:
        """The text has ended: all that is held. The next text begins anew."""
        clauses = self._take("", ended=True)
        self._first = True
        return clauses

    def _take(self, text: str, *, ended: bool) -> list[str]:
        kept = self._held.rstrip()
        text = _SPACE.sub(lambda run: "\n" if "\n" in run[0] else " ", self._held[len(kept) :] + text)
        text = kept + text if kept else text.lstrip()
        clauses = []
        at = 0
        while at < len(text):
            window = text[at : at + self._max_chars + _LONGEST_RUN + _MONTH_AHEAD + 2]
            cut = self._cut(window, ended=ended and at + len(window) == len(text))
            if cut is None:
                break
            clauses.append(window[:cut].strip())
            self._first = False
            self._seen = self._pause = 0
            self._whole = False
            at += cut
            while at < len(text) and text[at].isspace():
                at += 1
        self._held = text[at:]
        return clauses

    def _cut(self, text: str, *, ended: bool) -> int | None:
        """Where the clause at the beginning of `text` ends; None if more text must come to tell."""
        for limit in (self._first_chars, self._max_chars) if self._first and not self._whole else (self._max_chars,):
            for mark in _BREAK.finditer(text, self._seen):
                if mark.start() >= limit:
                    break
                if mark.start() < self._seen:
                    continue
                end = _end_of_run(text, mark.start())
                kind = _boundary(text, mark.start(), end, ended=ended)
                if kind == "unknown":
                    return None
                self._seen = end
                if kind == "none" or not _SAID.search(text, 0, end):
                    continue
                if kind == "sentence" or (self._first and _words(text[:end]) >= self._first_words):
                    return end
                self._pause = end
            if len(text) <= limit + _AHEAD:
                return len(text) if ended else None
            if cut := self._between(text, limit):
                return cut
            self._whole = True
        spaces = [space.start() for space in _SPACE.finditer(text, self._max_chars // 3, self._max_chars)]
        return spaces[-1] if spaces else self._max_chars

    def _between(self, text: str, limit: int) -> int:
        """Where a clause without an end before `limit` can be cut: its last pause, or between words; 0 if nowhere."""
        if self._pause > limit // 3:
            return self._pause
        for pattern in (_JOINT, _BETWEEN_WORDS, _SPACE):
            for space in reversed([found.start() for found in pattern.finditer(text, limit // 3, limit)]):
                if not _is_joined(text, space):
                    return space
        return 0


def clauses_of(text: str) -> list[str]:
    """Return the clauses of a whole text, the first of them short."""
    splitter = ClauseSplitter()
    return [*splitter.push(text), *splitter.flush()]


def _words(text: str) -> int:
    """How many words a text has; of one without spaces, about how many."""
    return max(len(text.split()), len(_HAN_OR_KANA.findall(text)) // _PER_WORD)


def _is_joined(text: str, space: int) -> bool:
    """Whether the words beside a space belong together: parts of a number, an amount, a postcode, a name."""
    before = text[max(0, space - 40) : space].rpartition(" ")[2]
    after = text[space + 1 : space + 1 + _AHEAD].partition(" ")[0]
    return _JOINED.search(before) is not None or _JOINED.search(after.rstrip(".")) is not None


def _end_of_run(text: str, start: int) -> int:
    end = start + 1
    while text[start] != "\n" and end < min(len(text), start + _LONGEST_RUN) and text[end] in _ENDS + _CLOSERS:
        end += 1
    return end


def _boundary(text: str, start: int, end: int, *, ended: bool) -> _Boundary:
    """What the mark at `start`, whose run of marks and closing quotes ends at `end`, is."""
    mark = text[start]
    if mark == "\n":
        return "sentence"
    if end == len(text) and not ended and end - start < _LONGEST_RUN:
        return "unknown"
    if mark in _WIDE:
        return "sentence"
    if mark in _WIDE_PAUSES:
        return "none" if text[end : end + 1].isdigit() and text[start - 1 : start].isdigit() else "pause"
    if mark in "—-–":
        return _dash(text, start, end, ended=ended)
    if end < len(text) and not text[end].isspace():
        return "none"
    following = text[end + 1 : end + 2]
    if not following and not ended:
        return "unknown"
    if text.rfind("[", 0, start) > text.rfind("]", 0, start):
        return "none"  # inside the words of a markdown link
    if mark in _PAUSES:
        return _comma(text, start, end, following, ended=ended)
    if mark == "." and not any(other in _ENDS for other in text[start + 1 : end]):
        return _full_stop(text, start, end, ended=ended)
    return "pause" if following.islower() else "sentence"


def _comma(text: str, start: int, end: int, following: str, *, ended: bool) -> _Boundary:
    """A pause, unless a number, a date, an address or a code goes on after it."""
    mark, before = text[start], text[max(0, end - 20) : end]
    is_number = following.isdigit() or (following != "" and following in "$€£¥₹")
    if is_number and (mark == ":" or text[start - 1].isdigit()):
        return "none"
    if not (is_number or following.isupper()):
        return "pause"
    if (is_number or mark == ":") and _ANNOUNCES[mark != ","].search(before):
        return "none"
    if mark == "," and _OF_DATE.search(before):
        return "none"
    if mark == "," and following.isupper():
        if len(text) < end + 4 and not ended:
            return "unknown"
        return "none" if _STATE.match(text, end) else "pause"
    return "pause"


def _dash(text: str, start: int, end: int, *, ended: bool) -> _Boundary:
    """A pause, unless the dash is within a range: "9 - 5", "Nov 28 - Dec 2"."""
    if not _RANGE_BEGINS.search(text[max(0, start - 12) : start]):
        return "pause"
    if len(text) < end + 4 and not ended:
        return "unknown"
    return "none" if _RANGE_ENDS.match(text, end) else "pause"


def _full_stop(text: str, start: int, end: int, *, ended: bool) -> _Boundary:
    following = text[end + 1 : end + 2]
    before = text[:start]
    word = before[-40:].rpartition(" ")[2].lstrip("\"'“‘([*_")
    if following.isupper() and _HALF_DAY.fullmatch(word):
        if len(text) < end + 5 and not ended:
            return "unknown"
        name = text[end + 1 : end + 5]
        return "none" if name in _AFTER_TIME or name.rstrip(",.!?)").isupper() or name == "May " else "sentence"
    is_short = word.lower() in _SHORT and not (len(word) > 1 and word.isupper())  # "est." as against "EST."
    if is_short or _INITIALS.fullmatch(word) or following.islower():
        return "none"
    if following.isdigit() and (word.lower() in _BEFORE_FIGURES or word.lower().endswith("str")):  # "Hauptstr. 12"
        return "none"
    if word.isdigit() and before.strip() == word:
        return "none"  # the number of a list's item
    if word.isdigit() and _ORDINAL.search(before[-40:]):
        return "none"
    if word.isdigit() and len(word) <= 2 and following.isupper():
        return _after_number(before[-40:], text[end + 1 : end + 1 + _MONTH_AHEAD], ended=ended)
    return "sentence"


def _after_number(before: str, after: str, *, ended: bool) -> _Boundary:
    """Whether a German date goes on after its day ("12. Juli"), or another sentence begins ("12. Julia called.")."""
    months = _MONTHS if _ENGLISH.search(before) else _MONTHS + _MONTHS_IN_ENGLISH
    if not ended and len(after) < _MONTH_AHEAD:
        forms = (f"{name}{end}" for name in months + _SHORT_MONTHS for end in ". ")
        if any(form.startswith(after) for form in forms):
            return "unknown"
    word = after.partition(" ")[0].rstrip(".,;:!?")
    is_month = word in [month[:_MONTH_AHEAD] for month in months]
    return "none" if is_month or _SHORT_MONTH.match(after) else "sentence"
