"""One reply of the agent, from its preparation until it has been heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from duologue.audio.format import RATE
from duologue.conversation.history import Segment, heard_text
from duologue.conversation.inputs import SayRequested
from duologue.conversation.question import Expected

__all__ = ["HeardPart", "Reply"]

NEARLY = 0.5
"""Seconds before its end at which a clause counts as heard."""
ANSWERABLE = 0.4
"""The share of a question after which it may be answered: people answer before a question has ended."""


class HeardPart(NamedTuple):
    """What the user heard of one part of a reply: of a `say` inside it, or of what stands between two of them."""

    say: int | None
    """The id of the `say`; None for the agent's own words, and for a `say` alone."""
    said: str
    text: str
    """What was heard of `said`."""
    is_cut: bool
    is_estimated: bool


@dataclass(slots=True)
class Reply:
    """An answer to a turn, or a `say`."""

    generation: int
    turn: int
    """0 for a `say`."""
    text: str
    """The words that it answers, or those of a `say`."""
    began: int = 0
    """Position at which it was requested."""
    interruptible: bool = True
    say: int = 0
    """The id of a `say`."""
    says: tuple[SayRequested, ...] = ()
    """Texts that waited for the floor and are spoken as its beginning."""
    own_says: list[SayRequested] = field(default_factory=list)
    """Texts that the agent said while it answered."""
    started: bool = False
    held: bool = False
    """It must not be played until it is known whether the user is speaking."""
    dropped: bool = False
    """Cut off; the session still owes the report of how much of it was played."""
    failed: str = ""
    """The error code if it broke off after playout had started."""
    end_call: str = ""
    """The reason if the agent asked for the call to end after it."""
    segments: list[Segment] = field(default_factory=list)
    has_protected: bool = False
    """Some segment must not be interrupted."""
    reported: int = 0
    """How many segments are in the history already."""
    played: int = 0
    """Samples for which it has been playing."""
    silent_from: int | None = None
    """Position from which the user hears nothing although speech is due; None while speech sounds."""
    declared: Expected | None = None
    """What it asks for, as the agent declared."""
    asked_from: int = 0
    """Position at which the turn began that it answers."""

    @property
    def is_thinking(self) -> bool:
        """True for an answer of which nothing was played yet."""
        return self.turn > 0 and not self.started

    @property
    def expected(self) -> Expected | None:
        """What it asks for: as declared, or by the question that the user has heard; None if it asks nothing."""
        return self.declared or self.asked

    @property
    def asked(self) -> Expected | None:
        """What is asked if the user has heard enough of a question to answer it, and little of what follows it."""
        return self.asked_after(self.played)

    def asked_after(self, played: int) -> Expected | None:
        """Return the same as `asked` after that many samples of the reply."""
        heard, asked = played / RATE, None
        for segment in self.segments:
            start, end = segment.start, segment.end
            if heard < start:
                break
            if segment.asks_from is not None:
                start = segment.asks_from
                if heard >= min(start + ANSWERABLE * (end - start), end - NEARLY):
                    asked = segment.expects or Expected()
            elif heard >= end - NEARLY:
                asked = None
        return asked

    @property
    def is_protected(self) -> bool:
        """True while the part that is being played must not be interrupted."""
        if not self.has_protected:
            return False
        played = self.played / RATE
        return next((not segment.interruptible for segment in self.segments if played < segment.end), False)

    def add(self, segment: Segment) -> bool:
        """Add a segment, or replace the one with its id; return True if it is new."""
        if segment.id:
            for at in range(len(self.segments) - 1, -1, -1):
                if self.segments[at].id == segment.id:
                    self.segments[at] = segment
                    self.has_protected = self.has_protected or not segment.interruptible
                    return False
        self.segments.append(segment)
        self.has_protected = self.has_protected or not segment.interruptible
        return True

    def unspoken(self, says: Sequence[SayRequested]) -> list[SayRequested]:
        """Return those of `says` of which no audio was ready."""
        spoken = {segment.say for segment in self.segments}
        return [say for say in says if say.id not in spoken]

    def take_heard(self, played: float, estimated: bool, *, finished: bool) -> tuple[list[HeardPart], str, bool]:
        """Account for `played` seconds of the reply, and return the parts that are over and were not reported before.

        Args:
            played: Seconds of the reply that the user has heard.
            estimated: `played` is an estimate.
            finished: Nothing more of it will be heard; otherwise only parts that were heard in full are over.

        Returns:
            The parts, all words heard of the reply, and whether these are an estimate.
        """
        parts: list[HeardPart] = []
        heard: list[str] = []
        start = 0
        for part, is_followed in _parts(self.segments):
            said = " ".join(segment.text for segment in part)
            whole = start < self.reported or part[-1].is_heard(played)
            text, is_certain = (said, True) if whole else heard_text(part, played)
            heard.append(text)
            estimated = estimated or not is_certain
            say = part[0].say
            if start >= self.reported and (finished or (whole and (is_followed or say is not None))):
                is_cut = not whole or (self.dropped and not is_followed)
                parts.append(HeardPart(say, said, text, is_cut, estimated))
                self.reported = start + len(part)
            start += len(part)
        return parts, " ".join(text for text in heard if text), estimated


def _parts(segments: Sequence[Segment]) -> Iterator[tuple[list[Segment], bool]]:
    """Yield the segments of each `say` inside a reply, and those between, and whether others follow."""
    start = 0
    for i in range(1, len(segments) + 1):
        if i == len(segments) or segments[i].say != segments[start].say:
            yield list(segments[start:i]), i < len(segments)
            start = i
