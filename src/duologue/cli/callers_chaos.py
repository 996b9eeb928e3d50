"""`duologue callers --chaos SEED`: callers whose network breaks."""

from __future__ import annotations

import asyncio

import typer

from duologue.cli.output import console, notes, print_json

__all__ = ["run_and_print"]


def run_and_print(url: str, callers: int, seconds: float, seed: int, token: str | None, *, as_json: bool) -> None:
    """Run, print what happened, and exit with 1 if a call was not resumed, or something was told wrong."""
    from duologue.callers.chaos import run_chaos

    result = asyncio.run(run_chaos(url, callers=callers, seconds=seconds, seed=seed, token=token))
    if as_json:
        print_json(result.as_dict())
    else:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(result.faults.items())) or "none"
        console.print(f"calls {result.calls}, turns {result.turns}, refused {result.refused}; faults: {faults}")
        console.print(f"resumed {result.resumed}, restored {result.restored}, lost {result.lost}")
        for violation in result.violations:
            notes.print(f"violated: {violation}", style="red")
    if not result.holds:
        raise typer.Exit(1)
