"""One measurement: the command that takes it, and what its output says, in words that all have in common."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from duologue_bench.figures import LATE_S

__all__ = ["START_S", "Contestant", "Figures", "ServicesWork", "Trial", "judged", "last_object", "pick"]

Figures = dict[str, float]
"""By name; what a command does not tell is not there.

    cpu_us                              CPU a chunk
    core_share                          CPU, of one core
    late_p50_ms, late_p99_ms            a chunk is due → it is handed in
    processed                           share of the audio that the detector has seen
    kept_up                             0 or 1
    created_ms                          to make a session, mean
    tasks                               of the loop a session
    processing_p50_ms, _p95_ms          turn decided → first audio
    answered_p50_ms, _p99_ms            end of speech → first audio
    silenced_p50_ms                     decided to give way → silent
    yielded_p50_ms, _p99_ms             the sample that settles it is due → silent
    onset_p50_ms                        the user's first sample → silent
    private_mb                          private memory of the process
"""

PROCESSED: Final = 0.99
"""Share of the audio that must be through where a script counts while chunks are under way."""
START_S: Final = 60.0
"""Allowed beside a script's own duration, for imports and to make sessions."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One command, and how its output is read."""

    what: str
    """`flat out`, `alone`, `barge-in`, `load` or `providers`."""
    command: tuple[str, ...]
    folder: Path
    read: Callable[[Mapping[str, Any]], Figures]
    planned_s: float
    sessions: int = 1

    @property
    def limit_s(self) -> float:
        """Seconds after which it is given up."""
        return START_S + 3 * self.planned_s


@dataclass(frozen=True, slots=True)
class ServicesWork:
    """What sessions on services hear, and where the services are."""

    sound: Path
    """A WAV file of 16 kHz mono."""
    seconds: float
    warm: float
    """Seconds before them."""
    addresses: Mapping[str, str]
    """URLs of `stt`, `llm` and `tts`."""


class Contestant(Protocol):
    """One runtime and its measurements."""

    name: str
    title: str
    """With its version."""
    start: int
    """Sessions with which the search for its knee begins."""

    def flat_out(self) -> Trial:
        """One session, audio as fast as it goes."""
        ...

    def alone(self) -> Trial:
        """One session in real time: its latency."""
        ...

    def barge_in(self) -> Trial:
        """One session in real time that is interrupted."""
        ...

    def load(self, sessions: int) -> Trial:
        """Many sessions in real time."""
        ...


def last_object(text: str) -> dict[str, Any] | None:
    """The last JSON object in `text` that begins a line; None if there is none that is whole."""
    decoder = json.JSONDecoder()
    lines = text.splitlines(keepends=True)
    for n in range(len(lines) - 1, -1, -1):
        if lines[n].startswith("{"):
            try:
                value, _ = decoder.raw_decode("".join(lines[n:]))
            except json.JSONDecodeError:
                continue
            return dict(value)
    return None


def pick(told: Mapping[str, Any], **paths: str) -> Figures:
    """The numbers at `paths`, whose parts are separated by dots; what is not there, or is no number, is left out."""
    figures: Figures = {}
    for name, path in paths.items():
        value: Any = told
        for part in path.split("."):
            if isinstance(value, Mapping):
                value = value.get(part)
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                value = None
        if isinstance(value, int | float) and math.isfinite(value):
            figures[name] = float(value)
    return figures


def judged(figures: Figures) -> Figures:
    """With the verdict by which all are judged: p99 of lateness, and audio that came through."""
    figures["kept_up"] = float(
        figures.get("late_p99_ms", math.inf) < LATE_S * 1000 and figures.get("processed", 0.0) >= PROCESSED
    )
    return figures
