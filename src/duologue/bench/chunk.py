"""What a chunk of audio costs: many sessions in one process, in real time, with a real detector and instant fakes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from duologue.bench.estimate import quantile
from duologue.conversation.config import RATE, ConversationConfig
from duologue.engine import Engine, EngineConfig
from duologue.errors import ConfigError
from duologue.session import SessionConfig, VoiceSession
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText, FakeTextToSpeech
from duologue.testing.sinks import Recorder
from duologue.turn.silence import Silence
from duologue.vad import VoiceActivityDetector

__all__ = ["CHUNK_S", "ChunkCost", "measure"]

CHUNK_S: Final = 0.02
MAX_SESSIONS = 4000
MAX_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class ChunkCost:
    """What a run came to."""

    sessions: int
    seconds: float
    """Of audio, for each session; as much wall time was planned."""
    chunks: int
    cpu_s: float
    """CPU of the whole process, with its threads, from the first chunk to the last."""
    wall_s: float
    lateness_p50_s: float
    """From the moment at which a chunk was to be handed in to the moment at which the session had taken it."""
    lateness_p99_s: float
    scored: float
    """Share of the windows that were handed in whole and scored by the detector when the last chunk had come."""
    dropped_samples: int
    """Input that waited too long and was dropped."""
    turns: int
    """Turns that were decided; zero where the sound holds no speech."""

    @property
    def cpu_per_chunk_s(self) -> float:
        """CPU seconds for each chunk of 20 ms, the caller's own loop that hands it in included."""
        return self.cpu_s / self.chunks

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "sessions": self.sessions,
            "seconds": self.seconds,
            "chunks": self.chunks,
            "cpu_us_per_chunk": round(self.cpu_per_chunk_s * 1e6, 2),
            "cpu_s": round(self.cpu_s, 3),
            "wall_s": round(self.wall_s, 3),
            "lateness_p50_ms": round(self.lateness_p50_s * 1000, 3),
            "lateness_p99_ms": round(self.lateness_p99_s * 1000, 3),
            "windows_scored": round(self.scored, 4),
            "dropped_samples": self.dropped_samples,
            "turns": self.turns,
        }


async def measure(
    vad: VoiceActivityDetector,
    sound: bytes,
    *,
    sessions: int = 250,
    seconds: float = 10.0,
    on_progress: Callable[[float], None] | None = None,
) -> ChunkCost:
    """Hand `sound`, 16 kHz mono PCM16, to `sessions` sessions for `seconds`, and count what it costs.

    It is played in a loop, and each session begins elsewhere in it. Chunks are spread over the 20 ms as those of
    callers are. Words, turn and speech come from instant fakes; nothing is answered audibly. `on_progress` is told the
    seconds of audio that were handed in. Raises ConfigError for sound shorter than a second and for sizes out of range.
    """
    frame = int(CHUNK_S * RATE) * 2
    if not (1 <= sessions <= MAX_SESSIONS and CHUNK_S <= seconds <= MAX_SECONDS):
        raise ConfigError(
            f"{sessions} sessions for {seconds:g} s were asked for; "
            f"there may be 1 to {MAX_SESSIONS}, for {CHUNK_S:g} to {MAX_SECONDS:g} s."
        )
    frames = [sound[at : at + frame] for at in range(0, len(sound) - frame + 1, frame)]
    if len(frames) < 1 / CHUNK_S:
        raise ConfigError(f"The sound is {len(sound) / 2 / RATE:.2f} s long, and must be at least 1 s.")
    rounds = round(seconds / CHUNK_S)
    late = np.zeros((rounds, sessions), np.float32)
    first = [n * len(frames) // sessions for n in range(sessions)]
    async with Engine(vad=vad, words=Silence(), config=EngineConfig(max_sessions=sessions)) as engine:
        live = [_session(engine) for _ in range(sessions)]
        try:
            for session in live:
                await session.__aenter__()
            before, windows = time.process_time(), engine.counters.windows
            began = time.monotonic()
            for done in range(rounds):
                for n, session in enumerate(live):
                    due = began + (done + n / sessions) * CHUNK_S
                    if (wait := due - time.monotonic()) > 0:
                        await asyncio.sleep(wait)
                    session.process_audio(frames[(first[n] + done) % len(frames)])
                    late[done, n] = time.monotonic() - due
                await asyncio.sleep(0)  # where all is late, the tick still has its turn
                if on_progress is not None:
                    on_progress((done + 1) * CHUNK_S)
            wall, cpu = time.monotonic() - began, time.process_time() - before
            await asyncio.sleep(2 * engine.config.tick)
            scored = engine.counters.windows - windows
            owed = sessions * (rounds * frame // 2 // vad.window)
            dropped = sum(session.dropped for session in live)
            turns = sum(len(session.record.turns) for session in live)
        finally:
            for session in live:
                await session.close()
    p50, p99 = (quantile(late.ravel(), q) for q in (0.5, 0.99))
    return ChunkCost(sessions, seconds, rounds * sessions, cpu, wall, p50, p99, scored / owed, dropped, turns)


def _session(engine: Engine) -> VoiceSession:
    """A session whose words and speech are instant, and whose agent says nothing."""
    return VoiceSession(
        engine=engine,
        stt=FakeSpeechToText("yes"),
        tts=FakeTextToSpeech(),
        agent=ScriptedAgent([]),
        config=SessionConfig(echo="none", rules=ConversationConfig(partial_every=0.0)),
        sink=Recorder(24_000, engine.clock),
    )
