"""What callers found, as a table for people."""

from __future__ import annotations

from rich.table import Table

from duologue.callers.result import Percentiles, Result
from duologue.cli.output import console

__all__ = ["print_result"]


def print_result(result: Result) -> None:
    """The latencies with their percentiles, then all that is counted."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in ("n", "p50", "p90", "p95", "p99", "max"):
        table.add_column(name, justify="right")
    for label, values in (
        ("voice to voice, ms", result.voice_to_voice_s),
        ("processing, ms", result.processing_s),
        ("speech end to decided, ms", result.speech_to_decided_s),
        ("yield, ms", result.yield_s),
        ("own clock late, ms", result.caller_late_s),
    ):
        if values.n:
            table.add_row(label, str(values.n), *_row(values))
    console.print(
        f"{result.sessions} callers, {result.script}, {result.load}: {result.measured_s:.0f} s measured"
        f"{', interrupted' if result.interrupted else ''}"
    )
    console.print(table)
    for line in _lines(result):
        console.print(line, soft_wrap=True)


def _row(values: Percentiles) -> list[str]:
    measured = (values.p50, values.p90, values.p95, values.p99, values.max)
    return [f"{1000 * value:.0f}" for value in measured if value is not None]


def _lines(result: Result) -> list[str]:
    over = {name: count for name, count in result.bookings.items() if count}
    wrong = result.word_error_rate
    lines = [
        f"turns: {result.turns}, {result.answered} answered, {result.unanswered} unanswered, {result.cut_offs} cut off,"
        f" {result.speculation_hits} with the reply prepared",
        f"load: {result.talk_fraction:.0%} of the time spoken, {result.turns_per_minute:.2f} turns a minute,"
        f" {result.concurrent_sessions:.1f} calls at once",
        f"calls: {result.calls}{_counts(over)}",
        f"understood: {1 - wrong:.1%} of {result.words} words" if wrong is not None else "understood: nothing was said",
        f"starved: {result.starved_frames} frames of 20 ms; input missed: "
        f"{sum(result.missed_input_s.values()):.2f} s{_counts(result.missed_input_s)}",
    ]
    if result.interruptions:
        lines.append(f"interruptions: {result.interruptions}, {result.yielded} yielded to")
    if result.errors or result.refusals:
        lines.append(f"errors{_counts(result.errors)}; refusals{_counts(result.refusals)}")
    lines.append(
        f"the callers themselves: {result.caller_cpu:.1%} of a core, {result.caller_cpu_ms_per_call_s:.2f} ms of CPU"
        f" a second of call ({result.lines})"
    )
    return lines


def _counts(values: dict[str, int] | dict[str, float]) -> str:
    return f" ({', '.join(f'{name} {value:g}' for name, value in values.items())})" if values else ""
