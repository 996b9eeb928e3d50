"""A run: so many callers at once for so long, each calling again when a call is over."""

from __future__ import annotations

import asyncio
import gc
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from duologue.callers.call import Call, VoiceBank
from duologue.callers.dial import best_kind, open_connection
from duologue.callers.goals import draw_goal, draw_habits
from duologue.callers.load import Pace
from duologue.callers.log import Log, Refusal
from duologue.callers.plan import Plan, Wave
from duologue.callers.result import Result
from duologue.callers.script import Booker, Interrupter, Monologist, Script, Silent
from duologue.callers.ticker import Ticker
from duologue.callers.voice import Sound, Utterance, prepare, room_noise
from duologue.errors import DuologueError, OverloadedError

__all__ = ["MIXTURE", "Progress", "load_voice", "prepare_run", "run"]

MIXTURE: Final = ("booking",) * 7 + ("interrupter", "silent", "monologue")
"""Of `mixed`, by tenths of the callers."""

_SHORTEST_CALL_S: Final = 15.0
_GOODBYE_S: Final = 3.0
"""Time for the last messages of calls that are open at the end."""
_REFUSED_S: Final = 1.0
"""Wait after a refusal that names no time."""
_LONGEST_WAIT_S: Final = 5.0
_AWAY_S: Final = 60.0
"""Who has given it up comes again after so long."""
_HESITATION: Final = 0.5
"""By which share of the time that was asked for people come later than they may."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A run, as it stands."""

    seconds: float
    active: int
    """Calls that are open."""
    turns: int
    booked: int
    refused: int
    late_s: float
    """The latest that the callers' own clock was in the last second."""


def load_voice() -> Any:
    """The synthesiser. Raises NotInstalledError where it is missing."""
    from duologue.tts.hibari import Hibari

    return Hibari()


class _Cast:
    """Who calls: the script of each caller in each of its calls, the same for the same seed."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._callers = tuple(plan.callers())
        self._today = plan.today
        self._most = int((plan.ramp + plan.seconds) / _SHORTEST_CALL_S) + 2

    def script(self, caller: int, call: int) -> Script:
        """For one call; calls beyond the most that there can be are like the first ones."""
        name = self._callers[caller].script
        if self._plan.interrupts(caller):
            name = "interrupter"
        elif name == "mixed":
            name = MIXTURE[caller % len(MIXTURE)]
        draw = random.Random(f"{self._plan.seed} {caller} {call % self._most}")
        match name:
            case "monologue":
                return Monologist(self._plan.story)
            case "silent":
                return Silent()
        goal = draw_goal(draw, self._today)
        habits = draw_habits(draw, goal)
        if name == "interrupter":
            return Interrupter(goal, habits, today=self._today, draw=draw)
        return Booker(goal, habits, today=self._today)

    def texts(self) -> Iterator[str]:
        """All that may be said in the run."""
        for caller in range(len(self._callers)):
            for call in range(self._most):
                yield from self.script(caller, call).texts()


def prepare_run(
    plan: Plan,
    *,
    make_voice: Callable[[], Any] = load_voice,
    recorded: Mapping[str, Sound] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Mapping[str, Utterance]:
    """The sound of all that may be said in a run of `plan`.

    `recorded` has some of it, (n,) int16 at 16 kHz by its text; the rest is made.
    """
    return prepare(_Cast(plan).texts(), make_voice=make_voice, recorded=recorded, on_progress=on_progress)


async def run(
    plan: Plan,
    utterances: Mapping[str, Utterance],
    *,
    on_progress: Callable[[Progress], None] | None = None,
    log: Log | None = None,
) -> Result:
    """Call, measure, and hang up; cancelled, it hangs up at once and returns what was measured so far.

    All is written down in `log`, which may be read meanwhile.
    """
    callers = _Callers(plan, VoiceBank(utterances, room_noise()), on_progress, Log() if log is None else log)
    return await callers.run()


class _Callers:
    """All callers of one run."""

    def __init__(self, plan: Plan, voices: VoiceBank, on_progress: Callable[[Progress], None] | None, log: Log) -> None:
        self._plan = plan
        self._voices = voices
        self._on_progress = on_progress
        self._cast = _Cast(plan)
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._ticker = Ticker(self._loop)
        self._active: dict[int, Call] = {}
        self._gone: set[int] = set()
        """Callers whose time is over."""
        self._began = 0.0
        self._end = asyncio.Event()
        self._watched = 0

    async def run(self) -> Result:
        plan = self._plan
        gc.collect()
        gc.freeze()  # the audio of all utterances need not be looked through again and again
        self._began = self._loop.time()
        cpu = time.process_time()
        self._ticker.start()
        tasks = [asyncio.create_task(self._caller(number, wave)) for number, wave in enumerate(plan.callers())]
        interrupted = False
        try:
            await self._watch(self._began + plan.ramp + plan.seconds)
        except asyncio.CancelledError:
            interrupted = True
        elapsed = self._loop.time() - self._began
        self._end.set()
        cpu = time.process_time() - cpu
        for call in self._active.values():
            call.end()
        _, left = await asyncio.wait(tasks, timeout=_GOODBYE_S)
        for task in left:
            task.cancel()
        ends = (self._ticker.failure, *await asyncio.gather(*tasks, return_exceptions=True))
        failures = [e for e in ends if isinstance(e, Exception)]
        self._ticker.stop()
        gc.unfreeze()
        if failures:
            raise failures[0]
        return Result.of(
            self._log, plan, lines=best_kind(), elapsed=elapsed, cpu=cpu, lateness=self._ticker.lateness,
            interrupted=interrupted,
        )  # fmt: skip

    async def _watch(self, until: float) -> None:
        while (left := until - self._loop.time()) > 0 and self._ticker.failure is None:
            await asyncio.sleep(min(1.0, left))
            if self._on_progress is not None:
                late = self._ticker.lateness[self._watched :]
                self._watched += len(late)
                log = self._log
                self._on_progress(
                    Progress(
                        self._loop.time() - self._began,
                        len(self._active),
                        len(log.turns),
                        log.outcomes["booked"],
                        sum(log.refusals.values()),
                        max(late, default=0.0),
                    )
                )

    async def _caller(self, number: int, wave: Wave) -> None:
        plan = self._plan
        await self._rest(wave.begins)
        if math.isfinite(wave.ends):
            self._loop.call_at(self._began + wave.ends, self._go, number)
        pace = Pace(plan.load, self._loop.time())
        draw = random.Random(f"{plan.seed} {number}")
        calls = refused = 0
        while not self._over(number):
            over = asyncio.Event()
            call = Call(
                self._cast.script(number, calls), self._voices, pace, self._log, caller=number, call=calls,
                began=self._began, now=self._loop.time, on_over=over.set, frames_a_chunk=plan.chunk_ms // 20,
            )  # fmt: skip
            await self._hold(number, call, over)
            if call.started:
                calls += 1
                refused = 0
            elif call.error is not None:
                refused += 1
                wait = self._refused(call.error, call.close_code)
                if plan.tries is not None and refused == plan.tries and not self._over(number):
                    self._log.stayed_away += 1
                    refused, wait = 0, _AWAY_S
                elif plan.tries is not None:
                    wait *= draw.uniform(1, 1 + _HESITATION)
                await self._rest(wait)

    async def _rest(self, seconds: float) -> None:
        """Wait for so long, or until the run is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._end.wait(), seconds)

    def _over(self, number: int) -> bool:
        return self._end.is_set() or number in self._gone

    def _go(self, number: int) -> None:
        self._gone.add(number)
        if (call := self._active.get(number)) is not None:
            call.end()

    async def _hold(self, number: int, call: Call, over: asyncio.Event) -> None:
        """One call, from dialling to its end."""
        try:
            line = await open_connection(self._plan.url, call)
        except DuologueError as error:
            call.error = error
            return
        began = self._loop.time()
        call.begin(line)
        if self._over(number):
            call.end()  # it was time to go before anybody answered
        self._active[number] = call
        self._ticker.join(call.tick)
        try:
            await over.wait()
        except asyncio.CancelledError:
            call.settle()
            if call.started:
                self._log.lost["no goodbye"] += 1
            line.abort()  # the run is over, and the server has not closed the connection
            raise
        finally:
            call.settle()
            line.close()
            self._ticker.leave(call.tick)
            del self._active[number]
            if call.started:
                self._log.connected_s += self._loop.time() - began
                if not self._plan.interrupts(number):
                    outcome = call.script.outcome()
                    self._log.outcomes["open" if self._over(number) and outcome == "cut_off" else outcome] += 1

    def _refused(self, error: DuologueError, close_code: int | None) -> float:
        """Write a refusal down; returns the seconds to wait."""
        self._log.refusals[error.code] += 1
        after = error.retry_after if isinstance(error, OverloadedError) else None
        self._log.refused[Refusal(error.code, close_code, after, bool(error.message))] += 1
        if after is not None:
            self._log.retry_after_s = max(after, self._log.retry_after_s or 0.0)
        return min(_LONGEST_WAIT_S, _REFUSED_S if after is None else after)
