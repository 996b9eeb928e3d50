"""An estimate of how many conversations this machine carries, from what the models cost it; a few seconds.

It is no measurement: `duologue callers --find-capacity` calls a server, and finds out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from duologue.audio.format import RATE
from duologue.audio.resample import resample
from duologue.settings.local import LocalModels
from duologue.tts import SpeechRequest

__all__ = ["SECONDS", "Capacity", "estimate"]

SECONDS: Final = 10.0
"""Seconds that the estimate may take, divided among the models."""
USABLE: Final = 0.8
"""Share of the cores up to which answers come in time (docs/benchmarks.md)."""
USER_TALKS: Final = 0.35
"""Share of the time in which the caller speaks, in the normal load..."""
TURNS: Final = 4 / 60
"""...with so many turns a second."""
AGENT_TALKS: Final = 0.3
"""Share of the time in which the agent speaks."""
PASSES: Final = 1.2
"""How often a second of speech is transcribed: pauses inside turns are, too."""
SCORES: Final = 0.3
"""How often the audio of a turn is judged: where there is much to do, most turns are judged by their words alone."""
RUNTIME_S: Final = 0.0015
"""CPU seconds for a second of a call, the models left out: audio, rules, sockets (docs/benchmarks.md)."""
BATCH: Final = 32
"""Windows that are scored at once where there are many calls."""
TEXT: Final = "Sure, a table for four on Friday at half past seven, under the name of Wilson. Is that right?"


@dataclass(frozen=True, slots=True)
class Capacity:
    """CPU seconds that a second of one call takes, by what it is spent on."""

    costs: dict[str, float]
    cores: float

    @property
    def sessions(self) -> int:
        """Conversations at once with the local models."""
        return int(USABLE * self.cores / sum(self.costs.values()))

    @property
    def with_services(self) -> int:
        """Conversations at once if services recognize and speak, in one process: its event loop has one core."""
        own = sum(cost for name, cost in self.costs.items() if name not in ("STT", "TTS"))
        return int(min(USABLE * self.cores / own, USABLE / self.costs["runtime"]))

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "sessions": self.sessions,
            "sessions_with_services": self.with_services,
            "cores": self.cores,
            "cpu_s_per_call_second": {name: round(cost, 6) for name, cost in self.costs.items()},
        }


def estimate(models: LocalModels, cores: float, *, seconds: float = SECONDS) -> Capacity:
    """Run each model for its part of `seconds`, and add up what a call needs of them. Models raise what they raise."""
    (speech,) = models.tts.run([SpeechRequest(TEXT)])
    audio = resample(np.frombuffer(speech.pcm, np.int16), speech.rate, RATE).astype(np.float32) / np.float32(32768)
    spoken = len(audio) / RATE
    turn_model = None if models.estimates_sound else models.turn_model
    part = seconds / (3 if turn_model is None else 4)
    windows = np.zeros((BATCH, models.vad.window), np.int16)
    rows = np.array([models.vad.open() for _ in range(BATCH)], np.intp)
    try:
        vad = _cost(lambda: models.vad.score(rows, windows), part) / BATCH * RATE / models.vad.window
    finally:
        for row in rows:
            models.vad.close(int(row))
    costs = {
        "runtime": RUNTIME_S,
        "VAD": vad,
        "STT": _cost(lambda: models.stt.run([audio]), part) / spoken * USER_TALKS * PASSES,
        "TTS": _cost(lambda: models.tts.run([SpeechRequest(TEXT)]), part) / spoken * AGENT_TALKS,
    }
    if turn_model is not None:
        costs["end of turn"] = _cost(lambda: turn_model.run([audio]), part) * TURNS * SCORES
    return Capacity(costs, cores)


def _cost(run: Callable[[], object], seconds: float) -> float:
    """The least CPU time of one run, of as many as `seconds` have room for."""
    run()
    until, best = time.monotonic() + seconds, float("inf")
    while best == float("inf") or time.monotonic() < until:
        began = time.process_time()
        run()
        best = min(best, time.process_time() - began)
    return max(best, 1e-7)
