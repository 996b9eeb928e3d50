"""An event loop whose time passes only when nothing can run: a minute of timeouts takes no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

__all__ = ["LoopClock", "VirtualTimeLoop", "run_in_virtual_time"]

T = TypeVar("T")

MAX_IDLE_S: Final = 5.0
"""Real seconds for which other threads are waited for when nothing is scheduled; then the loop is stuck."""

ROUNDING_S: Final = 1e-9
"""Added to each step, so that a timer never fires before its time by an error of rounding, and is set again forever."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Use it for code that waits by the loop: `asyncio.sleep`, timeouts, `call_later`. `time.monotonic` stays real.

    Real sockets and threads work, but time does not wait for them. A loop that has nothing to run and nothing
    scheduled raises RuntimeError, instead of waiting forever.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Join the threads of the executor, without the timeout of Python 3.12: virtual time would pass it at once."""
        await super().shutdown_default_executor()

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as for a process that was stopped for a while: all timers of that time are late."""
        self._now += seconds


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            ready = super().select(MAX_IDLE_S)
            if not ready:
                raise RuntimeError("Nothing runs, nothing is scheduled, and something is waited for.")
            return ready
        ready = super().select(0)
        if not ready and timeout > 0:
            self._loop._now += timeout + ROUNDING_S
        return ready


class LoopClock:
    """A `Clock` for sessions that shows the time of the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def now(self) -> float:
        """Seconds of the loop."""
        return self._loop.time()


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a VirtualTimeLoop, as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
