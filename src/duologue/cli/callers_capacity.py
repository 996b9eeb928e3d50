"""`duologue callers --find-capacity`: how many callers a server carries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import typer

from duologue.callers.capacity import LIMITS, Capacity, Step, find_knee
from duologue.callers.plan import Plan
from duologue.callers.result import Result
from duologue.callers.voice import Sound
from duologue.cli.callers_rows import line_of, turns_of
from duologue.cli.output import console, notes, print_json, progress, write_rows

__all__ = ["find"]


def find(plan: Plan, recorded: Mapping[str, Sound] | None, *, raw: Path | None, as_json: bool) -> None:
    """Run with more and more callers, and print the knee; the exit status is 1 if there is none."""
    from duologue.callers.run import prepare_run, run

    each = plan.ramp / plan.sessions

    async def step(sessions: int) -> Result:
        now = replace(plan, sessions=sessions, ramp=min(20.0, each * sessions))
        with progress("speech", 1.0) as show:
            made = partial(prepare_run, now, recorded=recorded, on_progress=lambda done, of: show(done / of))
            utterances = await asyncio.to_thread(made)
        with progress(f"{sessions} callers", now.ramp + now.seconds) as show:
            return await run(now, utterances, on_progress=lambda at: show(at.seconds, line_of(at, now)))

    capacity = asyncio.run(find_knee(plan.sessions, step, on_step=_tell))
    if raw is not None:
        write_rows(raw, turns_of(step.result for step in capacity.steps))
    if as_json:
        print_json(_as_dict(capacity))
    else:
        _print(capacity)
    if capacity.void == "interrupted":
        raise typer.Exit(130)
    if capacity.void:
        notes.print(f"error: the search ended early: {capacity.void}.", style="red")
        raise typer.Exit(1)


def _tell(step: Step) -> None:
    p95 = step.result.processing_s.p95
    latency = f"processing p95 {1000 * p95:.0f} ms" if p95 is not None else "no turn measured"
    notes.print(f"{step.sessions} callers: {latency}; {'; '.join(step.broken) or 'carried'}")


def _print(capacity: Capacity) -> None:
    if capacity.broken_at is None:
        console.print(f"{capacity.carried} callers were carried; nothing broke")
    else:
        console.print(
            f"{capacity.carried} callers are carried, {capacity.broken_at} are not: {'; '.join(capacity.why)}",
            soft_wrap=True,
        )


def _as_dict(capacity: Capacity) -> dict[str, object]:
    return {
        "carried": capacity.carried,
        "broken_at": capacity.broken_at,
        "why": list(capacity.why),
        "void": capacity.void,
        "limits": asdict(LIMITS),
        "steps": [
            {"sessions": step.sessions, "broken": list(step.broken), "result": step.result.as_dict()}
            for step in capacity.steps
        ],
    }
