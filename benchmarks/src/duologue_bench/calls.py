"""What is noted of the sessions of a run while it lasts: how late they were fed, answered, and silenced."""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass, field

from duologue.audio.format import FRAME, FRAME_SAMPLES, RATE
from duologue.conversation.events import AgentChanged, Event, Interrupted, TurnDecided
from duologue.conversation.state import AgentState
from duologue.session import AudioSink
from duologue.session.events import ErrorRaised, TurnMeasured
from duologue_bench.load import Line

__all__ = ["CallWatch", "Notes"]


@dataclass(slots=True)
class Notes:
    """Of all sessions together. Seconds."""

    counts: bool = False
    """False while the run warms up: nothing is noted."""
    processing: list[float] = field(default_factory=list)
    """Turn decided → first audible sample of the reply at the sink."""
    answered: list[float] = field(default_factory=list)
    """Last sample of the user's speech, by the detector → the same."""
    decided: list[float] = field(default_factory=list)
    """The sample at which a turn is decided was due → it is decided."""
    silenced: list[float] = field(default_factory=list)
    """The decision to give way → nothing sounds any more at the sink."""
    yielded: list[float] = field(default_factory=list)
    """The sample at which giving way is decided was due → the same."""
    onsets: list[float] = field(default_factory=list)
    """The user's first sample, by the label, was spoken while the agent spoke → the same."""
    interrupted: int = 0
    frames_after: int = 0
    """Frames of a reply that reached the sink after it had been silenced: must be none."""
    errors: int = 0


class CallWatch(AudioSink):
    """Watches one session, and is its sink. `line` is played to it in a loop from sample `begins` on."""

    def __init__(self, notes: Notes, line: Line, begins: int = 0) -> None:
        self.start = 0.0
        """When the first chunk was due, in `perf_counter` seconds."""
        self._notes = notes
        self._line = line
        self._begins = begins
        self._gives_way = False
        """It is decided that the agent gives way, and it has not fallen silent."""
        self._at = 0
        self._decided = 0.0
        self._silent = -1
        """The generation that must not sound."""
        self._speaks = -1
        """The generation that sounds..."""
        self._sounds = 0.0
        """...since then."""

    def event(self, event: Event) -> None:
        """An event of the session."""
        notes = self._notes
        match event:
            case TurnDecided() if notes.counts:
                notes.decided.append(time.perf_counter() - self._due(event.pos))
            case TurnMeasured() if notes.counts:
                notes.processing.append(event.processing)
                notes.answered.append(event.voice_to_voice)
            case AgentChanged(state=AgentState.PAUSED) | Interrupted():
                if isinstance(event, Interrupted) and notes.counts:
                    notes.interrupted += 1
                self._gives_way, self._at, self._decided = True, event.pos, time.perf_counter()
            case ErrorRaised():
                notes.errors += 1
            case _:
                pass

    def ended(self, reason: str) -> None:
        """The session is over."""

    def send(self, pcm: bytes, position: int, generation: int) -> None:
        """A frame of the agent's voice."""
        if generation <= self._silent:
            self._notes.frames_after += 1
        if generation != self._speaks:
            self._speaks, self._sounds = generation, time.perf_counter()

    def pause(self, generation: int) -> None:
        """Nothing sounds from here on."""
        self._silence(generation)

    def resume(self, generation: int) -> None:
        """The reply may sound again."""
        self._silent = -1

    def flush(self, generation: int) -> None:
        """Nothing of this reply sounds any more."""
        if self._silent < generation:  # else it has been silent since its pause
            self._silence(generation)

    def _silence(self, generation: int) -> None:
        self._silent = generation
        if self._gives_way and self._notes.counts:
            now = time.perf_counter()
            self._notes.silenced.append(now - self._decided)
            self._notes.yielded.append(now - self._due(self._at))
            spoken = self._onset()
            if spoken > self._sounds:
                self._notes.onsets.append(now - spoken)
        self._gives_way = False

    def _due(self, position: int) -> float:
        """When the chunk with the last sample before `position` was due."""
        return self.start + (max(0, position - 1) // FRAME_SAMPLES) * FRAME

    def _onset(self) -> float:
        """When the user last began to speak before the decision; a chunk is due as its last sample is spoken."""
        length = len(self._line.sound) // (2 * FRAME_SAMPLES) * FRAME_SAMPLES
        at = (self._begins + self._at) % length
        before = bisect_right(self._line.onsets, at)
        onset = self._line.onsets[before - 1] - (0 if before else length) if self._line.onsets else -length
        return self.start - FRAME + (self._at - (at - onset)) / RATE
