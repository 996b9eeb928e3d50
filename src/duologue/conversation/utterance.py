"""One utterance on its way to becoming a turn: where it is in the audio, its parts, and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from duologue.conversation.config import RATE
from duologue.conversation.endpointing import Evidence
from duologue.conversation.inputs import Response, WordsArrived

__all__ = ["CUT_SEARCH", "Utterance"]

RESPONSES: tuple[Response, ...] = ("goodbye", "assent", "continuer", "laughter", "filler")
"""From the most telling to the least: "um, yes" is an assent."""
CUT_SEARCH = 4.0
"""A long utterance is cut at the quietest of the windows of this many last seconds."""


@dataclass(slots=True)
class Utterance:
    """What the user is saying, or has just said. Positions in samples."""

    turn: int
    start: int
    """First sample, padding included."""
    last_speech: int
    """Last sample of speech."""
    base: str = ""
    """Words of a turn that was decided too soon and is open again..."""
    began: int | None = None
    """...and where it began."""
    part_start: int = 0
    """Where the part that has not been cut off begins."""
    parts: list[str | None] = field(default_factory=list)
    """Words of the parts that were cut off; None while they are on order."""
    responses: list[Response] = field(default_factory=list)
    """What each of those parts is if it is nothing but a short response."""
    final: WordsArrived | None = None
    """The words of the last part, once they have come."""
    evidence: Evidence | None = None
    fresh: bool = False
    """The evidence has come, and no reply has been prepared on it yet."""
    failed: str = ""
    """The code of the error that kept words away."""
    asked_at: int = 0
    """Where the words of the last part were asked for."""
    held: bool = False
    """The button to talk is down."""
    settled: str = ""
    """Why nothing but words and a free floor is waited for: `manual` (the button was let go) or `reopened`."""
    full: bool = False
    """As long as a turn may be; decided as soon as its parts are understood."""
    sound: float | None = None
    """What the judge of the sound says of this silence."""
    scores: int = 0
    """How often the sound was asked."""
    scored_at: int = 0
    put_off: bool = False
    """There was no time to judge the sound before the words came."""
    continues: bool = False
    """It began after its turn had been decided and before the reply sounded: words open that turn again."""
    wordless: bool = False
    """The sound goes on, and there were no words in what was heard of it so far: it holds nobody up."""
    run_start: int = 0
    """Where the user began to speak without a pause."""
    checked: int = 0
    """Up to where the words were asked for of speech that goes on..."""
    check_asked: bool = False
    """...and have not come."""
    partial: int = 0
    """The id of the partial that may be shown."""
    partial_at: int = 0
    windows: list[tuple[int, float]] = field(default_factory=list)
    """(end, probability) of each window of the current part; as many as `max_utterance` has."""

    @property
    def words(self) -> str:
        """What was said since the turn was opened, or opened again: the parts joined."""
        last = self.final.text if self.final else ""
        return " ".join(t for t in (*self.parts, last) if t)

    @property
    def text(self) -> str:
        """All words of the turn so far."""
        return f"{self.base} {self.words}".strip()

    def quietest(self) -> int:
        """Where a part is best cut off: after the quietest recent window of its later half."""
        last = self.windows[-1][0]
        earliest = max(last - CUT_SEARCH * RATE, (self.part_start + last) / 2)
        return min((w for w in self.windows if w[0] > earliest), key=lambda w: (w[1], -w[0]))[0]

    @property
    def response(self) -> Response:
        """What all of it is if it is nothing but short responses; the most telling one decides."""
        last = self.final.response if self.final else ""
        texts = [*self.parts, self.final.text if self.final else ""]
        kinds = {kind for kind, text in zip([*self.responses, last], texts, strict=True) if text}
        return "" if "" in kinds else next((kind for kind in RESPONSES if kind in kinds), "")

    def split(self, at: int, words: WordsArrived | None) -> None:
        """End a part, whose words are on order if they are not given; the next begins at `at`."""
        self.windows = [w for w in self.windows if w[0] > at]
        self.parts.append(words.text if words else None)
        self.responses.append(words.response if words else "")
        self.part_start = at
        self.partial = 0
