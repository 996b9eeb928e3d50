"""Counts what happens in one session: its turns, errors and interruptions, once each and never per chunk."""

from __future__ import annotations

import time
from typing import Final

from duologue.audio.format import RATE
from duologue.conversation import events
from duologue.conversation.events import Event
from duologue.session.events import BudgetExceeded, ErrorRaised, TurnMeasured, YieldMeasured
from duologue.telemetry import names
from duologue.telemetry.hub import Telemetry

__all__ = ["TurnMeter"]

MAX_OPEN: Final = 8
"""Decided turns whose answers have not ended."""


class TurnMeter:
    """Measures turns from the events of one session; holds its id and no reference to it."""

    def __init__(self, session: str, telemetry: Telemetry) -> None:
        self._session = session
        self._telemetry = telemetry
        self._metrics = telemetry.metrics
        self._began = time.monotonic()
        self._is_live = False
        self._starts: dict[int, float] = {}
        """Wall time of the first sample of each turn, by its number."""
        self._typed = 0

    def follow(self, event: Event) -> None:
        """Take what the session published."""
        add = self._metrics.add
        match event:
            case events.TurnDecided():
                self._typed = event.turn if event.reason == "text" else 0
                while len(self._starts) >= MAX_OPEN:
                    del self._starts[next(iter(self._starts))]
                self._starts[event.turn] = event.wall - (event.pos - max(event.start, 0)) / RATE
            case TurnMeasured():
                self._measured(event)
            case BudgetExceeded():
                add(names.OVERRUNS, 1, event.reason)
            case events.AgentHeard() if (start := self._starts.pop(event.turn, None)) is not None:
                self._metrics.record(names.TURN_DURATION, max(0.0, event.wall - start))
            case YieldMeasured():
                self._metrics.record(names.YIELD_LATENCY, max(0.0, event.silenced), event.reason)
            case events.Interrupted(reason="duration" | "words" | "manual" | "text"):
                add(names.BARGE_INS, 1, "interrupted")
            case events.FalseInterruption():
                add(names.BARGE_INS, 1, "false_interruption")
            case events.Backchannel():
                add(names.BARGE_INS, 1, "backchannel")
            case events.SpeculationDiscarded():
                add(names.SPECULATIONS, 1, "discarded")
            case ErrorRaised():
                add(names.ERRORS, 1, event.code, event.provider or "")
            case events.CallChanged(state="live"):
                self._is_live, self._began = True, time.monotonic()
                add(names.SESSIONS_STARTED)
            case _:
                pass

    def end(self, reason: str) -> None:
        """The session is over."""
        if self._is_live:
            self._metrics.add(names.SESSIONS_ENDED, 1, reason)
            self._metrics.record(names.SESSION_DURATION, time.monotonic() - self._began)

    def _measured(self, event: TurnMeasured) -> None:
        record = self._metrics.record
        if event.speculation == "hit":
            self._metrics.add(names.SPECULATIONS, 1, "hit")
        record(names.TURN_PROCESSING, event.processing)
        if event.turn == self._typed or not self._metrics.enabled:
            return  # it has no voice to measure from
        record(names.SESSION_LATENCY, event.voice_to_voice)
        parts = event.parts
        for part, seconds in parts.items():
            record(names.STAGE_DURATION, seconds, part)
        self._telemetry.turns.note(
            event.voice_to_voice,
            {
                "session": self._session,
                "turn": event.turn,
                "processing_s": round(event.processing, 4),
                "speculation": event.speculation,
                "parts": {name: round(seconds, 4) for name, seconds in parts.items()},
            },
        )
