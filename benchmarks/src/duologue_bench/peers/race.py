"""The race: every measurement is taken by turns, so that what else the machine does falls on all alike."""

from __future__ import annotations

import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from duologue.errors import ConfigError
from duologue_bench.capacity import climb
from duologue_bench.machine import busy_s
from duologue_bench.memory import private_bytes
from duologue_bench.peers.trial import Contestant, Figures, Trial, last_object

__all__ = ["COMMON", "FEW", "Lap", "Race", "median", "per_session_mb", "run_race", "run_trial"]

COMMON: Final = 10
"""Sessions in real time that all are measured with."""
FEW: Final = 2
"""Sessions whose private memory the others' is compared with."""
TRIES: Final = 8
"""Sizes tried in the search for a knee, at most."""
SEARCH: Final = 0.5
"""Share of the time that the search may take."""
RESOLUTION: Final = 0.1
LOOK_S: Final = 0.25
WEIGH_EVERY: Final = 4
"""Looks between two of the private memory."""


@dataclass(frozen=True, slots=True)
class Lap:
    """One command that was run."""

    who: str
    what: str
    sessions: int
    figures: Figures
    """Empty where it failed; `private_mb` is the most that was seen of the process."""
    output: dict[str, Any] | None
    """What it printed."""
    error: str
    """Empty where it did not fail."""
    seconds: float
    others: float
    """Cores that other processes used meanwhile, on average."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Race:
    """All laps, and the knees that were found."""

    titles: dict[str, str]
    """By name; ours first."""
    laps: list[Lap] = field(default_factory=list)
    knees: dict[str, int] = field(default_factory=dict)
    unsettled: list[str] = field(default_factory=list)
    """Those whose search was not over: the knee is the most that was seen to be kept up with."""

    def of(self, who: str, what: str, sessions: int | None = None) -> list[Lap]:
        """The laps of one contestant that came through."""
        return [
            lap
            for lap in self.laps
            if (lap.who, lap.what) == (who, what) and lap.figures and sessions in (None, lap.sessions)
        ]

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "titles": self.titles,
            "knees": self.knees,
            "unsettled": self.unsettled,
            "laps": [lap.as_dict() for lap in self.laps],
        }


def median(laps: Sequence[Lap], name: str) -> float | None:
    """The median of a figure over those laps that have it."""
    values = [lap.figures[name] for lap in laps if name in lap.figures]
    return statistics.median(values) if values else None


def per_session_mb(race: Race, who: str) -> float | None:
    """Private memory of each further session: the slope between few sessions and the most that were kept up with."""
    weights: dict[int, list[float]] = {}
    for lap in race.of(who, "load"):
        if "private_mb" in lap.figures and lap.figures.get("kept_up"):
            weights.setdefault(lap.sessions, []).append(lap.figures["private_mb"])
    if len(weights) < 2:
        return None
    low, high = min(weights), max(weights)
    return (statistics.median(weights[high]) - statistics.median(weights[low])) / (high - low)


def run_race(contestants: Sequence[Contestant], *, rounds: int, limit_s: float, on_lap: Callable[[Lap], None]) -> Race:
    """Measure all by turns, `rounds` times; each knee is searched in the first round and measured again in the others.

    After `limit_s` nothing more is begun: the rounds that are left are dropped, and a knee is the largest size that was
    kept up with until then.
    """
    if rounds < 1:
        raise ConfigError(f"{rounds} rounds were asked for, and there must be at least 1.")
    race = Race({c.name: c.title for c in contestants})
    end = time.monotonic() + limit_s

    def lap(contestant: Contestant, trial: Trial) -> Lap:
        done = run_trial(contestant.name, trial)
        race.laps.append(done)
        on_lap(done)
        return done

    def by_turns(trial_of: Callable[[Contestant], Trial]) -> None:
        if time.monotonic() < end:
            for contestant in contestants:
                lap(contestant, trial_of(contestant))

    by_turns(lambda c: c.load(FEW))
    for round_ in range(rounds):
        by_turns(lambda c: c.flat_out())
        by_turns(lambda c: c.load(COMMON))
        by_turns(lambda c: c.alone())
        by_turns(lambda c: c.barge_in())
        if round_ == 0:
            _search(race, contestants, lap, min(end, time.monotonic() + SEARCH * limit_s))
        else:
            by_turns(lambda c: c.load(max(1, race.knees[c.name])))
    return race


def _search(race: Race, contestants: Sequence[Contestant], lap: Callable[[Contestant, Trial], Lap], end: float) -> None:
    """Climb to each knee, one try of each contestant at a time."""
    searches = {c.name: climb(c.start, most=4000, resolution=RESOLUTION) for c in contestants}
    sizes = {name: next(search) for name, search in searches.items()}
    for _ in range(TRIES):
        for contestant in contestants:
            name = contestant.name
            if name not in sizes or time.monotonic() > end:
                continue
            done = lap(contestant, contestant.load(sizes[name]))
            try:
                sizes[name] = searches[name].send(bool(done.figures.get("kept_up")))
            except StopIteration:
                del sizes[name]
    race.unsettled = list(sizes)
    for name in race.titles:
        loads = race.of(name, "load")
        race.knees[name] = max((lap.sessions for lap in loads if lap.figures.get("kept_up")), default=0)


def run_trial(who: str, trial: Trial) -> Lap:
    """Run one command until it has printed its object, and weigh its process meanwhile."""
    began, before = time.monotonic(), _others_s()
    environment = dict(os.environ)
    if trial.command[0] != sys.executable:
        environment.pop("PYTHONPATH", None)  # it names packages for duologue's interpreter
    with tempfile.TemporaryDirectory() as folder:
        out, errors = Path(folder) / "out", Path(folder) / "errors"
        with out.open("w") as to_out, errors.open("w") as to_errors:
            process = subprocess.Popen(
                trial.command,
                cwd=trial.folder,
                env=environment,
                stdout=to_out,
                stderr=to_errors,
                start_new_session=True,
            )
        try:
            told, weight = _watch(process, out, began + trial.limit_s)
        finally:
            _end(process)
        seconds = time.monotonic() - began
        others = max(0.0, (_others_s() - before) / seconds)
        if told is None:
            lines = errors.read_text(errors="replace").strip().splitlines() or ["it printed no JSON object"]
            reason = f"it took longer than {trial.limit_s:.0f} s" if seconds >= trial.limit_s else lines[-1]
            return Lap(who, trial.what, trial.sessions, {}, None, reason, seconds, others)
    figures = trial.read(told)
    if weight:
        figures["private_mb"] = weight / 2**20
    return Lap(who, trial.what, trial.sessions, figures, told, "", seconds, others)


def _watch(process: subprocess.Popen[bytes], out: Path, end: float) -> tuple[dict[str, Any] | None, int]:
    weight = looks = size = 0
    while time.monotonic() < end:
        ended = process.poll() is not None
        if not ended and looks % WEIGH_EVERY == 0:
            weight = max(weight, _weigh(process.pid))
        looks += 1
        # Its closing is nobody's figure: once the object is there, the rest is not waited for.
        if out.stat().st_size != size or ended:
            size = out.stat().st_size
            if told := last_object(out.read_text(errors="replace")):
                return told, weight
        if ended:
            break
        time.sleep(LOOK_S)
    return None, weight


def _others_s() -> float:
    """CPU seconds of all processes of the machine but this one and those that it has ended."""
    mine = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return busy_s() - sum(usage.ru_utime + usage.ru_stime for usage in mine)


def _weigh(pid: int) -> int:
    try:
        return private_bytes(pid)
    except ConfigError:
        return 0  # it ended this moment


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the command and all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
