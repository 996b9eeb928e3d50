"""`duologue callers --chaos SEED`: callers whose network breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING

import typer

from duologue.cli.output import console, notes, print_json

if TYPE_CHECKING:
    from duologue.callers.voice import Utterance

__all__ = ["run_and_print"]


def run_and_print(url: str, callers: int, seconds: float, seed: int, token: str | None, *, as_json: bool) -> None:
    """Run, print what happened, and exit with 1 if a call was not resumed, or a message was wrong."""
    from duologue.callers.chaos import run_chaos

    said = _speech()
    result = asyncio.run(run_chaos(url, callers=callers, seconds=seconds, seed=seed, token=token, said=said))
    if as_json:
        print_json(result.as_dict())
    else:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(result.faults.items())) or "none"
        turns = f"turns {result.turns}, of which {result.spoken} were spoken and {result.apologies} apologized for"
        console.print(f"calls {result.calls}, {turns}; refused {result.refused}; faults: {faults}")
        console.print(f"resumed {result.resumed}, restored {result.restored}, lost {result.lost}")
        for violation in result.violations:
            notes.print(f"violated: {violation}", style="red")
    if not result.holds:
        raise typer.Exit(1)


def _speech() -> Sequence[Utterance]:
    """What callers say; nothing if the local voice is not installed, and then they type."""
    from duologue.callers.chaos import SENTENCES
    from duologue.callers.run import load_voice
    from duologue.callers.voice import prepare
    from duologue.errors import NotInstalledError

    try:
        return tuple(prepare(SENTENCES, make_voice=load_voice).values())
    except (NotInstalledError, PackageNotFoundError):
        notes.print("Callers type all turns: the local voice is not installed.")
        return ()
