"""Many sessions in one process, in real time, with a real detector and instant providers: what they cost, and whether
the process keeps up with them.
"""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from duologue.audio.format import FRAME, FRAME_SAMPLES
from duologue.conversation.config import ConversationConfig
from duologue.engine import Admission, Engine, EngineConfig
from duologue.errors import ConfigError
from duologue.resilience import resilient_stt, resilient_tts
from duologue.session import SessionConfig, VoiceSession
from duologue.stt import SpeechToText
from duologue.telemetry import TelemetryConfig
from duologue.telemetry.hub import Telemetry
from duologue.testing.fakes import FakeSpeechToText
from duologue.tts import TextToSpeech
from duologue.turn.silence import Silence
from duologue.vad import VoiceActivityDetector
from duologue_bench.calls import CallWatch, Notes
from duologue_bench.figures import SessionsRun, Spread
from duologue_bench.instant import InstantAgent, InstantTextToSpeech
from duologue_bench.load import Line
from duologue_bench.memory import private_bytes, threads

__all__ = ["Work", "chunks_of", "measure", "open_session", "run_sessions"]

MAX_SESSIONS: Final = 4000
MAX_SECONDS: Final = 600.0
FIRST: Final = 8.0
"""Seconds that a session before the others hears, so that what the first one allocates is nobody's share."""
HOPELESS_S: Final = 3.0
"""A run ends early where a chunk is so late: it would only become later."""
WORDS: Final = "a table for two at eight please"
"""What each caller is understood to say."""
LOOK_EVERY: Final = 25
"""Chunks between two counts of the tasks."""


@dataclass(frozen=True, slots=True)
class Work:
    """What each session hears and what it answers."""

    line: Line
    """At least a second, played in a loop; each session begins elsewhere in it."""
    answer_s: float = 1.0
    """Seconds of speech in each sentence of an answer; 0: nothing is answered."""
    long_every: int = 4
    """Each so-manyth answer goes on until the user interrupts it; 0: none does."""


def chunks_of(sound: bytes) -> list[bytes]:
    """`sound` as chunks of 20 ms. Raises ConfigError for less than a second."""
    size = 2 * FRAME_SAMPLES
    chunks = [sound[at : at + size] for at in range(0, len(sound) - size + 1, size)]
    if len(chunks) < 1 / FRAME:
        raise ConfigError(f"The sound is {len(chunks) * FRAME:.2f} s long, and must be at least 1 s.")
    return chunks


def open_session(
    engine: Engine, work: Work, voice: TextToSpeech, watch: CallWatch, stt: SpeechToText | None = None
) -> VoiceSession:
    """A session that understands, answers and speaks at once; start it and feed it."""
    session = VoiceSession(
        engine=engine,
        stt=stt or FakeSpeechToText(WORDS),
        tts=voice,
        agent=InstantAgent(long_every=work.long_every, silent=not work.answer_s),
        config=SessionConfig(echo="none", rules=ConversationConfig(partial_every=0.0)),
        sink=watch,
    )
    session.watch(watch.event, watch.ended)
    return session


async def measure(
    vad: VoiceActivityDetector,
    work: Work,
    *,
    sessions: int = 250,
    seconds: float = 10.0,
    warm: float = 2.0,
    telemetry: TelemetryConfig | None = None,
    resilient: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> SessionsRun:
    """Hold `sessions` conversations at once for `warm` and then `seconds`, and count what the latter cost.

    Chunks are spread over the 20 ms as those of callers are. `telemetry` is what is counted and exported. With
    `resilient`, the recognizer and the voice are lists of two, with all that comes with a list. `on_progress`
    gets the seconds that have passed. Raises ConfigError for sound shorter than a second and for sizes out of range.
    """
    voice: TextToSpeech = InstantTextToSpeech(work.answer_s)
    stt: SpeechToText | None = None
    if resilient:
        voice = resilient_tts([voice, InstantTextToSpeech(work.answer_s)])
        stt = resilient_stt([FakeSpeechToText(WORDS), FakeSpeechToText(WORDS)])
    notes = Notes()
    return await run_sessions(
        vad,
        work,
        notes,
        lambda begins: CallWatch(notes, work.line, begins),
        lambda engine, watch: open_session(engine, work, voice, watch, stt),
        sessions=sessions,
        seconds=seconds,
        warm=warm,
        telemetry=telemetry,
        on_progress=on_progress,
    )


async def run_sessions(
    vad: VoiceActivityDetector,
    work: Work,
    notes: Notes,
    watch: Callable[[int], CallWatch],
    open_call: Callable[[Engine, CallWatch], VoiceSession],
    *,
    sessions: int,
    seconds: float,
    warm: float,
    telemetry: TelemetryConfig | None = None,
    on_progress: Callable[[float], None] | None = None,
    on_begin: Callable[[], None] | None = None,
    on_end: Callable[[], None] | None = None,
) -> SessionsRun:
    """`measure` with sessions of any kind.

    Args:
        vad: Detects speech.
        work: What each session hears.
        notes: Where what counts is noted.
        watch: Makes what watches a session, of the sample of the line with which it begins.
        open_call: Makes the session that it watches.
        sessions: How many.
        seconds: Of audio, for each.
        warm: Seconds before them.
        telemetry: What is counted and exported.
        on_progress: Told the seconds that are over.
        on_begin: Called when the seconds that count begin...
        on_end: ...and when they end.
    """
    if not (1 <= sessions <= MAX_SESSIONS and FRAME <= seconds <= MAX_SECONDS and 0 <= warm <= MAX_SECONDS):
        raise ConfigError(
            f"{sessions} sessions for {seconds:g} s after {warm:g} s were asked for; "
            f"there may be 1 to {MAX_SESSIONS}, for {FRAME:g} to {MAX_SECONDS:g} s."
        )
    chunks = chunks_of(work.line.sound)
    # What would be refused elsewhere is let in here: the limit is what is looked for.
    door = Admission(max_tick_lag=math.inf, max_lateness=math.inf, max_backlog=math.inf)
    config = EngineConfig(max_sessions=sessions + 1, admission=door)
    async with (
        Telemetry(telemetry) as exported,
        Engine(vad=vad, words=Silence(), config=config, telemetry=exported) as engine,
    ):
        run = _Run(engine, chunks, notes, watch, open_call, sessions, round(seconds / FRAME), round(warm / FRAME))
        run.on_begin, run.on_end = on_begin, on_end
        try:
            await run.create()
            await run.feed(on_progress)
            await asyncio.sleep(2 * engine.config.tick)
            return run.result()
        finally:
            for session in run.live:
                await session.hang_up()


class _Run:
    """One measurement, step by step."""

    def __init__(
        self,
        engine: Engine,
        chunks: list[bytes],
        notes: Notes,
        watch: Callable[[int], CallWatch],
        open_call: Callable[[Engine, CallWatch], VoiceSession],
        sessions: int,
        rounds: int,
        warm: int,
    ) -> None:
        self.live: list[VoiceSession] = []
        self.on_begin: Callable[[], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self._engine = engine
        self._chunks = chunks
        self._notes = notes
        self._watch = watch
        self._open = open_call
        self._sessions = sessions
        self._rounds = rounds
        self._warm = warm
        self._first = [n * len(chunks) // sessions for n in range(sessions)]
        """The chunk with which each session begins."""
        self._watches: list[CallWatch] = []
        self._created: list[float] = []
        # Filled now, so that its pages are not counted as memory of the sessions.
        self._late = np.full((rounds, sessions), math.nan, np.float32)
        self._base = self._idle = 0
        self._threads_before = 0
        self._tasks_before = self._tasks = self._most_tasks = 0
        self._windows = 0
        self._cut_short = False
        self._cpu = self._wall = 0.0

    async def create(self) -> None:
        """Start all sessions, one by one."""
        session = await self._open(self._engine, self._watch(0)).__aenter__()
        await session.feed(b"".join(self._chunks[: int(FIRST / FRAME)]))
        await session.hang_up()  # `close` would wait for a long answer to end
        gc.collect()
        self._threads_before, self._tasks_before = threads(), len(asyncio.all_tasks())
        self._base = private_bytes()
        for first in self._first:
            watch = self._watch(first * FRAME_SAMPLES)
            began = time.perf_counter()
            session = self._open(self._engine, watch)
            await session.__aenter__()
            self._created.append(time.perf_counter() - began)
            self.live.append(session)
            self._watches.append(watch)
            await asyncio.sleep(0)
        self._idle = private_bytes() - self._base
        self._tasks = self._most_tasks = len(asyncio.all_tasks()) - self._tasks_before

    async def feed(self, on_progress: Callable[[float], None] | None) -> None:
        """Hand in all chunks as they are due: those of the warm-up, then those that count."""
        chunks, sessions, first, late = self._chunks, self._sessions, self._first, self._late
        self._windows = self._engine.counters.windows
        clock = time.perf_counter
        began = clock()
        for n, watch in enumerate(self._watches):
            watch.start = began + n / sessions * FRAME
        cpu, wall = time.process_time(), began
        if self.on_begin is not None:
            self.on_begin()
        for at in range(self._warm + self._rounds):
            if at == self._warm:
                cpu, wall = time.process_time(), clock()
                self._notes.counts = True
                if self.on_begin is not None:
                    self.on_begin()
            row = late[max(0, at - self._warm)]  # those of the warm-up are written over
            for n, session in enumerate(self.live):
                due = began + (at + n / sessions) * FRAME
                if (wait := due - clock()) > 0:
                    await asyncio.sleep(wait)
                session.process_audio(chunks[(first[n] + at) % len(chunks)])
                row[n] = clock() - due
            if row[-1] > HOPELESS_S:
                self._rounds, self._cut_short = max(1, at + 1 - self._warm), True
                self._warm = at + 1 - self._rounds
                break
            await asyncio.sleep(0)  # where all is late, the tick still has its turn
            if at % LOOK_EVERY == 0:
                self._most_tasks = max(self._most_tasks, len(asyncio.all_tasks()) - self._tasks_before)
                if on_progress is not None:
                    on_progress((at + 1) * FRAME)
        self._cpu, self._wall = time.process_time() - cpu, clock() - wall
        self._notes.counts = False
        if self.on_end is not None:
            self.on_end()

    def result(self) -> SessionsRun:
        """What it came to; the sessions still live."""
        notes, sessions, engine = self._notes, self._sessions, self._engine
        owed = sessions * ((self._warm + self._rounds) * FRAME_SAMPLES // engine.vad.window)
        gc.collect()
        used = private_bytes() - self._base
        return SessionsRun(
            sessions=sessions,
            seconds=self._rounds * FRAME,
            cut_short=self._cut_short,
            chunks=self._rounds * sessions,
            cpu_s=self._cpu,
            wall_s=self._wall,
            lateness=Spread.of(self._late[: self._rounds].ravel()),
            scored=(engine.counters.windows - self._windows) / owed if owed else 1.0,
            dropped_samples=sum(session.dropped for session in self.live),
            starved_frames=sum(session.starved for session in self.live),
            errors=notes.errors,
            turns=len(notes.decided),
            decided=Spread.of(notes.decided),
            processing=Spread.of(notes.processing),
            answered=Spread.of(notes.answered),
            interrupted=notes.interrupted,
            silenced=Spread.of(notes.silenced),
            yielded=Spread.of(notes.yielded),
            onsets=Spread.of(notes.onsets),
            frames_after=notes.frames_after,
            created=Spread.of(self._created),
            idle_bytes=self._idle / sessions,
            used_bytes=used / sessions,
            tasks=self._tasks / sessions,
            most_tasks=self._most_tasks / sessions,
            threads=threads(),
            threads_before=self._threads_before,
        )
