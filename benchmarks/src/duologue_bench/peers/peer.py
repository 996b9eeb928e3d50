"""A peer: its scripts lie in a folder of their own, with its virtual environment in `venv/`. They print JSON."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from duologue_bench.peers.trial import START_S, Figures, Trial

__all__ = ["LOAD_SCRIPT", "Peer"]

LOAD_SCRIPT: Final = "bench_load.py"
"""Measures many sessions; a folder without it is not a peer's."""


class Peer:
    """What all peers have in common; `folder` holds theirs."""

    name: str
    """Of its folder."""
    package: str
    label: str
    start: int

    def __init__(self, folder: Path) -> None:
        self._folder = folder / self.name
        version = self._version()
        self.title = f"{self.label} {version}" if version else self.label

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return self._folder / "venv" / "bin" / "python"

    def missing(self) -> str | None:
        """What keeps it from being measured; None if nothing does."""
        script = self._folder / LOAD_SCRIPT
        absent = next((file for file in (self.python, script) if not file.exists()), None)
        return f"{self.label} is left out: there is no {absent}." if absent else None

    def _version(self) -> str:
        if not self.python.exists():
            return ""
        ask = f"import importlib.metadata as m; print(m.version({self.package!r}))"
        told = subprocess.run([self.python, "-c", ask], capture_output=True, text=True, timeout=START_S, check=False)
        return told.stdout.strip()

    def _trial(
        self,
        what: str,
        script: str,
        *arguments: object,
        read: Callable[[Mapping[str, Any]], Figures],
        planned_s: float,
        sessions: int = 1,
    ) -> Trial:
        command = (str(self.python), script, *map(str, arguments))
        return Trial(what, command, self._folder, read, planned_s, sessions)
