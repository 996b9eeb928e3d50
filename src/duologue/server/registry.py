"""The connections of one process, and the backend that their sessions are opened by."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final

from duologue.engine.admission import REASONS
from duologue.errors import DuologueError, OverloadedError
from duologue.server.backend import Backend
from duologue.server.close_codes import shutting_down
from duologue.server.connection import Connection, Handshake
from duologue.server.gate import Gate
from duologue.server.limits import StreamLimits
from duologue.server.report import Report
from duologue.server.resume.desk import ResumeDesk
from duologue.server.stream import Stream
from duologue.telemetry import names
from duologue.telemetry.hub import Telemetry
from duologue.telemetry.metrics import Reading
from duologue.telemetry.process import resident_bytes

__all__ = ["REFUSALS", "ConnectionRegistry"]

log: Final = logging.getLogger(__name__)

REFUSALS: Final = (*REASONS, "connections", "loading", "shutdown", "application", "other")
"""What a connection may be sent away for: each is a counter of its own, `refused_…`."""

RETRY_AFTER: Final = 5.0
"""Seconds after which one that found too many connections may try again."""

DRAIN_POLL: Final = 0.05
"""Seconds between two checks of which calls are between two turns."""

DRAIN_TIMEOUT: Final = 3.0
"""Seconds for notifying clients that the server ends."""


class ConnectionRegistry:
    """What the routes share: the backend, once it is there, and the open connections."""

    def __init__(
        self,
        limits: StreamLimits,
        max_connections: int,
        telemetry: Telemetry | None = None,
        desk: ResumeDesk | None = None,
    ) -> None:
        self.limits = limits
        self.desk: ResumeDesk = ResumeDesk(window=limits.resume_window) if desk is None else desk
        self.telemetry: Telemetry = telemetry or Telemetry()
        self.telemetry.metrics.add_source(self._readings)
        self.others_telemetry: Mapping[str, Any] | None = None
        """The sums over all workers, if there are several."""
        self.failure: Exception | None = None
        """What kept the backend from being built."""
        self.max_connections = max_connections
        """Connections held at once; the listener lowers it to what the process has descriptors for."""
        self.gate: Gate | None = None
        """The sockets, once somebody listens."""
        self.failure_is_raised = False
        """The listener ends with that failure and reports it."""
        self.started: bool = False
        """The lifespan of the application runs."""
        self._backend: Backend | None = None
        self._draining = False
        self._streams: dict[Stream, asyncio.Task[None] | None] = {}
        self._came = 0
        self._refused = dict.fromkeys(REFUSALS, 0)
        self._dropped = 0
        self._born = time.monotonic()
        self.pid: int = os.getpid()
        self.find_elsewhere: Callable[[str], Awaitable[dict[str, Any] | None]] | None = None
        """Returns the page of a live call that another worker holds; None if there is one worker."""
        self.others: Sequence[Report] = ()
        """The last reports of the other workers, if there are several."""

    @property
    def takes_sessions(self) -> bool:
        """Whether one would be let in now."""
        try:
            self.backend()
        except DuologueError:
            return False
        return True

    @property
    def connections(self) -> int:
        """Those that are open."""
        return sum(not stream.is_lent for stream in self._streams)

    def report(self) -> Report:
        """What this process does and has done."""
        return {
            "pid": self.pid,
            "ready": self.takes_sessions,
            "up_s": round(time.monotonic() - self._born, 1),
            "memory_bytes": resident_bytes(),
            "connections": self.connections,
            **self._sockets(),
            "sessions": sum(stream.conversing for stream in self._streams),
            "came": self._came,
            "refused": sum(self._refused.values()),
            **{f"refused_{reason}": count for reason, count in self._refused.items()},
            "parked": self.desk.parked,
            "resumed": self.desk.resumed,
            "restored": self.desk.restored,
            "resume_expired": self.desk.expired,
            "resumed_elsewhere": self.desk.given_up,
            "checkpoints_failed": self.desk.writes_failed,
            "dropped_samples": self._dropped + sum(stream.dropped for stream in self._streams),
            **(self._backend.counters() if self._backend is not None else {}),
        }

    def _readings(self) -> Iterator[Reading]:
        yield names.CONNECTIONS, len(self._streams), ()
        for reason, count in self._refused.items():
            yield names.SESSIONS_REFUSED, count, (reason,)

    def telemetry_state(self) -> Mapping[str, Any]:
        """The measurements of this process, or the sums over all workers if there are several."""
        return self.others_telemetry or self.telemetry.state()

    async def call_page(self, call: str) -> dict[str, Any] | None:
        """Return what is shown of a live call of any worker; None if there is none.

        Raises OverloadedError or DeadlineError if the other workers cannot be asked.
        """
        if (live := self.telemetry.calls.get(call)) is not None:
            return live.page()
        return None if self.find_elsewhere is None else await self.find_elsewhere(call)

    def _sockets(self) -> Report:
        gate = self.gate
        if gate is None:
            return {}
        return {
            "sockets": len(gate),
            "sockets_waiting": gate.waiting,
            "sockets_expired": gate.expired,
            "sockets_evicted": gate.evicted,
            "sockets_turned_away": gate.turned_away,
        }

    def backend(self, *, held: int = 0, resumes: bool = False) -> Backend:
        """The backend, for a caller that holds `held` connections itself, and perhaps `resumes` a call.

        Raises OverloadedError where it takes no session now, or what kept it from being built.
        """
        if self.failure is not None:
            if isinstance(self.failure, DuologueError):
                # It is raised for each request: without this its traceback would grow, and keep the frames of all.
                raise self.failure.with_traceback(None)
            raise DuologueError("The server cannot work.", hint="Its log says why.")
        if self._draining:
            raise shutting_down()
        if self.connections - held >= self.max_connections:
            raise OverloadedError(
                f"The server holds {self.max_connections} connections, and no more.",
                retry_after=RETRY_AFTER,
                reason="connections",
            )
        if self._backend is None:
            raise OverloadedError(
                "The models are being loaded.", hint="Try again in a moment.", retry_after=1.0, reason="loading"
            )
        self._backend.check(resumes=resumes)
        return self._backend

    async def keep(self, build: Callable[[], AbstractAsyncContextManager[Backend]], end: asyncio.Event) -> None:
        """Build the backend and hold it until `end`; a failure is kept, for `/ready` and for the process to end by."""
        self.failure, self._draining, self.started = None, False, True
        writing = asyncio.create_task(self.desk.keep(), name="duologue-checkpoints")
        try:
            async with build() as self._backend:
                await end.wait()
        except Exception as error:
            if end.is_set():
                raise
            if not isinstance(error, DuologueError):
                log.exception("The server cannot work.")
            elif not self.failure_is_raised:
                log.error("No calls can be taken: %s", error)
            self.failure = error
        finally:
            self._backend = None
            writing.cancel()
            await asyncio.wait([writing])

    async def serve(self, connection: Connection, handshake: Handshake) -> None:
        """One connection, from its acceptance to its end."""
        stream = Stream(connection, self.limits, handshake, self.desk)
        self._streams[stream] = asyncio.current_task()
        self._came += 1
        try:
            await stream.run(partial(self.backend, held=1, resumes=handshake.reconnects))
        finally:
            del self._streams[stream]
            if (refusal := stream.refusal) is not None:
                self._refused[refusal.reason if refusal.reason in self._refused else "other"] += 1
            self._dropped += stream.dropped

    async def drain(self, *, is_cut: Callable[[], bool] = lambda: False) -> None:
        """Take no new connection, notify every client that the server ends, and wait until that is sent.

        A call in which somebody speaks, or an answer is being prepared, has `drain_timeout` to get to the end of its
        turn, unless `is_cut` becomes true. Calls that other processes can continue are left to them.
        """
        self._draining = True
        deadline = time.monotonic() + self.limits.drain_timeout
        while streams := [stream for stream in self._streams if not (stream.is_lent or stream.is_leaving)]:
            at_once = is_cut() or time.monotonic() >= deadline
            await asyncio.gather(*(stream.leave(at_once=at_once) for stream in streams if at_once or stream.settled))
            if any(not stream.is_leaving for stream in streams):
                await asyncio.sleep(DRAIN_POLL)
        running = [task for task in self._streams.values() if task is not None]
        if running:
            await asyncio.wait(running, timeout=DRAIN_TIMEOUT)
