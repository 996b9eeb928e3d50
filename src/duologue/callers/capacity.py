"""How many callers a server carries: more and more of them until a limit breaks, then the knee by halving."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from duologue.callers.result import Result

__all__ = ["LIMITS", "Capacity", "Limits", "Step", "find_knee"]

_MOST: Final = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server must keep to carry its callers."""

    processing_p95_s: float = 0.2
    starved_frames: int = 0
    missed_input_s: float = 0.0
    """Input that the server dropped."""
    refused: int = 0
    errors: int = 0
    unanswered: float = 0.0
    """Share of turns."""
    word_error_rate: float = 0.1
    booked: float = 0.9
    """Share of the calls that are over and were to book something."""

    def broken(self, result: Result) -> list[str]:
        """Which of them do not hold, in words."""
        broken = []
        p95 = result.processing_s.p95
        if p95 is not None and p95 > self.processing_p95_s:
            broken.append(f"processing p95 {p95 * 1000:.0f} ms > {self.processing_p95_s * 1000:.0f} ms")
        if result.starved_frames > self.starved_frames:
            broken.append(f"{result.starved_frames} starved frames > {self.starved_frames}")
        missed = sum(result.missed_input_s.values())
        if missed > self.missed_input_s:
            broken.append(f"{missed:.2f} s of input missed > {self.missed_input_s:g} s")
        if (refused := sum(result.refusals.values())) > self.refused:
            broken.append(f"{refused} calls refused > {self.refused}")
        if (errors := sum(result.errors.values())) > self.errors:
            broken.append(f"{errors} errors > {self.errors}")
        if result.unanswered > self.unanswered * result.turns:
            broken.append(f"{result.unanswered} of {result.turns} turns unanswered > {self.unanswered:.0%}")
        if result.word_error_rate is not None and result.word_error_rate > self.word_error_rate:
            broken.append(f"{result.word_error_rate:.1%} of words wrong > {self.word_error_rate:.0%}")
        over = sum(count for outcome, count in result.bookings.items() if outcome != "open")
        if result.bookings["booked"] < self.booked * over:
            broken.append(f"{result.bookings['booked']} of {over} calls booked < {self.booked:.0%}")
        return broken


LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Step:
    """One run on the way."""

    sessions: int
    broken: tuple[str, ...]
    result: Result


@dataclass(frozen=True, slots=True)
class Capacity:
    """The knee: the most callers that were carried, and the fewest that were not."""

    carried: int
    """0 if not even the first number was."""
    broken_at: int | None
    """None if nothing broke."""
    why: tuple[str, ...]
    """Which limits broke there."""
    void: str
    """Why the search ended early: the callers themselves were too slow; else empty."""
    steps: tuple[Step, ...]


async def find_knee(
    start: int,
    run: Callable[[int], Awaitable[Result]],
    *,
    limits: Limits = LIMITS,
    on_step: Callable[[Step], None] | None = None,
) -> Capacity:
    """Double from `start` until a limit breaks, then halve the distance until it is a twentieth of the number.

    `run` makes a run with so many callers. A void or interrupted run ends the search.
    """
    steps: list[Step] = []
    good = 0
    bad: int | None = None
    why: tuple[str, ...] = ()
    number = start
    while True:
        result = await run(number)
        void = result.why_void or ("interrupted" if result.interrupted else "")
        step = Step(number, tuple(limits.broken(result)), result)
        steps.append(step)
        if on_step is not None:
            on_step(step)
        if void:
            return Capacity(good, bad, why, void, tuple(steps))
        if step.broken:
            bad, why = number, step.broken
        else:
            good = number
        if bad is None:
            if number >= _MOST:
                return Capacity(good, None, (), "", tuple(steps))
            number = min(_MOST, 2 * number)
        elif bad - good <= max(1, good // 20):
            return Capacity(good, bad, why, "", tuple(steps))
        else:
            number = (good + bad) // 2
