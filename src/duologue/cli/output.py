"""What commands print: colours and progress on a terminal only, errors on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from duologue.agent.faults import origin
from duologue.errors import AgentError, ConfigError, DuologueError

__all__ = [
    "AsJson",
    "console",
    "discard_output",
    "fail",
    "is_standard_output",
    "notes",
    "open_closed_streams",
    "print_json",
    "progress",
    "result_file",
    "write_rows",
]

console: Final = Console(highlight=False, markup=False, emoji=False)
notes: Final = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
"""For what is not the result: progress, hints, errors. A line stays a line, so that it can be searched for."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
    sys.stdout.flush()


def is_standard_output(path: Path) -> bool:
    """Whether a file is the one that standard output goes to, such as /dev/stdout."""
    try:
        return os.path.samestat(path.stat(), os.fstat(1)) and path.resolve() != Path(os.devnull)
    except OSError:
        return False


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line. Raises ConfigError where the file cannot be written."""
    try:
        with path.open("w", encoding="utf-8", errors="replace") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.", hint="Choose another file.") from None


def fail(error: DuologueError, *, as_json: bool) -> NoReturn:
    """Tell what went wrong and what to do next, and exit with status 1."""
    # A command shows no traceback, and a server's log is not at hand: name the place in the application's code.
    place = origin(error) if isinstance(error, AgentError) else ""
    notes.print(f"error: {error.message}" + (f" ({place})" if place else ""), style="red")
    if error.next_step:
        notes.print(error.next_step)
    if as_json:
        print_json({"error": error.as_dict()})
    sys.exit(1)


def result_file(path: Path | None) -> Path | None:
    """Refuse, as the callback of an option, a file that what the command prints would be mixed into."""
    if path is not None and is_standard_output(path):
        raise typer.BadParameter(f"{path} is standard output, to which the result is printed: name another file.")
    return path


def open_closed_streams() -> None:
    """Have standard streams that were closed before the start (`>&-`) read and write nothing."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  # until the process ends


def discard_output() -> None:
    """Have what is still in the buffer of standard output go nowhere, and not fail again when the process ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def progress(label: str, total: float, *, shown: bool = True) -> Iterator[Any]:
    """A progress bar on a terminal, nothing elsewhere.

    Yields a function that takes the seconds done and, where the label changes, the new one.
    """
    if not (shown and notes.is_terminal):
        yield lambda _done, _label=None: None
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=notes,
        transient=True,
    ) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done, label=None: bar.update(task, completed=min(done, total), description=label)
