"""Requests for evidence on the current utterance: what was asked for, when it is due, and what has come.

An answer is applied at its due position, never before; one that comes later is applied when it comes, and is reported
as late. So a call in real time and the same audio played faster decide alike wherever nothing was late. An answer that
is overdue when its request is dropped is reported as late too, because it might have changed the decision. If the turn
model is overloaded, its request is canceled immediately and is not reported as late.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final, Literal

from duologue.audio.format import RATE, WINDOW
from duologue.conversation import effects, events
from duologue.conversation.context import Context
from duologue.conversation.inputs import EvidenceFailed, SoundScored, WordsArrived
from duologue.conversation.question import Expected
from duologue.errors import OverloadedError

__all__ = ["SOUND_WINDOW", "Answer", "EvidenceRequest", "PendingRequests"]

SOUND_WINDOW: Final = 8 * RATE
"""Samples of a turn that its end is judged by, at most: the last ones."""

Kind = Literal["words", "segment", "check", "sound"]
"""`words`: the last part of an utterance. `segment`: an earlier part. `check`: whether ongoing speech has any words."""
Answer = WordsArrived | SoundScored | EvidenceFailed


@dataclass(slots=True)
class EvidenceRequest:
    """One request, and its answer once that has come."""

    id: int
    kind: Kind
    due: int
    """Position at which the answer is applied."""
    part: int = 0
    """Index of the utterance's part that a transcript belongs to."""
    answer: Answer | None = None

    @property
    def is_refused(self) -> bool:
        """True if the turn model is overloaded: the request counts as not made, and may be made again."""
        a = self.answer
        return self.kind == "sound" and isinstance(a, EvidenceFailed) and a.code == OverloadedError.code

    def accepts(self, answer: Answer) -> bool:
        """Return True if this is the kind of answer that was asked for."""
        return isinstance(answer, EvidenceFailed) or isinstance(answer, SoundScored) == (self.kind == "sound")


class PendingRequests:
    """The requests for the current utterance that are not answered or not due yet; at most a handful."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._last_id = 0
        self.open: dict[int, EvidenceRequest] = {}

    # --- ask ---

    def request_transcript(
        self,
        kind: Kind,
        start: int,
        end: int,
        turn: int,
        *,
        extra: float = 0.0,
        part: int = 0,
        may_go_on: bool = False,
        before: str = "",
        expects: Expected | None = None,
    ) -> None:
        """Request a transcript of the audio from `start` to `end`.

        Args:
            kind: What the transcript is used for.
            start: First sample.
            end: Position after the last sample.
            turn: The turn that it belongs to.
            extra: Seconds added to the configured budget, which follows from the length.
            part: Index of the utterance's part.
            may_go_on: The user may continue speaking, which makes the answer useless.
            before: The words of the turn before `start`.
            expects: What the agent has asked for.
        """
        c, final = self._context, kind != "check"
        request = self._open(kind, self._words_budget(start, end, extra), part)
        c.request(
            effects.RequestTranscript(request.id, start, end, request.due, may_go_on, before, turn, final, expects)
        )

    def note_no_words(self, start: int, end: int, *, extra: float, part: int) -> None:
        """Take a stretch in which the user has said nothing as transcribed; its answer is due as any other."""
        request = self._open("words", self._words_budget(start, end, extra), part)
        request.answer = WordsArrived(request.id, "", 1.0, "no_words")

    def _words_budget(self, start: int, end: int, extra: float) -> float:
        """Return the seconds after which words are due: the configured budget, or the recognizer's latency if longer.

        A recognizer that streams has heard the audio already, so that its length does not matter.
        """
        can, seconds = self._context.capabilities, max(end - start, 0) / RATE
        budget = extra + self._context.config.endpointing.words_budget_per_s * seconds
        if can.words_latency is None:
            return budget
        return max(extra if can.streams_words else budget, can.words_latency + can.words_latency_per_s * seconds)

    def request_end_of_turn(self, start: int, end: int, words: float | None, turn: int) -> None:
        """Request a judgment of the audio of a turn, from `start` to `end`; `words` is what its words say."""
        c = self._context
        request = self._open("sound", c.config.endpointing.sound_budget)
        c.request(effects.RequestEndOfTurn(request.id, start, end, request.due, words, turn))

    def request_partial(self, start: int, end: int) -> int:
        """Request a transcript that is only shown; returns the id of its answer, which is not waited for."""
        self._last_id += 1
        self._context.request(effects.RequestPartial(self._last_id, start, end))
        return self._last_id

    def _open(self, kind: Kind, budget: float, part: int = 0) -> EvidenceRequest:
        self._last_id += 1
        due = self._context.pos + ceil(budget * RATE / WINDOW) * WINDOW  # the rules are called once a window
        request = self.open[self._last_id] = EvidenceRequest(self._last_id, kind, due, part)
        return request

    # --- answers ---

    def answer(self, answer: Answer) -> EvidenceRequest | None:
        """Keep an answer until it is due, and report it if it is late.

        Returns None if no request is open for it: an unknown id, an answer of another kind, or a second one.
        """
        request = self.open.get(answer.ask)
        if request is None or request.answer or not request.accepts(answer):
            return None
        request.answer = answer
        if self._context.pos > request.due and not request.is_refused:
            self._report_late(request)
        return request

    def words_ahead(self) -> WordsArrived | None:
        """Return the words of the last part if they have come and are not due yet."""
        answers = [r.answer for r in self.open.values() if r.kind == "words"]
        return next((answer for answer in answers if isinstance(answer, WordsArrived)), None)

    def take_due(self) -> list[EvidenceRequest]:
        """Remove and return the requests that are answered and due, in the order in which they were due."""
        if not self.open:
            return []
        pos = self._context.pos
        due = [r for r in self.open.values() if r.answer and r.due <= pos]
        if len(due) > 1:
            due.sort(key=lambda r: (r.due, r.id))
        for request in due:
            del self.open[request.id]
        return due

    def is_waiting(self, pos: int) -> bool:
        """Return True if an answer due at or before `pos` has not come."""
        return any(r.answer is None and r.due <= pos for r in self.open.values())

    # --- changes ---

    def forget(self, request: EvidenceRequest) -> None:
        """Remove a request that counts as not made."""
        del self.open[request.id]

    def keep_words_as_part(self) -> bool:
        """Keep open requests for the last part as requests for an earlier one. Returns False if there are none."""
        words = [r for r in self.open.values() if r.kind == "words"]
        for request in words:
            request.kind = "segment"
        return bool(words)

    def drop(self, *kinds: Kind) -> None:
        """Cancel the requests of these kinds, and report those as late whose answer is overdue."""
        for request in [r for r in self.open.values() if r.kind in kinds]:
            del self.open[request.id]
            if request.answer is None and request.due < self._context.pos:
                self._report_late(request)
            self._context.request(effects.DropAsk(request.id))

    def drop_all(self) -> None:
        """Cancel all requests."""
        self.drop("words", "sound", "segment", "check")

    def _report_late(self, request: EvidenceRequest) -> None:
        late = self._context.seconds_since(request.due)
        self._context.publish(events.EvidenceLate, request.kind, request.due, late)
