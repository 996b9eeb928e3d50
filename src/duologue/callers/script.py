"""What a caller says next, given what the agent said: pure, so that a whole call is tested in no time."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Final, Literal, Protocol

from duologue.callers import phrases
from duologue.callers.agent_words import Question, ReadBack, is_booked, is_goodbye, question_in, read_back
from duologue.callers.goals import Goal, Habits, number_word

__all__ = ["Booker", "HangUp", "Interrupter", "Monologist", "Outcome", "Say", "Script", "Silent", "Wait"]

Outcome = Literal["booked", "wrong", "gave_up", "cut_off", "open"]
"""`booked` as wanted; `wrong`: booked otherwise; `cut_off`: the call ended before; `open`: nothing was to be booked, or
the time was up."""

_MOST_TURNS: Final = 25
_MOST_CORRECTIONS: Final = 4


@dataclass(frozen=True, slots=True)
class Say:
    """Say one of these, whichever has the length that is wanted."""

    act: str
    """What it is for: `people`, `yes`, `correct_time`, …"""
    texts: tuple[str, ...]
    goes_on: bool = False
    """More follows at once, without waiting for an answer."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Say nothing: the agent is about to end the call, or there is nothing to say."""


Act = Say | HangUp | Wait


class Script(Protocol):
    """One caller in one call."""

    kind: str

    @property
    def greeted(self) -> bool:
        """Whether the agent is to speak first."""
        ...

    def texts(self) -> Iterator[str]:
        """All that may have to be said, so that its sound is there before the call."""
        ...

    def answer(self, said: str) -> Act:
        """What to do once the agent has said this, in full; empty if it stays silent."""
        ...

    def cut_in(self, said: str) -> tuple[float, Say] | None:
        """Seconds after the first sound of a reply at which to interrupt it, and what with.

        `said`: the words of the reply that are known so far.
        """
        ...

    def outcome(self) -> Outcome:
        """How it went, should the call be over now."""
        ...


class Booker:
    """Wants a table, and answers what the agent asks until it is booked or hope is lost."""

    kind = "booking"
    greeted = True

    def __init__(self, goal: Goal, habits: Habits, *, today: date) -> None:
        self.goal = goal
        self._habits = habits
        self._today = today
        self._slip = habits.slip
        """Said, and not corrected yet."""
        self._slipped = False
        self._opened = False
        self._read: ReadBack | None = None
        self._question: Question | None = None
        self._turns = self._corrections = 0
        self._booked = self._gave_up = False
        self._values = {
            "people": number_word(goal.people),
            "day": goal.day_said,
            "time": goal.time_said,
            "name": goal.name,
            "slip": number_word(habits.slip) if habits.slip is not None else "",
        }

    def texts(self) -> Iterator[str]:
        """Every phrase that this goal and these habits may need."""
        acts = ["people", "day", "time", "name", "yes", "no", "again", "more", "repeat", "are_people", "is_time"]
        acts += ["give_up", *(f"correct_{slot}" for slot in ("people", "day", "time", "name"))]
        if self._habits.hesitates:
            acts += [f"{slot}_hesitating" for slot in ("people", "day", "time", "name")]
        if self._habits.volunteers:
            acts += ["several", "several_hesitating"] if self._habits.hesitates else ["several"]
        if self._habits.slip is not None:
            acts.append("slip")
        for act in acts:
            yield from phrases.options(act, self._values)

    def answer(self, said: str) -> Act:
        """Answer the question; correct what was understood wrongly; say yes to what is right."""
        if is_booked(said):
            self._booked = True
        if is_goodbye(said):
            return Wait()
        self._turns += 1
        if self._turns > _MOST_TURNS:
            return self._give_up()
        question = question_in(said) or self._question
        self._question = question
        if self._slipped and question is not Question.PEOPLE:
            self._slipped = False
            return self._say("correct_people")
        match question:
            case None | Question.PEOPLE:
                return self._begin()
            case Question.DAY | Question.TIME | Question.NAME:
                return self._slot(question.value)
            case Question.CONFIRM:
                return self._confirm(said)
            case Question.CHANGE:
                wrong = self._wrong()
                return self._correct(wrong) if wrong else self._say("yes")
            case Question.PEOPLE_OR_TIME:
                return self._say("are_people")
            case Question.AGAIN:
                return self._say("again")
            case Question.MORE:
                return self._say("more")

    def cut_in(self, said: str) -> tuple[float, Say] | None:
        """A polite caller lets others finish."""
        return None

    def outcome(self) -> Outcome:
        """Booked where the agent said so, and what it last read out is what was wanted."""
        if self._booked:
            return "wrong" if self._read is None or self._wrong() else "booked"
        return "gave_up" if self._gave_up else "cut_off"

    def _begin(self) -> Act:
        opening, self._opened = not self._opened, True
        if self._slip is not None:
            self._slip, self._slipped = None, True
            return self._say("slip")
        if opening and self._habits.volunteers:
            return self._say("several_hesitating" if self._habits.hesitates else "several")
        self._slipped = False
        return self._slot("people")

    def _slot(self, slot: str) -> Act:
        hesitates = self._habits.hesitates and self._turns % 2 == 1
        return self._say(f"{slot}_hesitating" if hesitates else slot)

    def _confirm(self, said: str) -> Act:
        read = read_back(said, self._today)
        if read != ReadBack(None, None, None, None):
            self._read = read
        if self._read is None:
            return self._say("repeat")
        wrong = self._wrong()
        if not wrong:
            return self._say("yes")
        return self._correct(wrong)

    def _wrong(self) -> str:
        """The first part of what was read out that is not what was wanted; empty if all is."""
        read, goal = self._read, self.goal
        if read is None:
            return ""
        if read.people != goal.people:
            return "people"
        if read.day != goal.day:
            return "day"
        if read.time != goal.time:
            return "time"
        return "name" if _sound(read.name or "") != _sound(goal.name) else ""

    def _correct(self, slot: str) -> Act:
        self._corrections += 1
        if self._corrections > _MOST_CORRECTIONS:
            # Somebody who has spelt a name out four times takes the table under whatever name.
            return self._say("yes") if slot == "name" else self._give_up()
        return self._say(f"correct_{slot}")

    def _give_up(self) -> Act:
        if self._gave_up:
            return HangUp()
        self._gave_up = True
        return self._say("give_up")

    def _say(self, act: str) -> Say:
        return Say(act, phrases.options(act, self._values))


def _sound(name: str) -> str:
    """A name as it sounds: without apostrophes and doubled letters."""
    return re.sub(r"(.)\1+", r"\1", re.sub(r"\W", "", name.casefold()))


class Interrupter(Booker):
    """Books a table, and speaks into every other reply, at a moment that is drawn beforehand."""

    kind = "interrupter"

    def __init__(self, goal: Goal, habits: Habits, *, today: date, draw: random.Random) -> None:
        super().__init__(goal, habits, today=today)
        self._draw = draw
        self._replies = 0

    def texts(self) -> Iterator[str]:
        """Also what it interrupts with."""
        yield from super().texts()
        yield from phrases.INTERRUPTIONS

    def cut_in(self, said: str) -> tuple[float, Say] | None:
        """Half a second to a second and a half into every other reply, but for the last."""
        self._replies += 1
        if self._replies % 2 or is_goodbye(said) or is_booked(said):
            return None
        return self._draw.uniform(0.5, 1.5), Say("interruption", (self._draw.choice(phrases.INTERRUPTIONS),))


class Monologist:
    """Speaks without stopping, whatever the agent does."""

    kind = "monologue"
    greeted = False

    def __init__(self, story: tuple[str, ...] = phrases.MONOLOGUE) -> None:
        self._story = story
        self._next = count()

    def texts(self) -> Iterator[str]:
        """The story."""
        yield from self._story

    def answer(self, said: str) -> Act:
        """The next sentence, and on."""
        sentence = self._story[next(self._next) % len(self._story)]
        return Say("story", (sentence,), goes_on=True)

    def cut_in(self, said: str) -> tuple[float, Say] | None:
        """It does not notice that somebody else speaks."""
        return None

    def outcome(self) -> Outcome:
        """Nothing was to be booked."""
        return "open"


class Silent:
    """Stays on the line in silence."""

    kind = "silent"
    greeted = True

    def texts(self) -> Iterator[str]:
        """Nothing."""
        yield from ()

    def answer(self, said: str) -> Act:
        """Nothing."""
        return Wait()

    def cut_in(self, said: str) -> tuple[float, Say] | None:
        """Never."""
        return None

    def outcome(self) -> Outcome:
        """Nothing was to be booked."""
        return "open"
