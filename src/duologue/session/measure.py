"""The times of one turn, from the user's last sample to the first audible one of the reply."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from duologue.agent import ToolCall
from duologue.audio.format import RATE
from duologue.audio.level import first_audible
from duologue.conversation import events
from duologue.session.events import TurnMeasured

__all__ = ["Stopwatch"]

MAX_TOOLS: Final = 32
"""Tool calls kept for a reply whose turn is not decided; those after them are not published."""
MAX_ANSWERED: Final = 8
"""Replies whose tool calls can still be placed in time: a tool with side effects may outlive its reply. As many that
are prepared have their calls kept.
"""


@dataclass(slots=True)
class Stopwatch:
    """Measures one turn at a time; walls are seconds of the real clock, also where audio runs faster."""

    speech_stopped: float = 0.0
    """When the VAD reported the end of speech, in seconds after the user's last sample, as for the stages."""
    words: float = 0.0
    score: float = 0.0
    """The last score before the decision."""
    due: float = 0.0
    """When the turn was decided, in time of the audio..."""
    decided: float = 0.0
    """...and on the real clock, by which more had been spoken that was not scored or had not arrived."""
    decided_wall: float = 0.0
    turn: int = 0
    generation: int = 0
    first_text: dict[int, float] = field(default_factory=dict)
    """Wall, by generation: a speculation's comes before its turn is decided."""
    clause: dict[int, float] = field(default_factory=dict)
    """When the voice was given the first text of the answer."""
    first_clause: dict[int, float] = field(default_factory=dict)
    speculation: Literal["hit", "none"] = "none"
    speech_ends: dict[int, float] = field(default_factory=dict)
    """Wall of the user's last sample, by the generation of the reply."""
    tools: dict[int, list[ToolCall]] = field(default_factory=dict)
    """Calls for replies whose turn is not decided, by generation."""

    def stopped(self, event: events.SpeechStopped) -> None:
        """The user fell silent."""
        self.speech_stopped = (event.pos - event.end) / RATE

    def scored(self, event: events.TurnScored) -> None:
        """The words are in, or the sound has been judged as well."""
        self.score = event.silence
        if event.sound is None:
            self.words = event.silence

    def turn_decided(self, event: events.TurnDecided, wall: float, behind: float) -> None:
        """The turn is decided, `behind` seconds after the audio that decided it."""
        self.turn = event.turn
        self.due = event.silence
        self.decided = event.silence + behind
        self.decided_wall = wall
        self.words = min(self.words, self.decided)
        self.score = min(self.score, self.decided)
        self.speech_stopped = min(self.speech_stopped, self.words)

    def answering(self, generation: int, *, prepared: bool) -> Iterable[ToolCall]:
        """The decided turn is answered by this reply; returns the tool calls that it has made already."""
        self.generation = generation
        self.speculation = "hit" if prepared else "none"
        self.speech_ends[generation] = self.decided_wall - self.decided
        while len(self.speech_ends) > MAX_ANSWERED:
            del self.speech_ends[next(iter(self.speech_ends))]
        made = self.tools.pop(generation, ())
        for times in (self.first_text, self.clause, self.first_clause, self.tools):
            for old in [g for g in times if g < generation]:
                del times[old]
        return made

    def place_tool(self, generation: int, call: ToolCall) -> tuple[float, float] | None:
        """Start and end of a tool call in seconds after the user's last sample; None while its turn is not decided."""
        speech_end = self.speech_ends.get(generation)
        if speech_end is not None:
            return max(0.0, call.started - speech_end), max(0.0, call.finished - speech_end)
        if generation > self.generation:
            kept = self.tools.setdefault(generation, [])
            if len(kept) < MAX_TOOLS:
                kept.append(call)
            while len(self.tools) > MAX_ANSWERED:
                del self.tools[next(iter(self.tools))]
        return None

    def awaits(self, generation: int) -> bool:
        """Return True until the first audible frame of the reply to the decided turn."""
        return self.turn != 0 and generation == self.generation

    def first_frame(self, frame: bytes, generation: int, pos: int, wall: float, now: float) -> TurnMeasured | None:
        """The measurement, if this frame of the reply that is awaited is audible."""
        if first_audible(frame) is None:
            return None
        processing = wall - self.decided_wall

        def after_speech(at: float) -> float:
            return max(0.0, self.decided + at - self.decided_wall)

        stages = {
            "speech_stopped": self.speech_stopped,
            "words": self.words,
            "score": self.score,
            "due": self.due,
            "decided": self.decided,
            "first_text": after_speech(self.first_text.get(generation, wall)),
            "clause": after_speech(self.clause.get(generation, wall)),
            "first_clause": after_speech(self.first_clause.get(generation, wall)),
            "first_audio": self.decided + processing,
        }
        turn, self.turn = self.turn, 0
        return TurnMeasured(pos, now, turn, generation, processing, self.decided + processing, self.speculation, stages)
