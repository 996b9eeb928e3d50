"""A worker process: one of several that serve one port. It ends with its supervisor."""

from __future__ import annotations

import asyncio
import socket
import warnings
from typing import Any, Final

from duologue.errors import DuologueError
from duologue.server.acceptor import Acceptor
from duologue.server.app import VoiceApp
from duologue.server.call_pages import CallPages
from duologue.server.letters import MAX_LETTER, read_letter, write_letter, write_shortened
from duologue.server.listener import Listener
from duologue.server.report import Report

__all__ = ["Worker", "serve_as_worker"]

REPORT_EVERY: Final = 10
"""Ticks of uvicorn, of 0.1 s each, between reports where nothing changed."""

LEAD: Final = 4
"""A worker with so many more connections than the one with the fewest leaves new ones to the others."""


class Worker(Listener):
    """A Listener whose port is shared.

    The kernel may give the next connection to any process that waits on the port. To balance them, a worker accepts
    one connection at a time. It accepts none while it is not ready, while it has many more connections than another
    worker, or before all workers know that it is ready: until then they would refuse calls for which it has room.
    `link` is a SOCK_SEQPACKET socket to the supervisor; the worker ends when the supervisor closes it.
    """

    should_exit: bool

    def __init__(self, app: VoiceApp, link: socket.socket, **options: Any) -> None:
        super().__init__(app, **options)
        self._link = link
        self._told: tuple[float, ...] = ()
        self._known = False
        """All workers know that it is ready."""
        registry = self._registry
        self._pages = CallPages(registry.telemetry.calls, lambda: len(registry.others), self._send)
        registry.find_elsewhere = self._pages.find

    def _open_at_start(self, door: Acceptor) -> None:
        """Accept nothing until all workers know of this one."""
        self._link.setblocking(False)
        asyncio.get_running_loop().add_reader(self._link, self._hear)

    async def on_tick(self, counter: int) -> bool:
        """Report changes to the supervisor, and start or stop accepting."""
        ends = await super().on_tick(counter)
        if not ends:
            self._report(always=counter % REPORT_EVERY == 0)
            self._mind_the_door()
        return ends

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connection, and close the clients' connections in order."""
        self._open(False)
        asyncio.get_running_loop().remove_reader(self._link)
        await super().shutdown(sockets)

    def _report(self, *, always: bool) -> None:
        report = self._registry.report()
        changed = (report["ready"], report["connections"], report["sessions"])
        if always or changed != self._told:
            self._told = changed
            self.tell({"report": report})
            if always:
                state = self._registry.telemetry.state()
                self._send(write_shortened({"telemetry": state}, state["calls"], keep="first"))

    def tell(self, letter: dict[str, Any]) -> None:
        """Send a message to the supervisor. One that does not fit is dropped: a later report replaces it."""
        self._send(write_letter(letter))

    def _send(self, packed: bytes) -> None:
        try:
            if len(packed) <= MAX_LETTER:
                self._link.send(packed)
        except BlockingIOError:
            pass
        except OSError:
            self.should_exit = True

    def _hear(self) -> None:
        """Read the supervisor's messages about the other workers."""
        try:
            letter = self._link.recv(MAX_LETTER)
        except BlockingIOError:
            return
        except OSError:
            letter = b""
        if not letter:
            asyncio.get_running_loop().remove_reader(self._link)
            self.should_exit = True
            return
        mine = self._registry.pid
        told = read_letter(letter)
        if isinstance(told, dict):
            self._hear_more(told)
            return
        reports: list[Report] = told
        self._registry.others = [report for report in reports if report["pid"] != mine]
        self._known = self._known or any(report["pid"] == mine and report["ready"] for report in reports)
        self._mind_the_door()

    def _hear_more(self, told: dict[str, Any]) -> None:
        """Take the sums of all workers, or a message about the page of a call."""
        match told:
            case {"telemetry": total}:
                self._registry.others_telemetry = total
            case {"ask": ask}:
                self._pages.answer(ask)
            case {"answer": answer}:
                self._pages.take(answer)

    def _mind_the_door(self) -> None:
        takes = self._registry.takes_sessions
        elsewhere = [other["connections"] for other in self._registry.others if other["ready"]]
        if takes and not self._known:
            self._open(False)
        elif not elsewhere:
            self._open(True)
        else:
            self._open(takes and self._registry.connections - min(elsewhere) <= LEAD)

    def _open(self, is_open: bool) -> None:
        if self._door is not None:
            self._door.open(is_open)

    def _may_accept(self) -> bool:
        """Check again before each connection: the last one may have filled this worker."""
        self._mind_the_door()
        return self._door is not None and self._door.is_open


def serve_as_worker(app: VoiceApp, link: socket.socket, door: socket.socket, **options: Any) -> int:
    """Serve `app` until a signal or the end of the supervisor, and return the process's exit status.

    The supervisor gets the error of a backend that cannot be built.
    """
    worker = Worker(app, link, **options)
    # A signal that comes while the loop closes leaves this coroutine; the warning would be all that is said of it.
    warnings.filterwarnings("ignore", "coroutine .*shutdown_asyncgens", RuntimeWarning)
    try:
        worker.run(sockets=[door])
    except KeyboardInterrupt:
        pass
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except DuologueError as error:
        worker.tell({"failure": error.as_dict()})
        return 1
    return 0
