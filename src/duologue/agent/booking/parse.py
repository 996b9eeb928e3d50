"""What a caller's words mean for a booking. Pure: the same words, the same question and the same day mean the same.

Written for the transcripts of a small speech-to-text model: case and punctuation are not relied on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum

from duologue.agent.booking.days import DAY, find_day
from duologue.agent.booking.hearing import as_spoken
from duologue.agent.booking.intents import PHRASES, Intent, intents_in
from duologue.agent.booking.names import find_name, find_spelled
from duologue.agent.booking.people import PEOPLE, find_people
from duologue.agent.booking.times import TIME, find_time
from duologue.agent.booking.vocabulary import NUMBER, Scanner, number

__all__ = ["Slot", "Understood", "parse"]

_MAX_CHARACTERS = 400


class Slot(StrEnum):
    """What a booking needs."""

    PEOPLE = "people"
    DAY = "day"
    TIME = "time"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Understood:
    """The meaning of one utterance; all fields at their defaults: none was found."""

    people: int | None = None
    day: date | None = None
    time: time | None = None
    name: str | None = None
    number: int | None = None
    """A number that says neither what it counts nor that it is a time."""
    rejected: Slot | None = None
    """What a "not" was said of, as in "not on Friday"."""
    rejected_number: int | None = None
    """The number that a "not" was said of, where it says no more."""
    mentioned: frozenset[Slot] = frozenset()
    """What is spoken of without a value, as in "change the time"."""
    impossible: Slot | None = None
    """A day that does not exist or is over, or a time that no clock shows."""
    corrects: bool = False
    """True for "no, make that five" and the like: what was said before is replaced."""
    intents: frozenset[Intent] = frozenset()


def parse(text: str, *, today: date, asked: Slot | None = None) -> Understood:
    """Understand `text`, of which the first 400 characters count; `asked` is the slot that was asked for, if any."""
    raw = text[:_MAX_CHARACTERS]
    words = as_spoken(raw, expects_number=asked in (Slot.PEOPLE, Slot.TIME))
    words = _SELF_REPAIR.sub("", words)
    intents = intents_in(words)
    corrects = _CORRECTS.search(words) is not None
    scanner = Scanner(words)
    for phrase in _NOT_NUMBERS:
        scanner.take(phrase)
    name = find_spelled(scanner, asked=asked is Slot.NAME)
    rejected, rejected_number = _rejected(scanner)
    day, no_day = find_day(scanner, today, asked=asked is Slot.DAY)
    people = find_people(scanner, weak=False)
    moment, no_time = find_time(scanner, asked=asked is Slot.TIME)
    if people is None and asked is not Slot.TIME:
        people = find_people(scanner, weak=True)
    bare = [number(match.group()) for match in scanner.take(_BARE_NUMBER)]
    mentioned = frozenset(slot for slot, pattern in _MENTIONS.items() if pattern.search(scanner.text))
    for pattern in PHRASES:
        scanner.take(pattern)
    name = name or find_name(scanner, raw, asked=asked is Slot.NAME)
    given = {Slot.PEOPLE: people, Slot.DAY: day, Slot.TIME: moment, Slot.NAME: name}
    return Understood(
        people=people,
        day=day,
        time=moment,
        name=name,
        number=bare[-1] if bare else None,
        rejected=rejected,
        rejected_number=rejected_number,
        mentioned=frozenset(slot for slot in mentioned if given[slot] is None),
        impossible=Slot.DAY if no_day else Slot.TIME if no_time else None,
        corrects=corrects,
        intents=intents,
    )


_REPAIR = r"(?:no|sorry|actually|wait|i mean|i meant|make that|or rather|rather|oops|correction|not)"
_SELF_REPAIR = re.compile(
    rf"{NUMBER} (?:{_REPAIR} )+(?=(?:for |at )?{NUMBER}(?! (?:thirty|fifteen|forty five|oclock|am|pm)\b))"
    r"(?<!not )"
)
"""Of "four, no, five" only the five counts."""
_CORRECTS = re.compile(
    r"^(?:oh |um |uh |well |wait )*(?:no|nope|sorry|actually|wait|oops)\b"
    r"|\b(?:make (?:that|it)|i mean|i meant|i said|instead|change|rather|correction)\b|\bnot\b"
)
_NOT = re.compile(r"\b(?:not|instead of|rather than) (?:(?:at|for|on|the|a|under|around) )*")
_BARE_NUMBER = re.compile(NUMBER)
_NOT_NUMBERS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:that|this|which|the|another|no|any|wrong|right|last) one\b",
        r"\b(?:one|a|just a|wait a|hang on a|give me a) (?:second|moment|minute|sec)\b",
        r"\bone more (?:time|thing|question)\b",
        r"\bfirst of all\b",
        r"\bfor (?:sure|example|now|real)\b",
    )
)
_MENTIONS = {
    Slot.PEOPLE: re.compile(
        r"\b(?:number of (?:people|guests)|people|guests|party size|how many|the number|persons)\b"
    ),
    Slot.DAY: re.compile(r"\b(?:day|date)\b"),
    Slot.TIME: re.compile(r"\b(?:time|hour|oclock|in the evening)\b(?<!one more time)"),
    Slot.NAME: re.compile(r"\bname\b"),
}


def _rejected(scanner: Scanner) -> tuple[Slot | None, int | None]:
    """Take what a "not" or "instead of" was said of."""
    slot, value = None, None
    for match in reversed(list(_NOT.finditer(scanner.text))):
        for of, pattern in ((Slot.DAY, DAY), (Slot.PEOPLE, PEOPLE), (Slot.TIME, TIME), (None, _BARE_NUMBER)):
            # A loose pattern may begin with a word such as "at", which the "not" has swallowed.
            start = match.end()
            if found := pattern.match(scanner.text, start):
                slot, value = of, number(found.group()) if of is None else None
                scanner.cut(match.start(), found.end())
                break
    return slot, value
