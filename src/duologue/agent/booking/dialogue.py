"""The rules of the booking: (state, what the caller said) → (new state, answer)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, time
from typing import Literal
from zlib import crc32

from duologue.agent.booking import wording
from duologue.agent.booking.intents import Intent
from duologue.agent.booking.parse import Slot, Understood
from duologue.agent.booking.state import Booking, Question, State, Value
from duologue.agent.booking.times import evening

__all__ = ["Answer", "Heard", "respond", "silence"]

OPENS, CLOSES = time(12), time(22)
"""The first and the last time at which a table can be had."""

_NUMERIC = frozenset((Slot.PEOPLE, Slot.TIME))
_LETTERS = "ABEHKLMRTX"
"""Letters that are not taken for one another on the telephone."""

Heard = Literal["all", "details", "part", "nothing"]
"""How much of the agent's last words: `details` is all that a "yes" can be about, `part` is less."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and the state of the booking after it."""

    state: State
    text: str
    ends: str = ""
    """Why the call is over after these words; empty while it goes on."""


def respond(state: State, said: Understood, *, heard: Heard, today: date, seed: int = 0) -> Answer:
    """The answer to what the caller said after having heard so much of the agent's last words."""
    return _Reply(replace(state, turns=state.turns + 1), said, heard, today, seed).answer()


def silence(state: State, *, seed: int = 0) -> Answer:
    """The answer to no words at all: a greeting, or the same question again."""
    if not state.turns:
        return Answer(replace(state, turns=1, said=wording.GREETING), wording.GREETING)
    state = replace(state, turns=state.turns + 1, failures=state.failures + 1)
    turn = state.turns + seed
    text = wording.sentence(wording.pick(wording.STILL_THERE, turn), wording.question(state, turn))
    return Answer(replace(state, said=text), text)


class _Reply:
    """One answer in the making."""

    def __init__(self, state: State, said: Understood, heard: Heard, today: date, seed: int) -> None:
        self.state = state
        self.said = said
        self.heard = heard
        self.today = today
        self.seed = seed
        self.turn = state.turns + seed

    def answer(self) -> Answer:
        wants = self.said.intents
        values = self._values()
        if Intent.START_OVER in wants:
            return self._restart(values)
        if self.state.booking.status == "cancelled":
            return self._after_cancelling(values)
        if not values:
            if Intent.CANCEL in wants:
                return self._cancel()
            if self.state.booking.status == "confirmed":
                return self._after_confirming()
            if Intent.BYE in wants and Intent.YES not in wants:
                return self._end("abandoned", "all right,", "nothing is booked.", "Goodbye.")
            if Intent.REPEAT in wants:
                return self._repeat()
        values, complaint = self._possible(values)
        if complaint:
            return self._fill(values, opening=complaint)
        new = {slot: value for slot, value in values.items() if value != self.state.booking.get(slot)}
        if new:
            return self._fill(new)
        if values and not (self.state.asked is Question.CONFIRM and Intent.YES in wants):
            return self._ask(wording.acknowledge(self.turn, change=False))
        return self._without_values()

    # What the words fill.

    def _values(self) -> dict[Slot, Value | None]:
        """The new value of each slot that the words change; None if it was only called wrong."""
        said, booking = self.said, self.state.booking
        values: dict[Slot, Value | None] = dict(self.state.given(said))
        if said.number is not None and (slot := self._number_is(said.number, frozenset(values))) is not None:
            number = evening(said.number) if slot is Slot.TIME else said.number
            if number is not None:
                values[slot] = number
        wrong = set(said.mentioned) if self._finds_fault() else set()
        if said.rejected is not None:
            wrong.add(said.rejected)
        if said.rejected_number is not None and said.number is None:
            wrong |= self._that_are(said.rejected_number) - set(values)
        return values | {slot: None for slot in wrong if slot not in values and booking.get(slot) is not None}

    def _finds_fault(self) -> bool:
        return self.said.corrects or Intent.NO in self.said.intents or self.state.asked is Question.WHAT_TO_CHANGE

    def _number_is(self, number: int, given: frozenset[Slot]) -> Slot | None:
        """Which slot a number without a unit is for; None if that must be asked, or makes no sense."""
        said, state = self.said, self.state
        open_ = _NUMERIC - given
        changed = state.changed & open_
        asked = {state.asked} & open_
        filled = {slot for slot in open_ if state.booking.get(slot) is not None}
        corrected = said.corrects or self.heard == "nothing"
        for candidates in (
            said.mentioned & open_,
            self._that_are(said.rejected_number) & open_ if said.rejected_number is not None else frozenset(),
            {said.rejected} & open_,
            changed if corrected and state.asked not in changed else frozenset(),
            asked,
            filled if corrected or isinstance(state.asked, Question) else frozenset(),
        ):
            if len(candidates) == 1:
                (slot,) = candidates
                assert isinstance(slot, Slot)
                return slot
            if len(candidates) == 2:
                return Slot.PEOPLE if number > 12 else None
        return None

    def _that_are(self, number: int) -> frozenset[Slot]:
        booking = self.state.booking
        hour = booking.time.hour % 12 if booking.time is not None else None
        return frozenset(
            slot for slot, same in ((Slot.PEOPLE, booking.people == number), (Slot.TIME, hour == number % 12)) if same
        )

    def _possible(self, values: dict[Slot, Value | None]) -> tuple[dict[Slot, Value | None], str]:
        """The values that can be booked, and a complaint about one that cannot."""
        people, moment = values.get(Slot.PEOPLE), values.get(Slot.TIME)
        complaints = {}
        if isinstance(people, int) and not 0 < people <= wording.MOST_PEOPLE:
            complaints[Slot.PEOPLE] = wording.TOO_MANY
        if isinstance(moment, time) and not OPENS <= moment <= CLOSES:
            complaints[Slot.TIME] = wording.CLOSED
        possible = {slot: value for slot, value in values.items() if slot not in complaints}
        if self.said.impossible is not None:
            complaints[self.said.impossible] = wording.IMPOSSIBLE[self.said.impossible]
        return possible, next(iter(complaints.values()), "")

    # What to answer.

    def _fill(self, values: Mapping[Slot, Value | None], opening: str = "") -> Answer:
        old = self.state.booking
        booking = replace(old, status="open")
        for slot, value in values.items():
            booking = booking.with_(slot, value)
        change = any(old.get(slot) is not None for slot in values)
        wrong = [slot for slot, value in values.items() if value is None]
        filled = frozenset(slot for slot, value in values.items() if value is not None)
        self.state = replace(self.state, booking=booking, changed=filled, failures=0, pending=None)
        opening = opening or wording.acknowledge(self.turn, change=change)
        if wrong:
            return self._ask(opening, wording.echo(booking, filled, self.today), question=wrong[0])
        if booking.missing is None:
            return self._read_back(opening)
        return self._ask(opening, wording.echo(booking, filled, self.today))

    def _without_values(self) -> Answer:
        wants, asked = self.said.intents, self.state.asked
        if self.said.number is not None and (unclear := self._people_or_time(self.said.number)) is not None:
            return unclear
        match asked:
            case Question.CONFIRM if Intent.NO in wants:
                return self._ask("sorry,", question=Question.WHAT_TO_CHANGE)
            case Question.CONFIRM if self.heard in ("part", "nothing"):
                return self._read_back("sorry, once more:")
            case Question.CONFIRM if Intent.YES in wants:
                return self._confirm()
            case Question.PEOPLE_OR_TIME if self.state.pending is not None and self.said.mentioned & _NUMERIC:
                slot = Slot.PEOPLE if Slot.PEOPLE in self.said.mentioned else Slot.TIME
                return self._fill({slot: self.state.pending if slot is Slot.PEOPLE else evening(self.state.pending)})
            case Question.WHAT_TO_CHANGE if wants & {Intent.NO, Intent.YES}:
                return self._read_back(wording.acknowledge(self.turn, change=False))
            case Slot() if Intent.NO in wants and len(self.state.changed) == 1:
                (slot,) = self.state.changed
                return self._fill({slot: None}, opening="sorry,")
        if Intent.HOURS in wants:
            return self._ask(wording.HOURS)
        if Intent.HELP in wants:
            return self._help("no problem,")
        if Intent.WAIT in wants:
            return Answer(self.state, wording.pick(wording.TAKE_YOUR_TIME, self.turn))  # the question stays open
        if wants & {Intent.GREETING, Intent.THANKS}:
            return self._ask(wording.acknowledge(self.turn, change=False))
        self.state = replace(self.state, failures=self.state.failures + 1)
        return self._ask(wording.retry(self.turn)) if self.state.failures % 3 else self._help("I'm sorry,")

    def _people_or_time(self, number: int) -> Answer | None:
        """Ask what a number is, where it could be either."""
        if self.said.corrects or self.state.asked in (Question.CONFIRM, Question.WHAT_TO_CHANGE):
            both = all(self.state.booking.get(slot) is not None for slot in _NUMERIC)
            if both and evening(number) is not None:
                self.state = replace(self.state, pending=number)
                return self._ask("sorry,", question=Question.PEOPLE_OR_TIME)
        return None

    def _help(self, opening: str) -> Answer:
        slot = self.state.asked if isinstance(self.state.asked, Slot) else None
        return self._ask(opening, wording.HELP[slot] if slot else wording.HELP_OTHERWISE)

    def _read_back(self, opening: str) -> Answer:
        text = wording.sentence(opening, wording.details(self.state.booking, self.today))
        return self._ask(text, question=Question.CONFIRM, details=text)

    def _confirm(self) -> Answer:
        booking = self.state.booking
        reference = booking.reference or self._reference(booking)
        self.state = replace(self.state, booking=replace(booking, reference=reference, status="confirmed"), failures=0)
        return self._say_reference(wording.pick(wording.BOOKED, self.turn))

    def _reference(self, booking: Booking) -> str:
        key = f"{self.seed} {booking.people} {booking.day} {booking.time} {booking.name}"
        draw = random.Random(crc32(key.encode()))
        return draw.choice(_LETTERS) + "".join(str(draw.randint(1, 9)) for _ in range(3))

    def _say_reference(self, opening: str) -> Answer:
        booking = self.state.booking
        assert booking.reference is not None
        assert booking.day is not None
        reference = wording.sentence(opening, f"your reference is {wording.reference_words(booking.reference)}.")
        see_you = f"see you {wording.day_words(booking.day, self.today)}, goodbye!"
        self.state = replace(self.state, asked=Question.MORE)
        return self._say(wording.sentence(reference, see_you), details=reference, ends="booked")

    def _after_confirming(self) -> Answer:
        wants = self.said.intents
        if self.heard in ("part", "nothing") or wants & {Intent.REFERENCE, Intent.REPEAT}:
            return self._say_reference("of course,")
        self.state = replace(self.state, failures=self.state.failures + 1)
        if wants & {Intent.THANKS, Intent.BYE, Intent.DONE, Intent.NO, Intent.YES} or self.state.failures > 2:
            return self._end("booked", wording.pick(wording.WELCOME, self.turn))
        return self._ask("your table is booked.", question=Question.MORE)

    def _cancel(self) -> Answer:
        self.state = replace(self.state, booking=replace(self.state.booking, status="cancelled"), failures=0)
        return self._ask("all right,", "it's cancelled.", question=Question.AGAIN)

    def _after_cancelling(self, values: dict[Slot, Value | None]) -> Answer:
        wants = self.said.intents
        if Intent.YES in wants or any(value is not None for value in values.values()):
            return self._restart(values)
        self.state = replace(self.state, failures=self.state.failures + 1)
        if Intent.REPEAT in wants:
            return self._repeat()
        if wants & {Intent.NO, Intent.BYE, Intent.DONE, Intent.THANKS} or self.state.failures > 2:
            return self._end("cancelled", wording.pick(wording.WELCOME, self.turn))
        return self._ask(wording.retry(self.turn), question=Question.AGAIN)

    def _restart(self, values: dict[Slot, Value | None]) -> Answer:
        self.state = State(turns=self.state.turns)
        fresh, complaint = self._possible({slot: value for slot, value in values.items() if value is not None})
        return self._fill(fresh, opening=complaint) if fresh else self._ask(complaint or "sure, from the start.")

    def _end(self, reason: str, *parts: str) -> Answer:
        return self._say(wording.sentence(*parts), ends=reason)

    def _ask(self, *parts: str, question: Slot | Question | None = None, details: str = "") -> Answer:
        """Say something, and then ask: what is named, what was asked before, or for what is missing."""
        if question is None:
            before = self.state.asked
            question = self.state.booking.missing or (before if isinstance(before, Question) else Question.CONFIRM)
        self.state = replace(self.state, asked=question)
        return self._say(wording.sentence(*parts, wording.question(self.state, self.turn)), details=details)

    def _repeat(self) -> Answer:
        text = self.state.said or wording.GREETING
        return Answer(replace(self.state, said=text), text)

    def _say(self, text: str, *, details: str = "", ends: str = "") -> Answer:
        return Answer(replace(self.state, said=text, details=len(details.split())), text, ends)
