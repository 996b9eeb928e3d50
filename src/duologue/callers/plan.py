"""The plan of a run: who calls, how many at once, for how long."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal, get_args

from duologue.callers import phrases
from duologue.callers.load import Load

__all__ = ["SCRIPTS", "Plan", "ScriptName", "Wave"]

ScriptName = Literal["booking", "monologue", "interrupter", "silent", "mixed"]
SCRIPTS: Final[tuple[ScriptName, ...]] = get_args(ScriptName)


@dataclass(frozen=True, slots=True)
class Wave:
    """Callers who come one after another within `ramp`, and hang up at `ends`. Seconds from the start of the run."""

    sessions: int
    script: ScriptName
    begins: float
    ends: float = math.inf
    ramp: float = 0.0

    def each(self) -> Iterator[Wave]:
        """As many waves of one."""
        for number in range(self.sessions):
            yield Wave(1, self.script, self.begins + number * self.ramp / self.sessions, self.ends)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run. Seconds."""

    url: str
    sessions: int
    seconds: float
    """Measured, after `ramp`."""
    script: ScriptName
    load: Load
    seed: int
    ramp: float
    """The callers begin one after another within this time; turns in it are not counted."""
    chunk_ms: int = 20
    """Sound sent at once: 20 or 40 ms, or another multiple of 20."""
    interrupters: int = 0
    """So many of the callers interrupt, whatever the script; what they book and say counts in nothing else."""
    waves: tuple[Wave, ...] = ()
    """More callers, who come and go meanwhile."""
    story: tuple[str, ...] = phrases.MONOLOGUE
    """Of monologues: sentence after sentence, and again from the beginning."""
    tries: int | None = None
    """Refusals one after another after which a caller stays away for a minute; None: never, and each comes again on
    the second."""
    today: date = field(default_factory=date.today)
    """From which the callers count the days that they ask for, past midnight too."""

    def callers(self) -> Iterator[Wave]:
        """Each caller as a wave of one, in order: first `sessions`, then those of the waves."""
        yield from Wave(self.sessions, self.script, 0.0, ramp=self.ramp).each()
        for wave in self.waves:
            yield from wave.each()

    def interrupts(self, caller: int) -> bool:
        """Whether this caller is one of the `interrupters`, who are spread over all."""
        return (
            caller < self.sessions
            and (caller + 1) * self.interrupters // self.sessions > caller * self.interrupters // self.sessions
        )
