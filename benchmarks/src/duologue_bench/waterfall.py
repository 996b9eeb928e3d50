"""What a server says of the latency of each turn, held against what its simulated callers measured from the audio."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from duologue.callers.load import Load
from duologue.callers.log import Turn
from duologue.callers.result import Result
from duologue.callers.run import Progress
from duologue_bench.conversations import Held, carry, warm
from duologue_bench.server import ServerProcess

__all__ = ["LIMITS", "Compared", "check", "compare", "measure_waterfall"]

LIMITS: Final = {"unbalanced_s": 0.001, "spread_p95_s": 0.06}
"""Seconds by which the parts of a turn may miss its voice-to-voice latency, and the 95th percentile of how far the
server's figure is from the caller's, beyond the bias.
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """A run in numbers. Seconds."""

    sessions: int
    waterfalls: int
    """Turns of which the server told the parts."""
    unbalanced_s: float
    """The most by which the parts of a turn miss its voice-to-voice latency."""
    turns: int
    """Turns that both sides measured."""
    server_p50_s: float | None
    caller_p50_s: float | None
    bias_s: float | None
    """Median of what the server says less what the caller measured."""
    of_it_speech_end_s: float | None
    """Median of how much earlier speech ends for the server than for the caller: negative if it hears the end late."""
    spread_p50_s: float | None
    """How far that difference is from the bias."""
    spread_p95_s: float | None
    spread_max_s: float | None
    parts_p50_s: dict[str, float]
    """Median of each part over the same turns."""
    valid: bool
    """False if the callers' own clock was too late to measure anything."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)


def compare(result: Result) -> Compared:
    """Compare the turns of a run that ended after its ramp and were answered."""
    told = [turn for turn in result.raw if turn.told_voice_to_voice_s is not None]
    both = [turn for turn in told if turn.onset_s >= result.ramp_s and _is_of_one_reply(turn)]
    differences = [_told(turn) - (turn.voice_to_voice_s or 0.0) for turn in both]
    bias = median(differences) if differences else None
    spread = sorted(abs(difference - (bias or 0.0)) for difference in differences)
    return Compared(
        sessions=result.sessions,
        waterfalls=len(told),
        unbalanced_s=round(max((abs(sum(t.parts_s.values()) - _told(t)) for t in told), default=0.0), 6),
        turns=len(both),
        server_p50_s=_rounded(median(map(_told, both)) if both else None),
        caller_p50_s=_rounded(median(turn.voice_to_voice_s or 0.0 for turn in both) if both else None),
        bias_s=_rounded(bias),
        of_it_speech_end_s=_rounded(median(map(_ends_earlier, both)) if both else None),
        spread_p50_s=_share(spread, 0.5),
        spread_p95_s=_share(spread, 0.95),
        spread_max_s=_share(spread, 1.0),
        parts_p50_s=_parts(both),
        valid=result.valid,
    )


def check(compared: Compared) -> list[Held]:
    """Whether each limit holds."""
    found = [
        Held(name, value, limit, value is not None and value < limit)
        for name, limit in LIMITS.items()
        for value in [getattr(compared, name)]
    ]
    return [*found, Held("callers_in_time", float(compared.valid), 1, compared.valid)]


async def measure_waterfall(
    sessions: int,
    load: Load,
    seconds: float,
    *,
    seed: int = 1,
    options: Sequence[str] = (),
    on_progress: Callable[[str, Progress], None] | None = None,
) -> Result:
    """Have `sessions` callers converse for `seconds` with a server in another process, whose models are warm."""

    def progress(what: str) -> Callable[[Progress], None] | None:
        return None if on_progress is None else lambda now: on_progress(what, now)

    async with ServerProcess(["--max-sessions", "1000", "--chunk-ms", "40", "--cache-mb", "0", *options]) as server:
        await warm(server, sessions, seed=seed, on_progress=progress("warming the models"))
        told = progress(f"{sessions} callers")
        return (await carry(server, sessions, load, seconds, seed=seed, on_progress=told)).result


def _is_of_one_reply(turn: Turn) -> bool:
    return turn.ended and turn.voice_to_voice_s is not None and turn.generation == turn.told_generation


def _ends_earlier(turn: Turn) -> float:
    return turn.line_end_s - (turn.line_end_s if turn.heard_end_s is None else turn.heard_end_s)


def _told(turn: Turn) -> float:
    return turn.told_voice_to_voice_s or 0.0


def _parts(turns: Sequence[Turn]) -> dict[str, float]:
    names: Iterable[str] = dict.fromkeys(name for turn in turns for name in turn.parts_s)
    return {name: round(median(turn.parts_s.get(name, 0.0) for turn in turns), 4) for name in names}


def _share(ordered: Sequence[float], share: float) -> float | None:
    return _rounded(ordered[math.ceil(share * len(ordered)) - 1]) if ordered else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
