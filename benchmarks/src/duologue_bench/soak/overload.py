"""Overload: more and more callers than a server may carry, then as many as it may. Who is let in must not notice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

from duologue.audio.format import RATE
from duologue.callers.load import Load
from duologue.callers.log import Log, Turn
from duologue.callers.plan import Plan, Wave
from duologue.callers.result import Percentiles, Result
from duologue.callers.run import Progress, load_voice, prepare_run, run
from duologue.engine.admission import Admission
from duologue.server.registry import REFUSALS
from duologue_bench.conversations import CHUNK_MS, Held
from duologue_bench.soak.served import Served, at_least, at_most

__all__ = ["FACTORS", "LIMITS", "Overload", "Step", "check", "overload"]

FACTORS: Final = (1.0, 1.5, 2.0, 2.5, 3.0)
"""Callers that offer themselves, as multiples of what the server may carry; after them, once is offered again."""

LIMITS: Final = {"p95_ratio": 1.5, "bookings": 0.95, "recovery_s": 10.0}
"""What must hold: p95s of those who were let in beside those at once the capacity; bookings that came out as wanted;
seconds until a call is let in, and no measurement stands against one more, after the load has fallen."""

TRIES: Final = 3
NEWCOMER_S: Final = 1.0
"""So soon after the fall somebody calls who has not called before: whoever was refused may come far later."""
_LOOK_S: Final = 0.5
_WEIGH_EVERY: Final = 10
"""Looks at the server between looks at its memory, which cost it a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Step:
    """What callers and server found while so many offered themselves. Turns of the first moments are not counted."""

    factor: float
    offered: int
    """Callers."""
    carried: float
    """Calls at once, on average."""
    calls: int
    """That began."""
    refusals: dict[str, int]
    """By the server's reasons."""
    stayed_away: int
    """Callers who were refused so often that they gave it up for a minute."""
    turns: int
    processing_s: Percentiles
    voice_to_voice_s: Percentiles
    starved_frames: int
    """Silent frames of 20 ms inside the replies to these turns."""
    dropped_s: float
    """Input that the server dropped, as gaps."""
    booked: int
    not_booked: int
    """Calls that were over without the table that was wanted."""
    lost: int
    """Calls that ended otherwise than a call should."""
    private_bytes: int
    """Of the server, at the most."""
    lateness_s: float
    """Of words and speech, as the server measures its own strain, at the most."""


@dataclass(frozen=True, slots=True)
class Overload:
    """All steps, and what came after."""

    capacity: int
    steps: tuple[Step, ...]
    """The last one is after the load has fallen."""
    admitted_after_s: float | None
    """From the fall of the load to the first call that was let in; a newcomer calls after a second."""
    relaxed_after_s: float | None
    """From there to the moment at which no measurement stood against one more call."""
    uncounted: int
    """Calls and refusals that callers and server count differently, or that have no outcome: must be none."""
    result: Result
    """Of all callers over the whole run."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {**asdict(self), "result": self.result.as_dict()}


@dataclass(frozen=True, slots=True)
class _Look:
    """All counters, at one moment."""

    at: float
    calls: int
    stayed_away: int
    dropped: int
    booked: int
    not_booked: int
    lost: int
    sessions: int
    refusals: tuple[int, ...]
    lateness: float
    relaxed: bool
    private_bytes: int


async def overload(
    server: Served,
    capacity: int,
    load: Load,
    seconds: float,
    *,
    factors: Sequence[float] = FACTORS,
    seed: int = 1,
    make_voice: Callable[[], Any] = load_voice,
    on_progress: Callable[[Progress, float], None] | None = None,
) -> Overload:
    """Offer each multiple of `capacity` for `seconds`, and `capacity` once more; all in one run without a break.

    `on_progress` gets the multiple, too. Cancelled while it runs, it hangs up and raises CancelledError.
    """
    offered = [max(1, round(capacity * factor)) for factor in factors]
    ramp = _ramp(capacity, seconds)
    # At first all calls are at their beginning: half a step lets them drift apart.
    begins = [ramp + seconds * (number + 0.5) for number in range(len(offered) + 1)]
    fall = begins[-1]
    waves = tuple(
        Wave(more - before, "booking", begin, fall, _ramp(more - before, seconds))
        for before, more, begin in zip(offered, offered[1:], begins[1:], strict=False)
        if more > before
    )
    # One of the first leaves with the others, so that there is a place for the newcomer.
    leaver, newcomer = Wave(1, "booking", ramp, fall), Wave(1, "booking", fall + NEWCOMER_S)
    plan = Plan(
        server.url, offered[0] - 1, fall + seconds - ramp, "booking", load, seed, ramp, CHUNK_MS,
        waves=(leaver, *waves, newcomer), tries=TRIES,
    )  # fmt: skip
    utterances = await asyncio.to_thread(partial(prepare_run, plan, make_voice=make_voice))
    log = Log()
    before = (await server.ops())["sum"]
    watch = _Watch(server, log, fall)
    watching = asyncio.create_task(watch.run())

    def tell(now: Progress) -> None:
        step = sum(now.seconds >= begin for begin in begins[1:])
        if on_progress is not None:
            on_progress(now, factors[step] if step < len(factors) else factors[0])

    try:
        result = await run(plan, utterances, on_progress=tell, log=log)
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    if not watching.cancelled():
        await watching  # it failed: say why
    if result.interrupted:
        raise asyncio.CancelledError
    after = (await server.ops())["sum"]
    counted = int(after["refused"] - before["refused"])
    return Overload(
        capacity=capacity,
        steps=tuple(
            _step(factor, many, begin, begin + seconds, watch.looks, result.raw)
            for factor, many, begin in zip([*factors, factors[0]], [*offered, offered[0]], begins, strict=True)
        ),
        admitted_after_s=watch.admitted_after,
        relaxed_after_s=watch.relaxed_after,
        uncounted=abs(counted - log.refusals.total()) + abs(log.calls - log.outcomes.total()),
        result=result,
    )


def _ramp(callers: int, seconds: float) -> float:
    """Four callers a second, within a quarter of the step."""
    return min(callers / 4, seconds / 4)


class _Watch:
    """Looks at the callers' log and at the server twice a second."""

    def __init__(self, server: Served, log: Log, fall: float) -> None:
        self.looks: list[_Look] = []
        self.admitted_after: float | None = None
        self.relaxed_after: float | None = None
        self._server = server
        self._log = log
        self._fall = fall

    async def run(self) -> None:
        began, weighed = time.monotonic(), self._server.footprint().private_bytes
        calls: int | None = None
        while True:
            ops = (await self._server.ops())["sum"]
            if len(self.looks) % _WEIGH_EVERY == 0:
                weighed = self._server.footprint().private_bytes
            look = self._look(time.monotonic() - began, ops, weighed)
            self.looks.append(look)
            if look.at >= self._fall:
                since = look.at - self._fall
                calls = look.calls if calls is None else calls
                if self.admitted_after is None and look.calls > calls:
                    self.admitted_after = round(since, 2)
                if self.relaxed_after is None and look.relaxed:
                    self.relaxed_after = round(since, 2)
            await asyncio.sleep(_LOOK_S)

    def _look(self, at: float, ops: dict[str, float], private_bytes: int) -> _Look:
        log, limits = self._log, Admission()
        over = log.outcomes
        return _Look(
            at=at,
            calls=log.calls,
            stayed_away=log.stayed_away,
            dropped=log.input_gaps["dropped"],
            booked=over["booked"],
            not_booked=over["wrong"] + over["gave_up"] + over["cut_off"],
            lost=log.lost.total(),
            sessions=int(ops["sessions"]),
            refusals=tuple(int(ops[f"refused_{reason}"]) for reason in REFUSALS),
            lateness=ops["worst_lateness_s"],
            relaxed=ops["worst_lateness_s"] <= limits.max_lateness
            and ops["worst_tick_lag_s"] <= limits.max_tick_lag
            and ops["backlog_s"] <= limits.max_backlog,
            private_bytes=private_bytes,
        )


def _step(factor: float, offered: int, begin: float, end: float, looks: Sequence[_Look], turns: Iterable[Turn]) -> Step:
    """What lies between `begin` and `end`; turns count once the callers who come have come."""
    within = [look for look in looks if begin <= look.at < end]
    # Counted from the last look before it, so that each event falls into one step.
    first = next((look for look in reversed(looks) if look.at < begin), looks[0])
    last = within[-1] if within else first
    mine = [
        turn for turn in turns if begin + _ramp(offered, end - begin) <= turn.onset_s < end
        and turn.ended and not turn.goes_on
    ]  # fmt: skip
    counted = (after - before for before, after in zip(first.refusals, last.refusals, strict=True))
    return Step(
        factor=factor,
        offered=offered,
        carried=round(sum(look.sessions for look in within) / len(within), 1) if within else 0.0,
        calls=last.calls - first.calls,
        refusals={reason: count for reason, count in zip(REFUSALS, counted, strict=True) if count},
        stayed_away=last.stayed_away - first.stayed_away,
        turns=len(mine),
        processing_s=Percentiles.of(turn.processing_s for turn in mine),
        voice_to_voice_s=Percentiles.of(turn.voice_to_voice_s for turn in mine),
        starved_frames=sum(turn.starved_frames for turn in mine),
        dropped_s=round((last.dropped - first.dropped) / RATE, 3),
        booked=last.booked - first.booked,
        not_booked=last.not_booked - first.not_booked,
        lost=last.lost - first.lost,
        private_bytes=max((look.private_bytes for look in within), default=0),
        lateness_s=max((look.lateness for look in within), default=0.0),
    )


def check(found: Overload) -> list[Held]:
    """Each limit."""
    first, *others = found.steps
    booked = sum(step.booked for step in found.steps)
    over = booked + sum(step.not_booked for step in found.steps)
    return [
        *(_ratio(f"processing_p95_ratio_at_{_name(found, step)}", step.processing_s, first.processing_s)
          for step in others),
        *(_ratio(f"voice_to_voice_p95_ratio_at_{_name(found, step)}", step.voice_to_voice_s, first.voice_to_voice_s)
          for step in others),
        at_least("bookings", booked / over if over else None, LIMITS["bookings"]),
        at_most("lost", sum(found.result.lost.values()), 0),
        at_most("unclear_refusals", found.result.unclear_refusals, 0),
        at_most("uncounted", found.uncounted, 0),
        at_most("admitted_after_s", found.admitted_after_s, LIMITS["recovery_s"]),
        at_most("relaxed_after_s", found.relaxed_after_s, LIMITS["recovery_s"]),
        at_least("callers_in_time", float(found.result.valid), 1),
    ]  # fmt: skip


def _name(found: Overload, step: Step) -> str:
    return "the_end" if step is found.steps[-1] else f"{step.factor:g}x"


def _ratio(name: str, those: Percentiles, usual: Percentiles) -> Held:
    ratio = those.p95 / usual.p95 if those.p95 is not None and usual.p95 else None
    return at_most(name, ratio, LIMITS["p95_ratio"])
