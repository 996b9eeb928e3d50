"""The one clock of all callers: 20 ms of sound from each, spread over the 20 ms, and how late it was itself."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any, Final, Protocol

from duologue.audio.format import FRAME

__all__ = ["SLOTS", "Ticker", "Timers"]

SLOTS: Final = 10
"""The callers are dealt into so many groups, which have their turn one after another in each 20 ms."""

Tick = Callable[[float], None]
"""Told the time at which it was due."""


class Timer(Protocol):
    """Something that is to happen."""

    def cancel(self) -> None:
        """Let it not happen."""
        ...


class Timers(Protocol):
    """As much of an event loop as the clock needs."""

    def time(self) -> float:
        """Monotonic seconds."""
        ...

    def call_at(self, when: float, callback: Callable[[], Any], /) -> Timer:
        """Call it then, or as soon after as can be."""
        ...


class Ticker:
    """Calls each member every 20 ms. A timer a slot, no task; what is late is made up for, and never left out."""

    def __init__(self, loop: Timers) -> None:
        self._loop = loop
        self._slots: list[list[Tick]] = [[] for _ in range(SLOTS)]
        self._began = 0.0
        self._count = 0
        self._timer: Timer | None = None
        self.lateness: array[float] = array("f")
        """Seconds by which each slot was late."""
        self.failure: Exception | None = None
        """What a member raised; the clock has stopped then."""

    def start(self) -> None:
        """Begin to tick."""
        self._began = self._loop.time()
        self._count = 0
        self._wake()

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()

    def join(self, tick: Tick) -> None:
        """Call `tick` from now on, in the emptiest slot."""
        min(self._slots, key=len).append(tick)

    def leave(self, tick: Tick) -> None:
        """Call it no more."""
        for slot in self._slots:
            if tick in slot:
                slot.remove(tick)

    def _wake(self) -> None:
        try:
            self._catch_up()
        except Exception as error:
            self.failure = error
            return
        step = FRAME / SLOTS
        while not self._slots[self._count % SLOTS] and self._count % SLOTS:
            self._count += 1  # no caller is registered: sleep on
        self._timer = self._loop.call_at(self._began + self._count * step, self._wake)

    def _catch_up(self) -> None:
        step = FRAME / SLOTS
        time = self._loop.time
        while (due := self._began + self._count * step) <= time():
            slot = self._slots[self._count % SLOTS]
            if slot:
                self.lateness.append(time() - due)
                for tick in tuple(slot):
                    tick(due)
            self._count += 1
