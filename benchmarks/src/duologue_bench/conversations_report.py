"""What runs of whole conversations came to, as rows of a table: for a terminal, and for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from duologue.callers.result import Percentiles
from duologue_bench.conversations import Held, Measured, counted
from duologue_bench.document import machine, table

__all__ = ["names", "report", "rows", "verdict"]

NONE = "–"

Run = tuple[Measured, list[Held]]


def names(runs: Sequence[Run]) -> list[str]:
    """The head of each run's column."""
    return ["a single caller" if (n := m.result.sessions) == 1 else f"{n} callers" for m, _ in runs]


def rows(runs: Sequence[Run]) -> list[list[str]]:
    """A label and a cell for each run; each latency says on how many turns it stands."""
    models = dict.fromkeys(name for m, _ in runs for name in m.models_cpu)
    told: list[tuple[str, Callable[[Measured], str]]] = [
        ("of them interrupt", lambda m: str(m.result.interrupters)),
        ("turns; answered", lambda m: f"{m.result.turns}; {m.result.answered}"),
        ("decided 0.3 s or more before their end", _cut_off),
        ("speech end → decided p50 / p95, ms (n)", lambda m: _ms(m.result.speech_to_decided_s, "p50", "p95")),
        ("processing p50 / p95, ms (n)", lambda m: _ms(m.result.processing_s, "p50", "p95")),
        ("of them with a reply prepared", lambda m: _ms(_processing(m, prepared=True), "p50", "p95")),
        ("of them without", lambda m: _ms(_processing(m, prepared=False), "p50", "p95")),
        ("speech end → audio p50 / p95, ms (n)", lambda m: _ms(m.result.voice_to_voice_s, "p50", "p95")),
        ("interruptions; yielded to", lambda m: f"{m.result.interruptions}; {m.result.yielded}"),
        ("gives way → silent p50 / p95 / p99, ms (n)", lambda m: _ms(m.result.silenced_s, *ALL)),
        ("settled → silent p50 / p95 / p99, ms (n)", lambda m: _ms(m.result.settled_s, *ALL)),
        ("onset → paused p50 / p95 / p99, ms (n)", lambda m: _ms(m.result.paused_s, *ALL)),
        ("onset → last p50 / p95 / p99, ms (n)", lambda m: _ms(m.result.yield_s, *ALL)),
        ("starved frames; dropped input, s", lambda m: f"{m.result.starved_frames}; {_dropped(m):g}"),
        ("booked / ended otherwise", _bookings),
        ("word error rate (words)", _words),
        ("talk; turns a minute", lambda m: f"{m.result.talk_fraction:.2f}; {m.result.turns_per_minute:.1f}"),
        ("server, cores", lambda m: f"{m.server_cpu:.2f}"),
        *((f"of them {name}", _model(name)) for name in models),
        ("callers, cores; own delay p99, ms", lambda m: f"{m.result.caller_cpu:.2f}; {_late(m)}"),
        ("private memory, mean; most, MB", _memory),
        ("memory of a further session, MB", _further),
    ]
    return [[label, *(cell(m) for m, _ in runs)] for label, cell in told]


def verdict(run: Run) -> str:
    """Whether every limit held, in words."""
    measured, held = run
    broken = [
        f"{h.name} {h.value:.3g} (limit {h.limit:g})" if h.value is not None else f"{h.name} (nothing measured)"
        for h in held
        if not h.ok
    ]
    return f"{measured.result.sessions} callers: {'broken: ' + ', '.join(broken) if broken else 'every limit holds'}"


def report(runs: Sequence[Run], *, load: str, cores: int, others: str = "", picture: str | None = None) -> str:
    """The runs as markdown. `picture`: its path from the document; `others`: what else is to be said of them."""
    measured = runs[-1][0].result
    parts = [
        table(["", *names(runs)], rows(runs), left=0),
        "; ".join(verdict(run) for run in runs[1:]) + ".",
        f"The {load} load, {measured.measured_s:.0f} s after a ramp of {measured.ramp_s:.0f} s, callers on the same "
        f"{cores} {'core' if cores == 1 else 'cores'}: {machine()}. {others}Written by `duologue bench conversations`.",
    ]
    if picture:
        parts.append(f"![How soon turns were answered]({picture})")
    return "\n\n".join(parts) + "\n"


ALL = ("p50", "p95", "p99")


def _ms(p: Percentiles, *shares: str) -> str:
    if not p.n:
        return NONE
    digits = 0 if (p.p50 or 0) >= 0.01 else 1
    return f"{' / '.join(f'{getattr(p, share) * 1000:.{digits}f}' for share in shares)} ({p.n})"


def _cut_off(m: Measured) -> str:
    return f"{m.result.cut_offs} ({m.result.cut_offs / m.result.turns:.1%})" if m.result.turns else NONE


def _processing(m: Measured, *, prepared: bool) -> Percentiles:
    return Percentiles.of(turn.processing_s for turn in counted(m.result) if (turn.speculation == "hit") == prepared)


def _dropped(m: Measured) -> float:
    return m.result.missed_input_s.get("dropped", 0.0)


def _bookings(m: Measured) -> str:
    b = m.result.bookings
    return f"{b['booked']} / {b['wrong'] + b['gave_up'] + b['cut_off']}"


def _words(m: Measured) -> str:
    rate = m.result.word_error_rate
    return NONE if rate is None else f"{rate:.1%} ({m.result.words})"


def _model(name: str) -> Callable[[Measured], str]:
    return lambda m: f"{m.models_cpu.get(name, 0.0):.2f}"


def _late(m: Measured) -> str:
    late = m.result.caller_late_s.p99
    return NONE if late is None else f"{late * 1000:.1f}"


def _memory(m: Measured) -> str:
    return f"{m.memory.mean / 1e6:.0f}; {m.memory.most / 1e6:.0f}"


def _further(m: Measured) -> str:
    return NONE if m.memory_per_session is None else f"{m.memory_per_session / 1e6:.2f}"
