"""The tick: every 10 ms it scores the windows of all sessions in batches, and has each session send what is due."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from duologue.agent.faults import is_fault
from duologue.clock import Clock
from duologue.engine.accounting import Lateness
from duologue.engine.config import EngineConfig
from duologue.errors import ProviderError, with_cause
from duologue.vad import VoiceActivityDetector

__all__ = ["IDLE_TICKS", "REPAIR_EVERY_S", "TickCounters", "TickLoop", "Ticked"]

log: Final = logging.getLogger(__name__)

REPAIR_EVERY_S = 1.0
"""Seconds between two checks for threads that have died."""
IDLE_TICKS = 5
"""A session that has nothing to send is ticked once in this many ticks."""


class Ticked(Protocol):
    """What the tick needs of a session."""

    vad_row: int
    has_pending_audio: bool
    """A whole window may wait, or audio is missing before the next one: `window_ready` has to be called."""

    @property
    def sounding(self) -> bool:
        """True while it has speech to send, and so needs each tick."""
        ...

    def window_ready(self) -> bool:
        """Note audio that is missing before the next window; True if a whole window waits to be scored."""
        ...

    def read_window(self, out: NDArray[np.int16]) -> None:
        """Copy the next window into `out` and advance past it."""
        ...

    def window_scored(self, probability: float) -> None:
        """Take the score of the window that was read last."""
        ...

    def tick(self, now: float) -> None:
        """Send what is due, and note what is missing. Each tick while it is sounding, else every fifth."""
        ...

    def broken(self, error: Exception) -> None:
        """End the call and report why: the engine has removed the session. Never raises."""
        ...


@dataclass(slots=True)
class TickCounters:
    """What the tick did, as plain numbers."""

    ticks: int = 0
    windows: int = 0
    chunks: int = 0
    """Chunks of input that sessions took."""
    dropped_samples: int = 0
    """Samples of input that were dropped because they waited too long."""
    late: int = 0
    """Ticks that began more than one tick late."""
    starved_frames: int = 0
    """Frames of 20 ms in which speech was due and none was ready."""
    late_frames: int = 0
    """Frames that were ready, and were sent 20 ms or more after they were to sound."""
    recognition_faults: int = 0
    """Faults of recognizers that stream: streams that broke or stalled, and events that they must not send."""
    response_faults: int = 0
    """Violations of its protocol by a voice or a responder that did not end its reply."""
    vad_faults: int = 0
    """Calls that ended because the voice activity detector gave a value that is not a probability."""
    worst_late: float = 0.0
    """Seconds."""


class TickLoop:
    """Serves all sessions of an engine. A session that fails is removed; the others are not affected."""

    def __init__(self, vad: VoiceActivityDetector, config: EngineConfig, clock: Clock) -> None:
        self.counters: TickCounters = TickCounters()
        self.sessions: dict[Ticked, None] = {}
        """In insertion order: a dict, because a set has no order and removal from a list is slow."""
        self._vad = vad
        self._config = config
        self._clock = clock
        self._lateness = Lateness()
        self._windows = np.zeros((config.batch, vad.window), np.int16)

    @property
    def lateness(self) -> float:
        """Seconds by which ticks begin late, a recent average."""
        return self._lateness.at(time.monotonic())

    def add(self, session: Ticked) -> None:
        """Serve a session from now on."""
        session.vad_row = self._vad.open()
        self.sessions[session] = None

    def remove(self, session: Ticked) -> None:
        """Serve it no longer, if it was served."""
        if session in self.sessions:
            del self.sessions[session]
            self._vad.close(session.vad_row)

    async def run(self, repair: Callable[[], None]) -> None:
        """Tick by the machine's clock until cancelled; call `repair` once a second.

        A tick that begins late moves those after it: making up for several at once would delay the loop further.
        """
        period = self._config.tick
        due = repair_at = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= repair_at:
                repair_at = now + REPAIR_EVERY_S
                repair()
            late = now - due
            self._lateness.note(max(0.0, late), now)
            self.counters.worst_late = max(self.counters.worst_late, late)
            if late > period:
                self.counters.late += 1
                due += late
            for _ in self.steps():
                await asyncio.sleep(0)
            due += period
            await asyncio.sleep(due - time.monotonic())

    def steps(self) -> Iterator[None]:
        """Tick once, in steps of one batch, between which the loop may run: a tick of 500 sessions takes 7 ms.

        First, each session that has audio gets its next window scored, and again until `catch_up` windows each, so
        that all sessions share a batch and none has a second turn before all have had their first. Then sessions
        that play are ticked, and a fifth of the others: a silent call costs a fifth of a speaking one.
        """
        self.counters.ticks += 1
        size = self._config.batch
        for _ in range(self._config.catch_up):
            pending = [s for s in self.sessions if s.has_pending_audio]
            if not pending:
                break
            for i in range(0, len(pending), size):
                self._score(pending[i : i + size])
                if len(pending) > size:
                    yield
        now = self._clock.now()
        turn = self.counters.ticks % IDLE_TICKS
        wanted = [s for n, s in enumerate(self.sessions) if s.sounding or n % IDLE_TICKS == turn]
        for session in wanted:
            if session not in self.sessions:
                continue  # one that was ticked before has ended it
            try:
                session.tick(now)
            except Exception as error:
                self.end(session, error)

    def end(self, session: Ticked, error: Exception) -> None:
        """Remove a session that failed."""
        log.error("A session broke off.", exc_info=error)
        self.remove(session)
        session.broken(error)

    def _score(self, sessions: list[Ticked]) -> None:
        """Score the next window of each session that has one, in one call."""
        batch: list[Ticked] = []
        for session in sessions:
            if self._read(session, self._windows[len(batch)]):
                batch.append(session)
        if not batch:
            return
        windows = self._windows[: len(batch)]
        rows = np.fromiter((s.vad_row for s in batch), np.intp, len(batch))
        try:
            scores = self._vad.score(rows, windows).tolist()
            scored = list(zip(batch, scores, strict=True))
        except BaseException as error:  # SystemExit, too: it would end the loop, and with it all other calls
            if not is_fault(error):
                raise
            failure = error if isinstance(error, Exception) else _detector_failed(self._vad.name, error)
            for session in batch:
                self.end(session, failure)
            return
        self.counters.windows += len(batch)
        for session, probability in scored:
            try:
                if not 0.0 <= probability <= 1.0:  # NaN, too, which no threshold notices: the call would be deaf
                    self.counters.vad_faults += 1
                    raise _no_probability(self._vad.name, probability)
                session.window_scored(probability)
            except Exception as error:
                self.end(session, error)

    def _read(self, session: Ticked, out: NDArray[np.int16]) -> bool:
        """Copy its next window to `out`; False if it has none, or was removed meanwhile and has no row any more."""
        if session not in self.sessions:
            return False
        try:
            if ready := session.window_ready():
                session.read_window(out)
            return ready
        except Exception as error:
            self.end(session, error)
            return False


def _no_probability(name: str, found: float) -> ProviderError:
    return ProviderError(
        f"{name} gave {found:g} as the probability of speech, and must give 0 to 1.",
        hint="Choose another detector, or correct this one.",
        provider=name,
    )


def _detector_failed(name: str, cause: BaseException) -> ProviderError:
    return with_cause(ProviderError(f"{name} failed: {type(cause).__name__}.", provider=name), cause)
