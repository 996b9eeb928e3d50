"""The record of a call: its turns as they were said, heard and measured, built from events; and what was used."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from duologue.audio.format import RATE
from duologue.conversation import events
from duologue.conversation.events import Event
from duologue.session.events import ErrorRaised, ToolCalled, TurnMeasured
from duologue.telemetry.call_usage import CallUsage

__all__ = ["CallRecord", "TurnRecord"]

MAX_TURNS = 1000
MAX_ERRORS = 100
MAX_TOOLS = 64
"""Tool calls that are kept of one turn."""
MAX_AGENTS = 100
"""Changes of the agent that are kept."""


@dataclass(slots=True)
class TurnRecord:
    """One turn of the user and its outcome. Seconds of audio from the start of the call."""

    turn: int
    user_text: str = ""
    start: float = 0.0
    end: float = 0.0
    """The user's last sample, by the VAD."""
    end_reason: str = ""
    agent_text: str = ""
    heard_text: str = ""
    interrupted: bool = False
    measured: TurnMeasured | None = None
    tools: list[ToolCalled] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types; seconds."""
        m = self.measured
        return {
            "turn": self.turn,
            "user": {"text": self.user_text, "start_s": round(self.start, 3), "end_s": round(self.end, 3)},
            "agent": {"text": self.agent_text, "heard_text": self.heard_text},
            "end_reason": self.end_reason,
            "interrupted": self.interrupted,
            **({"tools": [_tool(tool) for tool in self.tools]} if self.tools else {}),
            "latency": {
                "processing_s": round(m.processing, 4) if m else None,
                "voice_to_voice_s": round(m.voice_to_voice, 4) if m else None,
                "speculation": m.speculation if m else None,
                "parts": {k: round(v, 4) for k, v in m.parts.items()} if m else {},
                "stages": {k: round(v, 4) for k, v in m.stages.items()} if m else {},
            },
        }


@dataclass(slots=True)
class CallRecord:
    """What happened in a call; the last `MAX_TURNS` turns of it."""

    session: str
    reason: str = ""
    """Why the call ended; empty while it lives."""
    audio: float = 0.0
    """Seconds of input."""
    turns: deque[TurnRecord] = field(default_factory=lambda: deque(maxlen=MAX_TURNS))
    greeting: str = ""
    """What the agent said before the first turn."""
    errors: deque[ErrorRaised] = field(default_factory=lambda: deque(maxlen=MAX_ERRORS))
    interruptions: int = 0
    false_interruptions: int = 0
    missing: float = 0.0
    """Seconds of input that never came, or were dropped."""
    agents: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_AGENTS))
    """The names of the agents that answered, in their order."""
    usage: CallUsage = field(default_factory=CallUsage)
    """What its providers were used for, and what that costs; a recognizer that streams is counted at the end."""

    def take(self, event: Event) -> None:
        """Note what an event tells."""
        self.audio = event.pos / RATE
        match event:
            case events.TurnDecided():
                self.turns.append(
                    TurnRecord(
                        event.turn,
                        event.text,
                        max(event.start, 0) / RATE,
                        event.end / RATE,
                        event.reason,
                    )
                )
            case events.TurnContinued():
                if self.turns and self.turns[-1].turn == event.turn:
                    self.turns.pop()
            case events.AgentHeard():
                self._heard(event)
            case events.Interrupted(reason="duration" | "words" | "manual" | "text"):
                self.interruptions += 1
            case events.FalseInterruption() | events.Backchannel():
                self.false_interruptions += 1
            case events.AudioGap():
                self.missing += (event.end - event.start) / RATE
            case TurnMeasured():
                if turn := self._find(event.turn):
                    turn.measured = event
            case ToolCalled():
                if (turn := self._find(event.turn)) and len(turn.tools) < MAX_TOOLS:
                    turn.tools.append(event)
            case ErrorRaised():
                self.errors.append(event)
            case events.CallChanged(state="ended"):
                self.reason = event.reason
            case _:
                pass

    def _heard(self, event: events.AgentHeard) -> None:
        turn = self._find(event.turn)
        if turn:
            turn.agent_text, turn.heard_text, turn.interrupted = event.said, event.text, event.interrupted
        elif not self.turns:
            self.greeting = f"{self.greeting} {event.text}".strip()

    def _find(self, turn: int) -> TurnRecord | None:
        return next((t for t in reversed(self.turns) if t.turn == turn), None)


def _tool(tool: ToolCalled) -> dict[str, Any]:
    return {
        "name": tool.name,
        "started_s": round(tool.started, 4),
        "finished_s": round(tool.finished, 4),
        "outcome": tool.outcome,
    }
