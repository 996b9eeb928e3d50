"""Evidence on order: what was asked for, when it is due, and what has come.

An answer is applied at its due position, never before; one that comes later is applied when it comes, and is late.
That there is no time for a judgement is no answer: the order is off at once.
So a call in real time and the same audio played faster decide alike wherever nothing was late. One that is not there
when it is due, and that nobody needs any more before it comes, is late too: it might have decided otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from duologue.conversation.inputs import EvidenceFailed, SoundScored, WordsArrived
from duologue.errors import OverloadedError

__all__ = ["Answer", "Ask", "Orders"]

Kind = Literal["words", "segment", "check", "sound"]
"""`segment`: a part of a long utterance. `check`: are there words in what goes on?"""
Answer = WordsArrived | SoundScored | EvidenceFailed


@dataclass(slots=True)
class Ask:
    """One piece of evidence on order."""

    id: int
    kind: Kind
    end: int
    """Last sample that the evidence rests on."""
    due: int
    segment: int = 0
    """Which part of a long utterance."""
    answer: Answer | None = None

    @property
    def refused(self) -> bool:
        """True for a sound that there is no time to judge: an order that was not taken, and may be placed again."""
        a = self.answer
        return self.kind == "sound" and isinstance(a, EvidenceFailed) and a.code == OverloadedError.code

    def takes(self, answer: Answer) -> bool:
        """True where this is the kind of answer that was asked for."""
        return isinstance(answer, EvidenceFailed) or isinstance(answer, SoundScored) == (self.kind == "sound")


@dataclass(slots=True)
class Orders:
    """What is on order for the current utterance; at most a handful."""

    last_id: int = 0
    open: dict[int, Ask] = field(default_factory=dict)

    def place(self, kind: Kind, end: int, due: int, segment: int = 0) -> Ask:
        """Note a new ask."""
        ask = Ask(self.next_id(), kind, end, due, segment)
        self.open[ask.id] = ask
        return ask

    def next_id(self) -> int:
        """A fresh id, for an ask that is not waited for."""
        self.last_id += 1
        return self.last_id

    def answer(self, answer: Answer) -> Ask | None:
        """Keep an answer until it is due; None where nobody waits for it: unknown, of another kind, or a second one."""
        ask = self.open.get(answer.ask)
        if ask is None or ask.answer or not ask.takes(answer):
            return None
        ask.answer = answer
        return ask

    def cancel(self, ask: Ask) -> None:
        """It is not waited for any more."""
        del self.open[ask.id]

    def ripe(self, pos: int) -> list[Ask]:
        """Take out what is answered and due, in the order in which it was due."""
        if not self.open:
            return []
        ripe = sorted((a for a in self.open.values() if a.answer and a.due <= pos), key=lambda a: (a.due, a.id))
        for ask in ripe:
            del self.open[ask.id]
        return ripe

    def keep_words(self) -> bool:
        """Have the words on order become those of a part; False where there are none."""
        words = [a for a in self.open.values() if a.kind == "words"]
        for ask in words:
            ask.kind = "segment"
        return bool(words)

    def drop(self, *kinds: str) -> list[Ask]:
        """Forget the asks of these kinds; returns them."""
        asks = [a for a in self.open.values() if a.kind in kinds]
        for ask in asks:
            del self.open[ask.id]
        return asks

    def waiting_until(self, pos: int) -> bool:
        """True where an answer due at or before `pos` has not come."""
        return any(a.answer is None and a.due <= pos for a in self.open.values())
