"""The times of one turn, from the user's last sample to the first audible one of the reply."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from duologue.audio.level import first_audible
from duologue.conversation import events as tell
from duologue.session.events import TurnMeasured

__all__ = ["Stopwatch"]


@dataclass(slots=True)
class Stopwatch:
    """Measures one turn at a time; walls are seconds of the real clock, also where audio runs faster."""

    words: float = 0.0
    """Seconds after the user's last sample, as for the stages."""
    score: float = 0.0
    """The last score before the decision."""
    decided: float = 0.0
    decided_wall: float = 0.0
    turn: int = 0
    generation: int = 0
    first_text: dict[int, float] = field(default_factory=dict)
    """Wall, by generation: a speculation's comes before its turn is decided."""
    first_clause: dict[int, float] = field(default_factory=dict)
    speculation: Literal["hit", "none"] = "none"

    def scored(self, event: tell.TurnScored) -> None:
        """The words are in, or the sound has been judged as well."""
        self.score = event.silence
        if event.sound is None:
            self.words = event.silence

    def turn_decided(self, event: tell.TurnDecided, wall: float, lag: float) -> None:
        """The turn is decided; `lag` is input that has arrived and is not scored yet, in seconds."""
        self.turn = event.turn
        self.decided = event.silence + lag
        self.decided_wall = wall
        self.words = min(self.words, self.decided)
        self.score = min(self.score, self.decided)

    def answering(self, generation: int, *, prepared: bool) -> None:
        """The decided turn is answered by this reply."""
        self.generation = generation
        self.speculation = "hit" if prepared else "none"
        for times in (self.first_text, self.first_clause):
            for old in [g for g in times if g < generation]:
                del times[old]

    def first_frame(self, frame: bytes, generation: int, pos: int, wall: float, now: float) -> TurnMeasured | None:
        """The measurement, if this frame is the first audible one of the reply that is awaited."""
        if not self.turn or generation != self.generation or first_audible(frame) is None:
            return None
        processing = wall - self.decided_wall

        def after_speech(at: float) -> float:
            return max(0.0, self.decided + at - self.decided_wall)

        stages = {
            "words": self.words,
            "score": self.score,
            "decided": self.decided,
            "first_text": after_speech(self.first_text.get(generation, wall)),
            "first_clause": after_speech(self.first_clause.get(generation, wall)),
            "first_audio": self.decided + processing,
        }
        turn, self.turn = self.turn, 0
        return TurnMeasured(pos, now, turn, generation, processing, self.decided + processing, self.speculation, stages)
