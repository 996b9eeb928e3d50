"""What a chunk of audio costs one session, flat out: pushed as fast as the session takes it, with no pace to keep."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from duologue.clock import VirtualClock
from duologue.engine import Engine
from duologue.errors import ConfigError
from duologue.recording.replayer import Replayer
from duologue.turn.silence import Silence
from duologue.vad import VoiceActivityDetector
from duologue_bench.calls import CallWatch, Notes
from duologue_bench.instant import InstantTextToSpeech
from duologue_bench.load import Line
from duologue_bench.sessions import Work, chunks_of, open_session

__all__ = ["FlatOut", "flat_out"]

WARM = 200
"""Chunks before those that count."""
MAX_CHUNKS = 10_000_000


@dataclass(frozen=True, slots=True)
class FlatOut:
    """What a run came to."""

    chunks: int
    cpu_s: float
    wall_s: float
    turns: int
    """Turns that were decided meanwhile."""

    @property
    def cpu_per_chunk_s(self) -> float:
        """CPU seconds for each chunk of 20 ms."""
        return self.cpu_s / self.chunks

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "chunks": self.chunks,
            "cpu_us_per_chunk": round(self.cpu_per_chunk_s * 1e6, 2),
            "chunks_per_s": round(self.chunks / self.wall_s, 1),
            "cpu_s": round(self.cpu_s, 3),
            "wall_s": round(self.wall_s, 3),
            "turns": self.turns,
        }


async def flat_out(vad: VoiceActivityDetector, line: Line, *, chunks: int = 15_000) -> FlatOut:
    """Push `chunks` chunks of `line`, played in a loop, through one session: tick, detector, rules, words and all.

    Time is that of the audio, so every timer of a conversation runs as it does in a call. Nothing is answered. Raises
    ConfigError for sound shorter than a second and for sizes out of range.
    """
    if not 1 <= chunks <= MAX_CHUNKS:
        raise ConfigError(f"{chunks} chunks were asked for; there may be 1 to {MAX_CHUNKS}.")
    frames = chunks_of(line.sound)
    notes, work = Notes(counts=True), Work(line, answer_s=0.0)
    async with (
        Engine(vad=vad, words=Silence(), clock=VirtualClock(), paced=False) as engine,
        open_session(engine, work, InstantTextToSpeech(0.0), CallWatch(notes, line)) as session,
    ):
        replayer = Replayer(session)
        for pushed in range(WARM + chunks):
            if pushed == WARM:
                cpu, wall = time.process_time(), time.perf_counter()
                notes.decided.clear()
            await replayer.send(frames[pushed % len(frames)])
        return FlatOut(chunks, time.process_time() - cpu, time.perf_counter() - wall, len(notes.decided))
