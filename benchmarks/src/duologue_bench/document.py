"""Where a benchmark's results stand in a document: between two markers, to be written anew by the next run."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from duologue.errors import ConfigError

__all__ = ["check_document", "machine", "markers", "table", "write_between"]


def markers(name: str) -> tuple[str, str]:
    """The lines around what `duologue bench NAME` writes."""
    return f"<!-- begin: duologue bench {name} -->", f"<!-- end: duologue bench {name} -->"


def check_document(document: Path, name: str) -> str:
    """The text of `document`, before any work is done for it. Raises ConfigError where it has no markers."""
    begin, end = markers(name)
    try:
        text = document.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{document} cannot be read: {error.strerror}.") from error
    if begin not in text or end not in text:
        raise ConfigError(f"{document} has no place for the results.", hint=f"Add the lines {begin} and {end} to it.")
    return text


def write_between(document: Path, name: str, text: str) -> None:
    """Put `text` between the markers of `document`. Raises ConfigError where they are not there."""
    begin, end = markers(name)
    old = check_document(document, name)
    before, rest = old.split(begin, 1)
    _, after = rest.split(end, 1)
    document.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", encoding="utf-8")


def table(names: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> str:
    """A table in markdown; all columns but `left` are aligned to the right."""
    lines = [names, ["---" if n == left else "---:" for n in range(len(names))], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> str:
    """What was measured on, in words."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _cpuinfo().splitlines() if line.startswith(("model name", "Model"))),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} in the machine, CPython {platform.python_version()}"


def _cpuinfo() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.exists() else ""
