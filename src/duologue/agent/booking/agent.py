"""BookingAgent: books a table over the telephone, without a language model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any

from duologue.agent import EndCall, Reply, Turn
from duologue.agent.booking.dialogue import Heard, respond, silence
from duologue.agent.booking.parse import Slot, parse
from duologue.agent.booking.state import Booking, State, dump_state, load_state
from duologue.agent.booking.wording import GREETING, PHRASES
from duologue.conversation.history import Message
from duologue.errors import InvalidStateError

__all__ = ["BookingAgent"]


class BookingAgent:
    """Books a table for some people, on a day, at a time, under a name; then ends the call.

    It asks for what is missing, takes corrections at any point, reads the booking back and asks for a yes. A yes counts
    only if the caller *heard* what it is about: where the reading back was cut off, it is read again.

    Pure text without side effects, and the same words give the same answers: `today` is the first day that can be
    booked (the day on which the agent is made, where it is None), `seed` varies the wording and the reference.
    """

    speculative = True
    phrases = PHRASES
    greeting = GREETING
    """What to say first, where the agent speaks first; it asks the first question."""

    def __init__(self, *, today: date | None = None, seed: int = 0) -> None:
        self._given_today = today
        self._today = today or date.today()
        self._seed = seed
        self._state = State()

    @property
    def booking(self) -> Booking:
        """The booking as far as it has come; `status` is `confirmed` once the caller said yes."""
        return self._state.booking

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        """The answer in one piece, and EndCall after the last words."""
        if turn.text.strip():
            asked = self._state.asked if isinstance(self._state.asked, Slot) else None
            answer = respond(
                self._state,
                parse(turn.text, today=self._today, asked=asked),
                heard=_heard(self._state, turn.history),
                today=self._today,
                seed=self._seed,
            )
        else:
            answer = silence(self._state, seed=self._seed)
        self._state = answer.state
        yield answer.text
        if answer.ends:
            yield EndCall(answer.ends)

    def clone(self) -> BookingAgent:
        """An agent for another call, with the same settings and no booking."""
        return BookingAgent(today=self._given_today, seed=self._seed)

    def snapshot(self) -> State:
        """Where the booking stands; immutable, so that it costs nothing."""
        return self._state

    def dump_state(self) -> Any:
        """The same in JSON types."""
        return dump_state(self._state)

    def load_state(self, state: Any) -> None:
        """Restore the state that `dump_state` returned. Raises ValueError, TypeError or KeyError for anything else."""
        self._state = load_state(state)

    def restore(self, state: object) -> None:
        """Back to where it stood. Raises InvalidStateError for what no `snapshot` gave."""
        if not isinstance(state, State):
            raise InvalidStateError(f"A BookingAgent cannot be restored from {type(state).__name__}.")
        self._state = state


def _heard(state: State, history: Sequence[Message]) -> Heard:
    """How much of the last answer reached the caller; all of it, where the session keeps no history."""
    if not history or not state.said:
        return "all"
    last = history[-1]
    words = 0 if last.role == "user" else len(last.text.split())
    if not words:
        return "nothing"
    if not last.interrupted:
        return "all"
    return "details" if words >= state.details else "part"
