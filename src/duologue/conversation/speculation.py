"""Speculation: a reply that is prepared before its turn is decided."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from duologue.conversation import effects, events
from duologue.conversation.context import Context
from duologue.conversation.endpointing import Evidence
from duologue.conversation.floor import Floor
from duologue.conversation.history import History
from duologue.conversation.reply import Reply

__all__ = ["Speculation", "keeps"]

SIMILAR = 0.9
LONGEST_COMPARED = 2000


class Speculation:
    """The prepared reply of the open turn, and how many have been prepared for it."""

    def __init__(self, context: Context, floor: Floor, history: History) -> None:
        self._context = context
        self._floor = floor
        self._history = history
        self.reply: Reply | None = None
        self.count: int = 0
        """Replies prepared for the turn that is open, or was decided last."""

    def of(self, generation: int) -> Reply | None:
        """Return the prepared reply if it is of this generation."""
        r = self.reply
        return r if r and r.generation == generation else None

    def new_turn(self) -> None:
        """Start counting again."""
        self.count = 0

    def prepare(self, turn: int, evidence: Evidence, *, early: bool = False) -> None:
        """Have a reply prepared to the words so far, unless one is that still fits.

        `early`: the recognizer guesses that the turn is over, which counts for as much as the evidence.
        """
        c = self._context.config
        if self.reply:
            if keeps(c.speculation, self.reply.text, evidence.text):
                return
            self.discard("words_changed")
        may = self._context.capabilities.agent_speculates and c.speculation != "off" and self._floor.is_free
        likely = early or evidence.probability >= c.speculate_threshold
        if may and likely and self.count < c.max_speculations:
            self.count += 1
            g = self._floor.next_generation()
            self.reply = Reply(g, turn, evidence.text)
            self._context.publish(events.SpeculationStarted, turn, g, evidence.text, evidence.reason)
            history = self._history.snapshot()
            self._context.request(effects.StartReply(g, turn, evidence.text, history, speculative=True))

    def take(self, turn: int, text: str) -> Reply | None:
        """Remove and return the prepared reply if it may answer `text`."""
        r = self.reply
        if r is None or r.turn != turn or not keeps(self._context.config.speculation, r.text, text):
            return None
        self.reply = None
        return r

    def discard(self, reason: str) -> None:
        """Throw the prepared reply away, if there is one."""
        r, self.reply = self.reply, None
        if r:
            self._floor.next_generation()
            self._floor.close_says(r, reason)
            self._context.publish(events.SpeculationDiscarded, r.turn, r.generation, reason)
            self._context.request(effects.DiscardReply(r.generation, rollback=True))


def keeps(strategy: str, prepared_for: str, text: str) -> bool:
    """Return True if a reply prepared for one text may answer another, by the strategy."""
    if strategy == "always_use":
        return True
    a, b = (re.sub(r"\W+", " ", t.lower()).strip() for t in (prepared_for, text))
    if strategy == "discard" or max(len(a), len(b)) > LONGEST_COMPARED:
        return a == b
    return SequenceMatcher(None, a, b, autojunk=False).ratio() >= SIMILAR
