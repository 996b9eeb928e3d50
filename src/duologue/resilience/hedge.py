"""A second request for an answer that is late: the first good answer wins, and the other request is cancelled."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from duologue.agent.faults import is_fault
from duologue.resilience.failures import as_provider_error, loop_time
from duologue.resilience.settings import HedgeSettings

__all__ = ["HEDGES", "Hedge"]

MEASURED: Final = 200
"""The newest calls that the percentile is taken of."""
MAX_UNUSED: Final = 5.0
"""Second requests that may be saved up while none is needed."""

T = TypeVar("T")


class Hedge:
    """Hedges the calls to one provider. Only for calls without side effects.

    A call that takes longer than `percentile` of the newest calls is made a second time, as long as second requests
    are at most `max_share` of all calls.
    """

    def __init__(self, settings: HedgeSettings | None = None, *, name: str = "") -> None:
        self.name = name
        """The provider, for metrics."""
        self.calls: int = 0
        self.hedged: int = 0
        """Calls that were made a second time."""
        self.won: int = 0
        """Hedged calls that the second request answered."""
        self._settings = settings or HedgeSettings()
        self._seconds: deque[float] = deque(maxlen=MEASURED)
        self._allowance = 0.0
        HEDGES.add(self)

    @property
    def after(self) -> float | None:
        """Seconds after which a call is late; None until enough calls were measured, and if hedging is off."""
        s = self._settings
        if not s.max_share or len(self._seconds) < s.min_calls:
            return None
        ordered = sorted(self._seconds)
        return ordered[min(int(s.percentile * len(ordered)), len(ordered) - 1)]

    async def call(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Make the call, and make it again if it is late. Raises what the first request fails with if both fail."""
        self.calls += 1
        self._allowance = min(self._allowance + self._settings.max_share, MAX_UNUSED)
        began = loop_time()
        after = self.after
        answer = await (make() if after is None else self._race(make, after))
        self._seconds.append(loop_time() - began)
        return answer

    async def _race(self, make: Callable[[], Coroutine[Any, Any, T]], after: float) -> T:
        first = asyncio.ensure_future(self._contained(make))
        tasks = [first]
        try:
            await asyncio.wait(tasks, timeout=after)
            if not first.done() and self._allowance >= 1:
                self._allowance -= 1
                self.hedged += 1
                tasks.append(asyncio.ensure_future(self._contained(make)))
            pending = set(tasks)
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if not task.cancelled() and task.exception() is None:
                        self.won += task is not first
                        return task.result()
            return first.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _contained(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Make the call in a task of its own, in which SystemExit would end the loop."""
        try:
            return await make()
        except BaseException as error:
            if isinstance(error, Exception) or not is_fault(error):
                raise
            raise as_provider_error(self.name, error) from error


HEDGES: Final[weakref.WeakSet[Hedge]] = weakref.WeakSet()
"""Those of this process, for metrics."""
