"""The user types: text and telephone keys join the turn that is open or being answered, or become one of their own."""

from __future__ import annotations

from duologue.audio.format import RATE
from duologue.conversation import events, inputs
from duologue.conversation.context import Context
from duologue.conversation.endpointer import Endpointer
from duologue.conversation.endpointing import Verdict
from duologue.conversation.floor import Floor
from duologue.conversation.history import History
from duologue.conversation.reply import Reply
from duologue.conversation.typed import TypedText
from duologue.conversation.user_turn import UserTurn
from duologue.conversation.utterance import Utterance

__all__ = ["Keyboard"]


class Keyboard:
    """Takes typed text, and has it answered."""

    def __init__(
        self,
        context: Context,
        typed: TypedText,
        endpointer: Endpointer,
        user_turn: UserTurn,
        floor: Floor,
        history: History,
    ) -> None:
        self._context = context
        self._typed = typed
        self._endpointer = endpointer
        self._user_turn = user_turn
        self._floor = floor
        self._history = history

    def take(self, i: inputs.TextArrived) -> None:
        """Keep text until it is answered, and cut the agent off for it.

        Raises:
            InvalidStateError: Too much waits already.
        """
        r, typed, pos = self._floor.reply, self._typed, self._context.pos
        thinking = r is not None and r.is_thinking
        recently = pos - typed.complete_at < self._context.config.text_settle * RATE
        typed.add(i.text, pos, at_once=not (thinking or typed or recently))
        if self._user_turn.user.may("text"):
            self._user_turn.set_user("text", "text")
        if r and r.interruptible and not r.dropped:
            self._floor.drop("text")
            if thinking:
                self._continue(r)

    def answer(self) -> None:
        """Have the text answered as a turn of its own, once the floor is free and no more is waited for."""
        pos = self._context.pos
        if self._typed and not self._floor.reply and not self._user_turn.has_floor and pos >= self._typed.complete_at:
            self._endpointer.decide(Utterance(self._user_turn.next_turn(), pos, pos), "", Verdict(1.0, "text"))

    def _continue(self, r: Reply) -> None:
        """Continue the turn that `r` was to answer with what was typed, and with what is being said."""
        u = self._user_turn.utterance
        if u:
            self._user_turn.reopen(r, u, "text")
            return
        self._history.reopen(r.text)
        self._typed.put_back(r.text)
        self._context.publish(events.TurnContinued, r.turn, "text")
