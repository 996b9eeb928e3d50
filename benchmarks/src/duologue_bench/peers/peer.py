"""A peer: its scripts lie in a folder of their own, with its virtual environment in `venv/`. They print JSON."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from duologue_bench.peers.trial import START_S, Figures, ServicesWork, Trial, judged, pick

__all__ = ["LOAD_SCRIPT", "Peer"]

LOAD_SCRIPT: Final = "bench_load.py"
"""Measures many sessions; a folder without it is not a peer's."""
SERVICES_SCRIPT: Final = "bench_providers.py"
CREATION_S: Final = 0.5
"""Allowed for each session to be made and connected."""


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

    def providers(self, work: ServicesWork, sessions: int) -> Trial:
        """Sessions on the peer's own plugins of Deepgram, OpenAI and ElevenLabs."""
        options = {"sessions": sessions, "seconds": work.seconds, "warm": work.warm, "sound": work.sound}
        arguments = [word for name, value in {**options, **work.addresses}.items() for word in (f"--{name}", value)]
        planned_s = work.seconds + work.warm + CREATION_S * sessions
        return self._trial(
            "providers", SERVICES_SCRIPT, *arguments, read=_read_providers, planned_s=planned_s, sessions=sessions
        )

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


def _read_providers(told: Mapping[str, Any]) -> Figures:
    names = ("cores", "late_p50_ms", "late_p99_ms", "pushed", "scored", "turns", "errors")
    figures = pick(told, **{name: name for name in names})
    figures["processed"] = figures.pop("pushed", 0.0) * figures.pop("scored", 0.0)
    if figures.get("errors"):
        return {**figures, "kept_up": 0.0}
    return judged(figures)
