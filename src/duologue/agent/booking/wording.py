"""What the booking agent says: short, speakable, and with a short clause first so that speech can begin early."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time

from duologue.agent.booking.days import MONTHS, WEEKDAYS
from duologue.agent.booking.parse import Slot
from duologue.agent.booking.state import Booking, Question, State
from duologue.agent.booking.vocabulary import ordinal_word, word

__all__ = [
    "GREETING",
    "MOST_PEOPLE",
    "PHRASES",
    "day_words",
    "details",
    "echo",
    "pick",
    "question",
    "sentence",
    "time_words",
]

MOST_PEOPLE = 20

GREETING = "Hello, this is the table line. How many people shall I book for?"
HOURS = "We serve from noon to ten in the evening."
TOO_MANY = f"Sorry, a table can be for one to {word(MOST_PEOPLE)} people."
CLOSED = "Sorry, we serve from noon to ten in the evening."
IMPOSSIBLE = {Slot.DAY: "Sorry, I can't book that day.", Slot.TIME: "Sorry, I don't know that time."}
STILL_THERE = ("Sorry, I didn't hear anything.", "Hello, are you still there?", "I can't hear you.")
TAKE_YOUR_TIME = ("Sure, take your time.", "Of course, I'll wait.")
BOOKED = ("Wonderful, your table is booked.", "Great, it's booked.", "Perfect, your table is booked.")
WELCOME = ("You're welcome, goodbye!", "My pleasure, goodbye!", "Thank you, goodbye!")
HELP_OTHERWISE = "you can say yes or no, or say what to change."
HELP = {
    Slot.PEOPLE: "you can say, for example, a table for four.",
    Slot.DAY: "you can say, for example, tomorrow, or next Friday.",
    Slot.TIME: "you can say, for example, half past seven.",
    Slot.NAME: "you can say your last name, or spell it for me.",
}

_ACKNOWLEDGE = ("great,", "sure,", "lovely,", "okay,", "perfect,")
_ACCEPT_CHANGE = ("of course,", "no problem,", "sure,")
_APOLOGISE = ("sorry,", "I'm sorry,", "pardon me,")
_MISSED = ("I didn't catch that.", "I missed that.")
_ASK: dict[Slot | Question, Sequence[str]] = {
    Slot.PEOPLE: ("how many people is it for?", "for how many people?", "how many of you will there be?"),
    Slot.DAY: ("which day would you like?", "what day suits you?", "for which day?"),
    Slot.TIME: ("what time would you like?", "at what time?", "what time suits you?"),
    Slot.NAME: ("what name shall I put it under?", "under what name?", "what name is it under?"),
    Question.CONFIRM: ("is that right?", "shall I book it?", "is that correct?"),
    Question.WHAT_TO_CHANGE: ("what should I change?", "what would you like to change?"),
    Question.PEOPLE_OR_TIME: ("do you mean a table for {0}, or {0} o'clock?", "is {0} the people, or the time?"),
    Question.AGAIN: ("shall we start again?", "would you like to start again?"),
    Question.MORE: ("is there anything else?", "anything else?"),
}


PHRASES = (
    GREETING,
    *(IMPOSSIBLE.values()),
    *STILL_THERE,
    *TAKE_YOUR_TIME,
    *BOOKED,
    *WELCOME,
    *(text[0].upper() + text[1:] for texts in (HELP.values(), *_ASK.values()) for text in texts if "{" not in text),
)
"""What it says often, whole sentences that nothing is filled into."""


def question(state: State, turn: int) -> str:
    """The question that is open, worded another way each turn."""
    return pick(_ASK[state.asked], turn).format(word(state.pending or 0))


def pick(options: Sequence[str], turn: int) -> str:
    """One of the options: another one each turn, and the same ones in every run."""
    return options[turn % len(options)]


def sentence(*parts: str) -> str:
    """The parts as sentences: each begins with a capital, unless the part before ends with a comma."""
    text = ""
    for part in filter(None, parts):
        text += f" {part}" if text.endswith(",") else f" {part[0].upper()}{part[1:]}"
    return text.strip()


def acknowledge(turn: int, *, change: bool) -> str:
    """The first clause of an answer."""
    return pick(_ACCEPT_CHANGE if change else _ACKNOWLEDGE, turn)


def retry(turn: int) -> str:
    """The start of an answer to words that were not understood."""
    return f"{pick(_APOLOGISE, turn)} {pick(_MISSED, turn)}"


def day_words(day: date, today: date) -> str:
    """A day as in "today", "tomorrow", or "on Friday the twelfth of June"."""
    if 0 <= (ahead := (day - today).days) <= 1:
        return "tomorrow" if ahead else "today"
    return f"on {WEEKDAYS[day.weekday()]} the {ordinal_word(day.day)} of {MONTHS[day.month - 1]}"


def time_words(moment: time) -> str:
    """A time as in "noon" or "seven thirty in the evening"."""
    if (moment.hour, moment.minute) in ((12, 0), (0, 0)):
        return "noon" if moment.hour else "midnight"
    minutes = f" oh {word(moment.minute)}" if 0 < moment.minute < 10 else f" {word(moment.minute)}"
    part = "morning" if moment.hour < 12 else "afternoon" if moment.hour < 17 else "evening"
    return f"{word(moment.hour % 12 or 12)}{minutes if moment.minute else ''} in the {part}"


def people_words(people: int) -> str:
    """A count as in "one person" or "four people"."""
    return "one person" if people == 1 else f"{word(people)} people"


def reference_words(reference: str) -> str:
    """A reference to be read out: the letter, then each digit."""
    return " ".join([reference[0], *(word(int(digit)) for digit in reference[1:])])


def echo(booking: Booking, slots: frozenset[Slot], today: date) -> str:
    """What was just understood, to be said back in passing: "four people, tomorrow"."""
    words = []
    if Slot.PEOPLE in slots and booking.people is not None:
        words.append(people_words(booking.people))
    if Slot.DAY in slots and booking.day is not None:
        words.append(day_words(booking.day, today))
    if Slot.TIME in slots and booking.time is not None:
        words.append(f"at {time_words(booking.time)}")
    if Slot.NAME in slots and booking.name is not None:
        words.append(f"under {booking.name}")
    return f"{' '.join(words)}." if words else ""


def details(booking: Booking, today: date) -> str:
    """The whole booking: what a caller must hear before a "yes" means anything."""
    assert booking.people is not None
    assert booking.day is not None
    assert booking.time is not None
    return (
        f"a table for {word(booking.people)} {day_words(booking.day, today)}, at {time_words(booking.time)},"
        f" under the name {booking.name}."
    )
