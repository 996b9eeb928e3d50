"""The turns of a call, and who said what when, read from inputs and effects alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from duologue.audio.format import RATE
from duologue.conversation.inputs import PlayoutStarted
from duologue.recording.effects import EffectRecord
from duologue.recording.recording import Recording

__all__ = ["Decision", "Line", "TurnSummary", "decision_of", "transcript", "turns_of"]


@dataclass(frozen=True, slots=True)
class Decision:
    """When and why a turn was decided."""

    at: float
    """Seconds of the user's audio before the decision."""
    silence: float
    """Seconds from the user's last speech to it."""
    reason: str
    probability: float
    text: str

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "at_s": round(self.at, 3),
            "silence_s": round(self.silence, 3),
            "reason": self.reason,
            "probability": round(self.probability, 4),
        }


@dataclass(slots=True)
class TurnSummary:
    """One turn, and what the user heard in answer."""

    turn: int
    start: float
    """Seconds of the user's audio before its first sample."""
    decision: Decision
    heard: list[str] = field(default_factory=list)
    interrupted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "turn": self.turn,
            "start_s": round(self.start, 3),
            "text": self.decision.text,
            "decided": self.decision.as_dict(),
            "heard_text": " ".join(self.heard),
            "interrupted": self.interrupted,
        }


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was said."""

    at: float
    """Seconds from the start of the call to its first sample."""
    who: str
    """`user` or `agent`."""
    text: str
    """Of the agent: what the user heard."""
    interrupted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {"at_s": round(self.at, 3), "who": self.who, "text": self.text, "interrupted": self.interrupted}


def decision_of(effect: EffectRecord) -> Decision:
    """Return what a TurnDecided tells."""
    f = effect["fields"]
    return Decision(f["pos"] / RATE, f["silence"], f["reason"], f["probability"], f["text"])


def turns_of(effects: Iterable[EffectRecord]) -> list[TurnSummary]:
    """Return the turns that stayed decided, in order."""
    turns: list[TurnSummary] = []
    for effect in effects:
        f = effect["fields"]
        match effect["effect"]:
            case "TurnDecided":
                turns.append(TurnSummary(f["turn"], max(f["start"], 0) / RATE, decision_of(effect)))
            case "TurnContinued" if turns and turns[-1].turn == f["turn"]:
                turns.pop()
            case "AgentHeard" if f["text"] or f["interrupted"]:
                turn = next((turn for turn in reversed(turns) if turn.turn == f["turn"]), None)
                if turn is not None:
                    turn.heard.append(f["text"])
                    turn.interrupted = turn.interrupted or f["interrupted"]
            case _:
                pass
    return turns


def transcript(recording: Recording) -> list[Line]:
    """Return what was said and heard, in the order in which it began."""
    started: dict[int, float] = {}
    lines: list[Line] = []
    effects: list[EffectRecord] = []
    for step in recording.steps:
        effects += step.effects
        if isinstance(step.input, PlayoutStarted):
            started[step.input.generation] = step.now.pos / RATE
        for effect in step.effects:
            f = effect["fields"]
            if effect["effect"] == "AgentHeard" and f["text"]:
                lines.append(Line(started.get(f["generation"], f["pos"] / RATE), "agent", f["text"], f["interrupted"]))
    lines += [Line(turn.start, "user", turn.decision.text) for turn in turns_of(effects)]
    return sorted(lines, key=lambda line: line.at)
