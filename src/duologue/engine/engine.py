"""The engine: one tick for all sessions, one set of models and workers, one door."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from duologue.clock import Clock, VirtualClock, WallClock
from duologue.engine.admission import Admission, Door, Load
from duologue.engine.faces import ModelTextToSpeech
from duologue.engine.latency import Latencies
from duologue.engine.ledger import Strain
from duologue.engine.phrases import PhraseCache
from duologue.engine.recognizers import ModelSpeechToText, Recognizer, ServiceSpeechToText, declared
from duologue.engine.watchdog import LoopStalls, LoopWatchdog
from duologue.engine.workers import Workers
from duologue.errors import ConfigError, InvalidStateError, OverloadedError
from duologue.stt import SpeechToText, SttModel
from duologue.tts import TextToSpeech, TtsModel
from duologue.tts.clauses import clauses_of
from duologue.turn import TurnModel, WordsPolicy
from duologue.vad import VoiceActivityDetector

__all__ = ["Engine", "EngineConfig", "Ticked"]

log = logging.getLogger(__name__)

WARMING_PATIENCE = 10.0
"""Seconds that a phrase may take which nobody has asked for yet."""
MEND_EVERY = 1.0
"""Seconds between two looks for threads that have died."""
KEEPING = 5
"""Ticks between two looks at a session that has nothing to send."""


class Ticked(Protocol):
    """What the tick needs of a session."""

    vad_row: int
    stirring: bool
    """A whole window may wait, or something is missing before the next: it is to be asked by `window_ready`."""

    @property
    def sounding(self) -> bool:
        """True while it has speech to send, and so wants each tick."""
        ...

    def window_ready(self) -> bool:
        """Note what is missing before the next window; True where a whole one waits to be scored."""
        ...

    def read_window(self, out: NDArray[np.int16]) -> None:
        """Copy the next window into `out` and go past it."""
        ...

    def window_scored(self, probability: float) -> None:
        """The score of the window that was read last."""
        ...

    def tick(self, now: float) -> None:
        """Send what is due, and note what is missing. Each tick while it is sounding, else every fifth."""
        ...

    def broken(self, error: Exception) -> None:
        """The session cannot go on, and has been let go: tell why, and end the call. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How much the engine may carry."""

    max_sessions: int = 200
    """Sessions at once; one more is refused with `overloaded`."""
    workers: int = 2
    """Threads for models, besides the one that is kept for first clauses."""
    max_waiting: int = 4096
    """Pieces of work that may wait for models."""
    tick: float = 0.01
    """Seconds between looks at all sessions."""
    batch: int = 64
    """Windows scored in one call at most."""
    catch_up: int = 2
    """Windows scored for one session in one tick at most, so that a client in a hurry takes no more than its share."""
    admission: Admission = field(default_factory=Admission)
    """Beyond which measurements a new session is refused, though there are fewer than `max_sessions`."""
    cache_max_bytes: int = 33_554_432
    """Speech of models that is kept to be said again; 0 keeps none."""
    stall_warning: float = 0.5
    """Seconds for which the event loop may be held up before the log says by whom; 0 says nothing."""
    switch_interval: float = 0.0005
    """`sys.setswitchinterval` while the engine runs: how long a worker may keep the loop from the interpreter."""

    def __post_init__(self) -> None:
        for name in ("max_sessions", "workers", "max_waiting", "batch", "catch_up"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, and must be at least 1.")
        if self.stall_warning < 0:
            raise ConfigError(f"stall_warning is {self.stall_warning} s, and must be 0 s or more.")
        for name in ("tick", "switch_interval"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)} s, and must be more than 0 s and less than 1 s.")


@dataclass(slots=True)
class TickCounters:
    """What the tick did, as plain numbers."""

    ticks: int = 0
    windows: int = 0
    late: int = 0
    """Ticks that began more than one tick late."""
    starved_frames: int = 0
    """Frames of 20 ms in which speech was owed and none was ready."""
    late_frames: int = 0
    """Frames that were ready, and were sent 20 ms or more after they were to sound."""
    response_faults: int = 0
    """Things that a voice or a responder must not do, and that did not end its reply."""
    worst_late: float = 0.0
    """Seconds."""


class Engine:
    """What the sessions of one process share. Use it as `async with Engine(...) as engine:`.

    `vad` and `turn_model` are constructed by the caller; models handed to `stt()` and `tts()` get the face of a
    service. With `paced=False` nothing ticks by itself: `step()` does, in audio time. A session that breaks in its tick
    is ended, and no other is disturbed; sessions that still live when the engine is left are ended too.
    """

    def __init__(
        self,
        *,
        vad: VoiceActivityDetector,
        words: WordsPolicy,
        turn_model: TurnModel | None = None,
        config: EngineConfig | None = None,
        clock: Clock | None = None,
        paced: bool = True,
    ) -> None:
        self.config = config or EngineConfig()
        self.vad = vad
        self.words = words
        self.turn_model = turn_model
        self.clock = clock or WallClock()
        self.paced = paced
        self.counters = TickCounters()
        self.phrases = PhraseCache(self.config.cache_max_bytes)
        self.latencies = Latencies()
        self.door = Door(self.config.admission)
        self._lag = Strain()
        self._sessions: dict[Ticked, None] = {}
        self._workers: Workers | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._watchdog: LoopWatchdog | None = None
        self._windows = np.zeros((self.config.batch, vad.window), np.int16)
        self._old_interval = sys.getswitchinterval()

    async def __aenter__(self) -> Self:
        if self._workers is not None:
            raise InvalidStateError("The engine has been started before.", hint="Make a new Engine.")
        loop = asyncio.get_running_loop()
        self._workers = Workers(loop, general=self.config.workers, max_waiting=self.config.max_waiting)
        self._old_interval = sys.getswitchinterval()
        sys.setswitchinterval(self.config.switch_interval)
        # More BLAS threads than one spin on cores that other work needs.
        self._blas = threadpoolctl.threadpool_limits(1, user_api="blas")
        if self.paced:
            gc.freeze()  # looking through the models' objects for rings would stop all calls for 0.1 s
            self._ticking = asyncio.create_task(self._run(), name="duologue-tick")
            if self.config.stall_warning:
                self._watchdog = LoopWatchdog(loop, limit=self.config.stall_warning, session_of=self._name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watchdog is not None:
            self._watchdog.close()
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
            gc.unfreeze()
        for session in list(self._sessions):
            self._break(
                session, InvalidStateError("The engine was left while the session lived.", hint="Close it first.")
            )
        await asyncio.to_thread(self.workers.close)
        self._blas.restore_original_limits()
        sys.setswitchinterval(self._old_interval)

    @property
    def workers(self) -> Workers:
        """The worker threads; InvalidStateError before the engine is started."""
        if self._workers is None:
            raise InvalidStateError("The engine has not been started.", hint="Use `async with Engine(...) as engine:`.")
        return self._workers

    @property
    def stalls(self) -> LoopStalls:
        """How often the event loop was held up."""
        return LoopStalls() if self._watchdog is None else self._watchdog.stalls

    def _name(self, thing: object) -> str | None:
        """The id of a session that is live; None for anything else. Called from the thread of the watchdog."""
        if isinstance(thing, Hashable) and thing in self._sessions:
            return str(getattr(thing, "id", "without a name"))
        return None

    @property
    def load(self) -> Load:
        """What is measured now."""
        workers = self._workers
        return Load(
            sessions=len(self._sessions),
            max_sessions=self.config.max_sessions,
            tick_lag=self._lag.at(time.monotonic()),
            lateness=workers.strain if workers else 0.0,
            backlog=workers.backlog if workers else 0.0,
        )

    @property
    def active(self) -> int:
        """Sessions that are live."""
        return len(self._sessions)

    def stt(self, provider: SpeechToText | SttModel) -> Recognizer:
        """The recognizer as sessions use it, for a model or a service.

        Raises ConfigError for a service whose capabilities make no sense.
        """
        if isinstance(provider, SttModel):
            return ModelSpeechToText(self, provider)
        return ServiceSpeechToText(provider, self.latencies.of(provider.name, declared(provider).typical_latency))

    def tts(self, provider: TextToSpeech | TtsModel) -> TextToSpeech:
        """`provider` itself, or the face of a service for a model."""
        return ModelTextToSpeech(self, provider) if isinstance(provider, TtsModel) else provider

    async def warm(self, tts: TextToSpeech, phrases: Iterable[str]) -> None:
        """Have `phrases` spoken ahead, when nothing more pressing is to be done, so that they come from the cache.

        Does nothing for a service that no model is behind, and where the cache is off.
        """
        if not isinstance(tts, ModelTextToSpeech) or not self.config.cache_max_bytes:
            return
        for phrase in phrases:
            for clause in clauses_of(phrase):
                await tts.synthesize(clause, deadline=time.monotonic() + WARMING_PATIENCE)

    def admit(self) -> None:
        """Raise OverloadedError where one more session would be one too many, by what is measured now."""
        if self._workers is not None and not self._workers.is_whole:
            raise OverloadedError(
                "A thread that runs models died, and is being replaced.", retry_after=MEND_EVERY, reason="threads"
            )
        self.door.check(self.load)

    def attach(self, session: Ticked) -> None:
        """Let a session in, and give it a row in the VAD."""
        self.admit()
        session.vad_row = self.vad.open()
        self._sessions[session] = None

    def detach(self, session: Ticked) -> None:
        """Let a session go."""
        if session in self._sessions:
            del self._sessions[session]
            self.vad.close(session.vad_row)

    async def _run(self) -> None:
        period = self.config.tick
        due = mend_at = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= mend_at:
                mend_at = now + MEND_EVERY
                self.workers.mend()
            late = now - due
            self._lag.note(max(0.0, late), now)
            self.counters.worst_late = max(self.counters.worst_late, late)
            if late > period:
                self.counters.late += 1
                due += late
            for _ in self._look():
                await asyncio.sleep(0)
            due += period
            await asyncio.sleep(due - time.monotonic())

    def step(self) -> None:
        """Look at all sessions once: score what is whole, send what is due."""
        for _ in self._look():
            pass

    def advance(self, seconds: float) -> None:
        """Move a virtual clock on and tick once, for an engine that is not paced."""
        if isinstance(self.clock, VirtualClock):
            self.clock.advance(seconds)
        self.step()

    def _look(self) -> Iterator[None]:
        """`step` in pieces of one batch, between which the loop may hear others: a look at 500 sessions takes 7 ms."""
        self.counters.ticks += 1
        size = self.config.batch
        for _ in range(self.config.catch_up):
            stirring = [s for s in self._sessions if s.stirring]
            if not stirring:
                break
            for i in range(0, len(stirring), size):
                self._score(stirring[i : i + size])
                if len(stirring) > size:
                    yield
        now = self.clock.now()
        turn = self.counters.ticks % KEEPING
        wanted = [s for n, s in enumerate(self._sessions) if s.sounding or n % KEEPING == turn]
        for session in wanted:
            if session not in self._sessions:
                continue  # one that was ticked before has ended it
            try:
                session.tick(now)
            except Exception as error:
                self._break(session, error)

    def _read(self, session: Ticked, out: NDArray[np.int16]) -> bool:
        """Copy its next window to `out`; False where it has none, or was let go meanwhile and has no row any more."""
        if session not in self._sessions:
            return False
        try:
            if ready := session.window_ready():
                session.read_window(out)
            return ready
        except Exception as error:
            self._break(session, error)
            return False

    def _break(self, session: Ticked, error: Exception) -> None:
        log.error("A session broke off.", exc_info=error)
        self.detach(session)
        session.broken(error)

    def _score(self, sessions: list[Ticked]) -> None:
        """Score the next window of each that has one, in one call."""
        batch: list[Ticked] = []
        for session in sessions:
            if self._read(session, self._windows[len(batch)]):
                batch.append(session)
        if not batch:
            return
        windows = self._windows[: len(batch)]
        rows = np.fromiter((s.vad_row for s in batch), np.intp, len(batch))
        try:
            scores = self.vad.score(rows, windows).tolist()
            scored = list(zip(batch, scores, strict=True))
        except Exception as error:
            for session in batch:
                self._break(session, error)
            return
        self.counters.windows += len(batch)
        for session, p in scored:
            try:
                session.window_scored(p)
            except Exception as error:
                self._break(session, error)
