"""What commands print: colours and progress on a terminal only, errors on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from duologue.errors import DuologueError

__all__ = ["AsJson", "console", "fail", "notes", "print_json", "progress"]

console = Console(highlight=False)
notes = Console(stderr=True, highlight=False)
"""For what is not the result: progress, hints, errors."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def fail(error: DuologueError, *, as_json: bool) -> NoReturn:
    """Tell what went wrong and what to do next, and exit with status 1."""
    if as_json:
        print_json({"error": error.as_dict()})
    else:
        notes.print(f"[bold red]error:[/] {_plain(error.message)}")
        if error.next_step:
            notes.print(_plain(error.next_step))
    sys.exit(1)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


@contextmanager
def progress(label: str, total: float, *, shown: bool = True) -> Iterator[Any]:
    """A progress bar on a terminal, nothing elsewhere; yields a function that takes the seconds done."""
    if not (shown and notes.is_terminal):
        yield lambda _done: None
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=notes, transient=True
    ) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=min(done, total))
