"""What a run found, as numbers with their units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from duologue.audio.format import RATE
from duologue.callers.log import Log, Turn
from duologue.callers.plan import Plan
from duologue.callers.word_errors import word_errors

__all__ = ["LATE_P99_S", "Percentiles", "Result"]

LATE_P99_S: Final = 0.02
"""Callers whose own clock is later than this, in the worst hundredth, measure themselves: the run is void."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of a set of measurements; all None if there is none."""

    n: int
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Percentiles:
        """Of those that are there; a percentile is the smallest value that so many do not exceed."""
        ordered = sorted(value for value in values if value is not None)
        if not ordered:
            return cls(0, None, None, None, None, None)

        def at(share: float) -> float:
            return round(ordered[math.ceil(share * len(ordered)) - 1], 4)

        return cls(len(ordered), at(0.5), at(0.9), at(0.95), at(0.99), round(ordered[-1], 4))


@dataclass(frozen=True, slots=True)
class Result:
    """A run in numbers. Latencies count turns that ended after the ramp and were waited for."""

    sessions: int
    script: str
    load: str
    seed: int
    ramp_s: float
    measured_s: float
    interrupted: bool
    """Ended by Ctrl-C before its time."""
    valid: bool
    """False if the callers themselves were too late to measure anything."""
    why_void: str
    lines: str
    """The package that carried the connections."""
    caller_late_s: Percentiles
    caller_cpu: float
    """Cores that the callers took."""
    caller_cpu_ms_per_call_s: float
    concurrent_sessions: float
    """On average, the ramp included."""
    talk_fraction: float
    """Share of the time of callers who take turns in which they spoke, pauses inside turns included."""
    turns_per_minute: float
    """Of each of them."""
    turns: int
    answered: int
    unanswered: int
    """Turns to which no reply began before the caller stopped waiting."""
    cut_offs: int
    """Turns that were decided 0.3 s or more before their end."""
    voice_to_voice_s: Percentiles
    """Last audible sample of the caller to first audible sample of the reply at the caller's loudspeaker."""
    processing_s: Percentiles
    """Decided to first audible sample, as told by the server."""
    speech_to_decided_s: Percentiles
    """End of speech to decided, as told by the server, of the same turns."""
    speculation_hits: int
    starved_frames: int
    """Silent frames of 20 ms inside replies at the loudspeakers, ramp included."""
    interrupters: int
    """Callers who interrupt beside those of the script. Their turns count as interruptions and in
    `interrupters_…` alone."""
    interrupters_turns: int
    interrupters_voice_to_voice_s: Percentiles
    interrupters_processing_s: Percentiles
    interruptions: int
    yielded: int
    yield_s: Percentiles
    """Onset of an interruption to the agent's last sample at the loudspeaker."""
    paused_s: Percentiles
    """Onset of an interruption, by its place in the sound that was sent, to the server's pause, as the server tells:
    like the two that follow."""
    settled_s: Percentiles
    """The last sample that settled it, by its place in the sound that was sent, to silence at the server."""
    silenced_s: Percentiles
    """Decision to give way to silence at the server."""
    false_interruptions: int
    word_error_rate: float | None
    words: int
    bookings: dict[str, int]
    """Finished calls by outcome; `open` are those that the end of the run cut short."""
    calls: int
    errors: dict[str, int]
    refusals: dict[str, int]
    retry_after_s: float | None
    unclear_refusals: int
    """Of these, those that did not say why and when to come again."""
    closes: dict[str, int]
    lost: dict[str, int]
    """Calls that were opened and did not end as a call should, by how they ended."""
    missed_input_s: dict[str, float]
    """Input that the server missed or dropped, by its reason."""
    ack_gaps_s: float
    duplicate_input_s: float
    late_evidence: int
    stray_turns: int

    raw: tuple[Turn, ...] = ()

    @classmethod
    def of(
        cls,
        log: Log,
        plan: Plan,
        *,
        lines: str,
        elapsed: float,
        cpu: float,
        lateness: Sequence[float],
        interrupted: bool,
    ) -> Result:
        """From what was written down; `elapsed` and `cpu` are seconds from the first call to the end."""
        late = Percentiles.of(lateness)
        void = late.p99 is not None and late.p99 > LATE_P99_S
        why = (
            f"the callers' own clock was {late.p99 or 0:.3f} s late at p99, and may be {LATE_P99_S:g} s" if void else ""
        )
        turns = [turn for turn in log.turns if turn.ended and turn.onset_s >= plan.ramp]
        beside = [turn for turn in turns if plan.interrupts(turn.caller)]
        cut_in = [turn for turn in turns if turn.interrupts]
        taken = [turn for turn in turns if not turn.goes_on and not plan.interrupts(turn.caller)]
        measured = max(0.0, elapsed - plan.ramp)
        errors, words = _word_errors(taken)
        for story in log.stories:
            wrong, said = word_errors(story.said, story.understood)
            errors, words = errors + wrong, words + said
        talkers = len({turn.caller for turn in taken}) or 1
        line_s = measured * talkers or 1.0
        return cls(
            sessions=plan.sessions,
            script=plan.script,
            load=plan.load.name,
            seed=plan.seed,
            ramp_s=plan.ramp,
            measured_s=round(measured, 2),
            interrupted=interrupted,
            valid=not void,
            why_void=why,
            lines=lines,
            caller_late_s=late,
            caller_cpu=round(cpu / elapsed, 4) if elapsed else 0.0,
            caller_cpu_ms_per_call_s=round(1000 * cpu / log.connected_s, 3) if log.connected_s else 0.0,
            concurrent_sessions=round(log.connected_s / elapsed, 2) if elapsed else 0.0,
            talk_fraction=round(sum(turn.spoken_s for turn in taken) / line_s, 4),
            turns_per_minute=round(60 * len(taken) / line_s, 3),
            turns=len(taken),
            answered=sum(turn.voice_to_voice_s is not None for turn in taken),
            unanswered=sum(turn.unanswered for turn in taken),
            cut_offs=sum(turn.cut_off for turn in taken),
            voice_to_voice_s=Percentiles.of(turn.voice_to_voice_s for turn in taken),
            processing_s=Percentiles.of(turn.processing_s for turn in taken),
            speech_to_decided_s=Percentiles.of(turn.stages_s.get("decided") for turn in taken),
            speculation_hits=sum(turn.speculation == "hit" for turn in taken),
            starved_frames=log.starved_frames,
            interrupters=plan.interrupters,
            interrupters_turns=len(beside),
            interrupters_voice_to_voice_s=Percentiles.of(turn.voice_to_voice_s for turn in beside),
            interrupters_processing_s=Percentiles.of(turn.processing_s for turn in beside),
            interruptions=len(cut_in),
            yielded=sum(turn.yield_s is not None for turn in cut_in),
            yield_s=Percentiles.of(turn.yield_s for turn in cut_in),
            paused_s=Percentiles.of(turn.paused_s for turn in cut_in),
            settled_s=Percentiles.of(turn.settled_s for turn in cut_in),
            silenced_s=Percentiles.of(turn.silenced_s for turn in cut_in),
            false_interruptions=log.false_interruptions,
            word_error_rate=round(errors / words, 4) if words else None,
            words=words,
            bookings={name: log.outcomes[name] for name in ("booked", "wrong", "gave_up", "cut_off", "open")},
            calls=log.calls,
            errors=dict(log.errors),
            refusals=dict(log.refusals),
            retry_after_s=log.retry_after_s,
            unclear_refusals=sum(count for refusal, count in log.refused.items() if not refusal.clear),
            closes=dict(log.closes),
            lost=dict(log.lost),
            missed_input_s={reason: round(samples / RATE, 3) for reason, samples in log.input_gaps.items()},
            ack_gaps_s=round(log.ack_gap_samples / RATE, 3),
            duplicate_input_s=round(log.duplicate_samples / RATE, 3),
            late_evidence=log.late_evidence,
            stray_turns=log.stray_turns,
            raw=tuple(log.turns),
        )

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types, without the turns."""
        return {name: value for name, value in asdict(self).items() if name != "raw"}


def _word_errors(turns: Iterable[Turn]) -> tuple[int, int]:
    """Wrong words and words, of the turns that were heard at all or left unanswered."""
    errors = words = 0
    for turn in turns:
        if turn.heard or (turn.unanswered and not turn.joined):
            wrong, said = word_errors(f"{turn.joins} {turn.said}", turn.understood)
            errors, words = errors + wrong, words + said
    return errors, words
