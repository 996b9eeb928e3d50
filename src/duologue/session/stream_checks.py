"""Checks what a recognition stream says: a provider that errs or lies about itself is named, counted and contained."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from numbers import Integral
from typing import Any

from duologue.agent.text import repaired
from duologue.audio.format import RATE
from duologue.errors import ProviderError
from duologue.stt import EndOfTurn, Final, Partial, RecognitionEvent, SttCapabilities, Transcript, Word

__all__ = ["StreamChecks", "check_transcript"]

ROUNDING = RATE // 10
"""Samples by which a span may exceed the audio that was pushed: providers count in frames of up to 100 ms."""
MAX_CHARACTERS = 20_000
"""Of one partial or final."""
MAX_WORDS = 2_000
SILENT_ANSWERS = 8
"""Finals with words after which a declared kind of event that never came counts as missing."""


def check_transcript(name: str, found: object) -> None:
    """Raise ProviderError for what is no transcript of an utterance, or holds what none may."""
    if not isinstance(found, Transcript) or not isinstance(found.text, str):
        wrong = f"gave {type(found).__name__}, and must give a Transcript with a text"
    elif len(found.text) > MAX_CHARACTERS:
        wrong = f"gave a text of {len(found.text)} characters, and may give {MAX_CHARACTERS}"
    elif not isinstance(found.ending_odds, int | float) or not math.isfinite(found.ending_odds):
        wrong = "gave ending_odds that are no finite number"
    elif (sound := found.sound_estimate) is not None and not (isinstance(sound, int | float) and 0 <= sound <= 1):
        wrong = "gave a sound_estimate that is not a probability"
    else:
        return
    raise ProviderError(f"{name} {wrong}.", provider=name)


class StreamChecks:
    """Checks the events of one call's streams. Each kind of error is reported once a call, and counted always."""

    def __init__(self, name: str, capabilities: SttCapabilities) -> None:
        self.on_fault: Callable[[ProviderError | None], None] | None = None
        """Called for each fault, with an error for the first of its kind. None before the call and after it."""
        self.counts: Counter[str] = Counter()
        """How often each kind of error was seen."""
        self._name = name
        self._can = capabilities
        self._answers = 0
        self._heard: set[type] = set()

    def check(self, event: Any, pushed: int, covered: int) -> RecognitionEvent | None:
        """The event, repaired where its error is small; None if it is of no use.

        `pushed`: the position up to which the stream was given audio. `covered`: the one up to which finals have come.
        """
        try:
            if isinstance(event, EndOfTurn):
                return self._check_opinion(event, pushed)
            if isinstance(event, Partial | Final):
                return self._check_text(event, pushed, covered)
            raise _Refused("unknown_event", f"sent a {type(event).__name__}, which is no recognition event")
        except _Refused as refused:
            self.note(refused.kind, refused.what)
            return None

    def note(self, kind: str, what: str = "") -> None:
        """Count a fault. The first of its kind is reported, if `what` says what the provider has done."""
        self.counts[kind] += 1
        if self.on_fault is None:
            return
        error = None
        if what and self.counts[kind] == 1:
            hint = "It is ignored; this is a fault of the provider or its adapter."
            error = ProviderError(f"{self._name} {what}.", hint=hint, provider=self._name)
        self.on_fault(error)

    def _check_opinion(self, event: EndOfTurn, pushed: int) -> EndOfTurn:
        if not self._can.end_of_turn:
            raise _Refused("undeclared_opinion", "sends EndOfTurn without declaring end_of_turn")
        self._heard.add(EndOfTurn)
        if not (_is_probability(event.probability) and _is_position(event.position)):
            raise _Refused("bad_opinion", "sent an EndOfTurn without a probability from 0 to 1 and a position")
        if event.position > pushed + ROUNDING:
            raise _Refused("beyond_audio", "judged the end of a turn in audio that was never sent")
        return EndOfTurn(float(event.probability), min(int(event.position), pushed), bool(event.eager))

    def _check_text(self, event: Partial | Final, pushed: int, covered: int) -> Partial | Final:
        kind = "final" if isinstance(event, Final) else "partial"
        if kind == "partial" and not self._can.partials:
            raise _Refused("undeclared_partial", "sends Partial without declaring partials")
        self._heard.add(type(event))
        if not isinstance(event.text, str) or len(event.text) > MAX_CHARACTERS:
            raise _Refused("bad_text", f"sent a {kind} without a text of at most {MAX_CHARACTERS} characters")
        if not (_is_position(event.start) and _is_position(event.end) and event.start <= event.end):
            raise _Refused("bad_span", f"sent a {kind} whose span does not run forward from 0")
        if event.end > pushed + ROUNDING:
            raise _Refused("beyond_audio", f"sent a {kind} for audio that was never sent")
        start, end = min(int(event.start), pushed), min(int(event.end), pushed)
        if isinstance(event, Partial):
            return Partial(repaired(event.text), start, end)
        if (
            start < covered - ROUNDING
        ):  # reported, and kept: the words in it that are new may be the ones that are missed
            where = "goes back behind" if end <= covered else "overlaps"
            self.note("overlap", f"sent a final that {where} one before it")
        if event.text:
            self._expect_declared()
        return Final(repaired(event.text), start, end, self._check_words(event, start, end), event.confidence)

    def _check_words(self, event: Final, start: int, end: int) -> tuple[Word, ...]:
        words = event.words
        if not words:
            return ()
        ok = isinstance(words, tuple | list) and len(words) <= MAX_WORDS and all(map(_is_word, words))
        if ok and all(start - ROUNDING <= w.start and w.end <= end + ROUNDING for w in words):
            return tuple(words)
        self.note("bad_words", "sent words that lie outside of their final, or have no span")
        return ()

    def _expect_declared(self) -> None:
        self._answers += 1
        if self._answers == SILENT_ANSWERS:
            for kind, declared in ((EndOfTurn, self._can.end_of_turn), (Partial, self._can.partials)):
                if declared and kind not in self._heard:
                    what = f"declares {kind.__name__} events and sent none in {self._answers} finals"
                    self.note(f"no_{kind.__name__}", what)


class _Refused(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, kind: str, what: str) -> None:
        self.kind = kind
        self.what = what


def _is_probability(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def _is_position(value: Any) -> bool:
    return isinstance(value, Integral) and int(value) >= 0


def _is_word(word: Any) -> bool:
    if not isinstance(word, Word) or not isinstance(word.text, str):
        return False
    return _is_position(word.start) and _is_position(word.end) and word.start <= word.end
