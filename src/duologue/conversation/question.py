"""What the agent's last question asks for, and whether what the user has said answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from duologue.errors import ConfigError

__all__ = ["ANSWER_KINDS", "AnswerKind", "AnswerState", "Expected", "expected_answer"]

AnswerKind = Literal["open", "yes_no", "name", "number", "digits", "time", "spelling", "same"]
"""`number`: a quantity ("two people"). `digits`: a number that is read out, such as a telephone number. `time`: a time
or a date. `same`: what was asked before is asked again. `open`: anything."""
ANSWER_KINDS: Final[tuple[AnswerKind, ...]] = get_args(AnswerKind)

AnswerState = Literal["", "partial", "complete"]
"""Whether a transcript answers the question: in full, in part, or `""` if that is unknown."""

MAX_LENGTHS: Final = 16


@dataclass(frozen=True, slots=True)
class Expected:
    """What the agent expects to hear."""

    kind: AnswerKind = "open"
    lengths: tuple[int, ...] = ()
    """How many digits, letters or words a complete answer may have; empty if that is not known."""


def expected_answer(kind: AnswerKind, lengths: Sequence[int] = ()) -> Expected:
    """Return what an agent declares. Raises ConfigError for an unknown kind, and for lengths that cannot be."""
    if kind not in ANSWER_KINDS:
        raise ConfigError(f"{kind!r} is no kind of answer.", hint=f"Known: {', '.join(ANSWER_KINDS)}.")
    if len(lengths) > MAX_LENGTHS or not all(type(n) is int and n > 0 for n in lengths):
        raise ConfigError(f"lengths is {lengths!r}, and must be up to {MAX_LENGTHS} whole numbers above 0.")
    return Expected(kind, tuple(lengths))
