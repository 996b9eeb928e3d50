"""Monologue: one caller who never stops talking, among many who book tables. The others must not notice.

Times of day are compared, so only those count in which the machine was as fast with it as without it (`speed.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from typing import Any, Final, Literal

from duologue.audio.format import RATE
from duologue.callers.load import Load
from duologue.callers.log import Log, Story, Turn
from duologue.callers.plan import Plan, Wave
from duologue.callers.result import Percentiles, Result
from duologue.callers.run import Progress, load_voice, prepare_run, run
from duologue.callers.word_errors import word_errors
from duologue_bench.conversations import CHUNK_MS, Held
from duologue_bench.machine import busy_s
from duologue_bench.soak.machine_speed import MachineSpeed, Piece, alike
from duologue_bench.soak.served import Served, at_least, at_most

__all__ = ["LIMITS", "Monologue", "Phase", "check", "monologue"]

LIMITS: Final = {"p95_ratio": 1.1, "word_error_rate": 0.1, "heard": 0.9, "compared": 0.6}
"""What must hold: p95s of the others with the monologue beside those without it; words of the monologue that were
understood wrongly; the share of its time, but for its last turn, that was heard out; and the share of the minutes with
it, or without it where these are fewer, that have one of the others beside them in which the machine was as fast.
Nothing lost in silence."""

LAST_TURN_S: Final = 125.0
"""The server decides a turn after two minutes at the latest; what is said after the last one is still being heard."""

Name = Literal["before", "with", "after"]


@dataclass(frozen=True, slots=True)
class Phase:
    """The same callers, with the monologue or without it."""

    name: Name
    result: Result
    """Latencies are those of the others, at any speed of the machine."""
    pieces: tuple[Piece, ...]
    """After the ramp."""

    def turns(self, piece: Piece) -> list[Turn]:
        """Those of the others that ended in it."""
        return [
            turn
            for turn in self.result.raw
            if piece.begins_s <= turn.end_s < piece.ends_s
            and turn.ended
            and not turn.goes_on
            and turn.onset_s >= self.result.ramp_s
        ]


@dataclass(frozen=True, slots=True)
class Monologue:
    """What came of it."""

    phases: tuple[Phase, ...]
    """Before, with, after."""
    stories: tuple[Story, ...]
    """What was understood of the monologue; one where nothing broke it off."""
    gap_s: float
    """Input of all callers with it that the server told it had missed."""
    seconds: float
    """That it lasted."""

    def processing_s(self, *, with_it: bool) -> Percentiles:
        """Decided → first audible sample, of the others, where the machine was as fast."""
        return Percentiles.of(turn.processing_s for turn in self._turns(with_it))

    def voice_to_voice_s(self, *, with_it: bool) -> Percentiles:
        """End of speech → first audible sample, of the others, where the machine was as fast."""
        return Percentiles.of(turn.voice_to_voice_s for turn in self._turns(with_it))

    def compared(self, *, with_it: bool) -> list[Piece]:
        """The pieces that have one of the others beside them in which the machine was as fast."""
        return alike(self._pieces(True), self._pieces(False))[0 if with_it else 1]

    def compared_share(self, *, with_it: bool) -> float:
        """Their share of the time."""
        whole = sum(piece.seconds for piece in self._pieces(with_it))
        return sum(piece.seconds for piece in self.compared(with_it=with_it)) / whole if whole else 0.0

    def refused(self, *, with_it: bool) -> int:
        """Calls refused in these."""
        return sum(piece.refused for piece in self.compared(with_it=with_it))

    @property
    def disturbed(self) -> list[Piece]:
        """The pieces that are not compared because something else ran on the machine."""
        return [piece for phase in self.phases for piece in phase.pieces if not piece.quiet]

    @property
    def word_error_rate(self) -> float | None:
        """Of the monologue; None if nothing of it was understood."""
        counted = [word_errors(story.said, story.understood) for story in self.stories]
        words = sum(said for _, said in counted)
        return sum(wrong for wrong, _ in counted) / words if words else None

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types, without what was said."""
        return {
            "phases": [
                {"name": phase.name, **phase.result.as_dict(), "pieces": [asdict(piece) for piece in phase.pieces]}
                for phase in self.phases
            ],
            "compared": {
                "with": round(self.compared_share(with_it=True), 3),
                "without": round(self.compared_share(with_it=False), 3),
            },
            "refused": {"with": self.refused(with_it=True), "without": self.refused(with_it=False)},
            "processing_s": {
                "with": asdict(self.processing_s(with_it=True)), "without": asdict(self.processing_s(with_it=False))
            },
            "voice_to_voice_s": {
                "with": asdict(self.voice_to_voice_s(with_it=True)),
                "without": asdict(self.voice_to_voice_s(with_it=False)),
            },
            "spoken_s": round(sum(story.spoken_s for story in self.stories), 2),
            "unaccounted_s": round(sum(story.unaccounted_s for story in self.stories), 3),
            "gap_s": self.gap_s,
            "word_error_rate": self.word_error_rate,
            "monologues": len(self.stories),
        }  # fmt: skip

    def _pieces(self, with_it: bool) -> list[Piece]:
        return [piece for phase in self._phases(with_it) for piece in phase.pieces]

    def _phases(self, with_it: bool) -> list[Phase]:
        return [phase for phase in self.phases if (phase.name == "with") is with_it]

    def _turns(self, with_it: bool) -> list[Turn]:
        compared = self.compared(with_it=with_it)
        return [
            turn
            for phase in self._phases(with_it)
            for piece in phase.pieces
            if piece in compared
            for turn in phase.turns(piece)
        ]


async def monologue(
    server: Served,
    sessions: int,
    load: Load,
    seconds: float,
    apart: float,
    *,
    seed: int = 1,
    make_voice: Callable[[], Any] = load_voice,
    on_progress: Callable[[Name, Progress], None] | None = None,
) -> Monologue:
    """One monologue of `seconds` among `sessions` - 1 callers, and these alone for `apart` seconds before and after.

    The callers want and do the same each time. Cancelled while it runs, it hangs up and raises CancelledError.
    """
    phases: list[Phase] = []
    log, today = Log(), date.today()
    for name, lasts in _phases(seconds, apart):
        ramp = min(max(10.0, sessions / 4), lasts / 4)
        waves = (Wave(1, "monologue", 0.0),) if name == "with" else ()
        plan = Plan(
            server.url, sessions - 1, lasts - ramp, "booking", load, seed, ramp, CHUNK_MS, waves=waves, today=today
        )
        utterances = await asyncio.to_thread(partial(prepare_run, plan, make_voice=make_voice))
        speed = MachineSpeed(others=lambda: busy_s() - time.process_time() - server.cpu_s())
        told = partial(_note, speed, None if on_progress is None else partial(on_progress, name))
        result = await run(plan, utterances, on_progress=told, log=log if name == "with" else Log())
        if result.interrupted:
            raise asyncio.CancelledError
        phases.append(Phase(name, result, speed.pieces(ramp)))
    return Monologue(tuple(phases), tuple(log.stories), round(sum(log.input_gaps.values()) / RATE, 3), seconds)


def _note(speed: MachineSpeed, on_progress: Callable[[Progress], None] | None, now: Progress) -> None:
    speed.note(now)
    if on_progress is not None:
        on_progress(now)


def _phases(seconds: float, apart: float) -> Sequence[tuple[Name, float]]:
    return (("before", apart), ("with", seconds), ("after", apart))


def check(found: Monologue) -> list[Held]:
    """Each limit."""
    results = [phase.result for phase in found.phases]
    heard = sum(story.spoken_s for story in found.stories) / max(1.0, found.seconds - LAST_TURN_S)
    ratio = LIMITS["p95_ratio"]
    return [
        at_most("processing_p95_ratio", _ratio(found.processing_s), ratio),
        at_most("voice_to_voice_p95_ratio", _ratio(found.voice_to_voice_s), ratio),
        at_least("monologue_heard", heard, LIMITS["heard"]),
        at_most("monologue_unaccounted_s", sum(story.unaccounted_s for story in found.stories), 0),
        at_most("monologue_word_error_rate", found.word_error_rate, LIMITS["word_error_rate"]),
        at_least("compared", max(found.compared_share(with_it=it) for it in (True, False)), LIMITS["compared"]),
        at_most("refused", sum(found.refused(with_it=it) for it in (True, False)), 0),
        at_most("lost", sum(sum(result.lost.values()) for result in results), 0),
        at_least("callers_in_time", float(all(result.valid for result in results)), 1),
    ]


def _ratio(percentiles: Callable[..., Percentiles]) -> float | None:
    usual, beside = percentiles(with_it=False).p95, percentiles(with_it=True).p95
    return beside / usual if beside is not None and usual else None
