"""Supervises several processes on one port: starts, watches, restarts and ends them.

The module is over 300 lines because it is one loop: what a worker may do, and what follows, are read together.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from duologue.errors import ConfigError, DuologueError, error_class
from duologue.server.letters import MAX_LETTER, read_letter, write_letter, write_shortened
from duologue.server.worker_process import CLOSING, SIGNALS, WorkerProcess
from duologue.telemetry.hub import Totals

__all__ = ["MAX_WORKERS", "Supervisor", "share"]

log: Final = logging.getLogger(__name__)

MAX_WORKERS: Final = 64

BROADCAST_EVERY: Final = 0.1
"""Least seconds between two reports to the workers about each other."""

TOTAL_EVERY: Final = 0.5
"""Least seconds between two sums of the workers' measurements."""

FIRST_DELAY: Final = 0.25
"""Seconds before a worker that died is replaced; doubles with each death that follows soon, up to LONGEST_DELAY."""

LONGEST_DELAY: Final = 30.0

STEADY: Final = 60.0
"""Seconds of life after which a worker counts as healthy."""

FRUITLESS: Final = 3
"""Deaths before any worker was ready, after which the server gives up."""

STALE: Final = 3.0
"""Seconds after which a worker's report is outdated; it reports each second."""

SILENT: Final = 15.0
"""Seconds without a report after which a worker that was ready counts as hung, and is killed."""

STOP_TIMEOUT_S: Final = 15.0
"""Seconds that workers have to close connections and end; those that remain are killed."""

FORCED_TIMEOUT_S: Final = 5.0
"""Seconds that workers have to end at the second signal; those that remain are killed."""


def share(total: int, parts: int, index: int) -> int:
    """The share of `total` of the worker with this index; the shares add up to it."""
    return total // parts + (index < total % parts)


class Supervisor:
    """Runs `count` worker processes until a signal.

    `work` is called in each process with its index and its link to here, and returns its exit status. Processes are
    forked, so that it may be any closure: nothing may have started a thread before. `on_ready` is called once, when all
    are ready and know it. A worker that dies is replaced, and so is one that was ready and has not reported for
    `silent` seconds: it is stopped, or its event loop is blocked for good. Workers whose supervisor
    dies end by themselves. With `on_hang_up`, SIGHUP calls it and is then passed on to the workers, if it returns True;
    without, SIGHUP ends the server. At the end workers have `stop_timeout` seconds.
    """

    def __init__(
        self,
        work: Callable[[int, socket.socket], int],
        count: int,
        *,
        on_ready: Callable[[], None],
        on_hang_up: Callable[[], bool] | None = None,
        silent: float = SILENT,
        stop_timeout: float = STOP_TIMEOUT_S,
    ) -> None:
        if not 2 <= count <= MAX_WORKERS:
            raise ConfigError(f"{count} workers were asked for; one needs no supervisor, and {MAX_WORKERS} are most.")
        if threading.active_count() > 1:
            raise ConfigError(
                "A thread runs already, and workers are forked.",
                hint="Call serve(workers=…) before threads are started.",
            )
        self._work = work
        self._on_ready = on_ready
        self._silent = silent
        self._stop_timeout = stop_timeout
        self._stale = min(STALE, silent / 2)
        self._workers = [WorkerProcess(index) for index in range(count)]
        self._selector = selectors.DefaultSelector()
        self._ending = 0.0
        """When the remaining workers are killed; 0 while the server does not end."""
        self._signals = 0
        self._on_hang_up = on_hang_up
        self._hung_up = False
        self._failure: DuologueError | None = None
        self._news = False
        self._told_at = 0.0
        self._totals = Totals()
        self._has_total = False
        """The sum of the workers' measurements has changed."""
        self._totalled_at = 0.0

    def run(self) -> None:
        """Run until a signal. Raises the error that prevented the workers from starting, if none ever did."""
        woken, waker = socket.socketpair()
        for end in (woken, waker):
            end.setblocking(False)
        # Signals that are ignored, as SIGHUP under nohup, stay ignored.
        heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._on_signal) for number in heeded}
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self._private = [woken, waker]
        self._selector.register(woken, selectors.EVENT_READ)
        try:
            while self._step(woken):
                pass
        finally:
            for worker in self._workers:
                if worker.link is not None:
                    self._kill(worker)
                    self._close(worker)
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            woken.close()
            waker.close()
        if self._failure is not None:
            raise self._failure

    def _on_signal(self, number: int, _: Any) -> None:
        if self._on_hang_up is not None and number == getattr(signal, "SIGHUP", None):
            self._hung_up = True
        else:
            self._signals += 1

    def _step(self, woken: socket.socket) -> bool:
        """Wait for the next event and handle it; False once all workers have ended."""
        now = time.monotonic()
        if self._signals and not self._ending:
            self._end(now)
        elif self._signals > 1:
            self._signals = 1
            self._tell_all(signal.SIGINT)  # uvicorn ends at once at the second signal.
            self._ending = min(self._ending, now + FORCED_TIMEOUT_S)
        if self._hung_up:
            self._hung_up = False
            self._hang_up()
        for worker in self._workers:
            if worker.link is not None and (how := worker.reap()) is not None:
                self._bury(worker, how)
            elif worker.link is None:
                if not self._ending and now >= worker.due:
                    self._start(worker, now)
            elif worker.report is not None:
                self._mind_silence(worker, now)
        if self._ending:
            if all(worker.link is None for worker in self._workers):
                return False
            if now > self._ending:
                log.warning("Some workers do not end, and are killed.")
                return False
        for key, _ in self._selector.select(BROADCAST_EVERY):
            if key.fileobj is woken:
                woken.recv(4096)
            else:
                self._hear(key.data)
        self._broadcast()
        self._broadcast_totals()
        return True

    def _hang_up(self) -> None:
        """Have this process, from which workers are forked, and then all workers that listen read their settings."""
        if self._ending or self._on_hang_up is None or not self._on_hang_up():
            return
        for worker in self._workers:
            if worker.report is not None:  # one that has not told anything yet would be ended by the signal
                worker.signal(signal.SIGHUP)

    def _mind_silence(self, worker: WorkerProcess, now: float) -> None:
        """Drop the report of a silent worker, so that the others take its calls; kill one that stays silent."""
        assert worker.report is not None
        silence = now - worker.told_at
        if silence > self._stale and not worker.is_hung:
            worker.is_hung = True
            self._news = True
        if silence > self._silent and not self._ending:
            log.error(
                "Worker %d (process %d) has said nothing for %.0f s: it is stopped, or code blocks its event loop.",
                worker.index,
                worker.pid,
                silence,
            )
            os.kill(worker.pid, signal.SIGKILL)

    def _start(self, worker: WorkerProcess, now: float) -> None:
        link = worker.start(self._work, now, self._selector.close, self._sockets)
        self._selector.register(link, selectors.EVENT_READ, worker)

    def _sockets(self) -> list[socket.socket]:
        """The sockets that a new process inherits and has to close."""
        return [*self._private, *(worker.link for worker in self._workers if worker.link is not None)]

    def _hear(self, worker: WorkerProcess) -> None:
        assert worker.link is not None
        try:
            letter = worker.link.recv(MAX_LETTER)
        except BlockingIOError:
            return
        except ConnectionError:
            letter = b""
        if not letter:
            self._bury(worker, self._kill(worker))
            return
        told = read_letter(letter)
        if (failure := told.get("failure")) is not None:
            self._take_failure(failure)
        elif (state := told.get("telemetry")) is not None:
            self._totals.update(worker.pid, state)
            self._has_total = True
        elif "ask" in told or "answer" in told:
            self._pass_on(worker, told)
        else:
            self._news = True
            worker.report, worker.told_at, worker.is_hung = told["report"], time.monotonic(), False
            worker.was_ready = worker.was_ready or bool(told["report"]["ready"])

    def _pass_on(self, sender: WorkerProcess, told: dict[str, Any]) -> None:
        """Ask all other workers for the page of a call, or tell the one that asked what was found."""
        asks = "ask" in told
        if asks:
            told["ask"]["pid"] = sender.pid
        letter = write_letter(told)
        for worker in self._workers:
            if worker.link is not None and (worker is not sender if asks else worker.pid == told["answer"]["pid"]):
                with suppress(OSError):  # It is busy, or dead: the worker that asked waits for a second at most.
                    worker.link.send(letter)

    def _bury(self, worker: WorkerProcess, how: str) -> None:
        """Replace a dead worker after a delay."""
        self._close(worker)
        self._totals.end(worker.pid)
        self._news = True
        if self._ending:
            return
        now = time.monotonic()
        worker.deaths = 1 if now - worker.started > STEADY else worker.deaths + 1
        doublings = min(worker.deaths - 1, 16)  # a float has no room for a thousand
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2**doublings)
        worker.due = now + delay
        if worker.deaths >= FRUITLESS and not any(each.was_ready for each in self._workers):
            self._failure = self._failure or DuologueError("The workers cannot work.", hint="The log says why.")
            self._end(now)
        else:
            log.warning(
                "Worker %d (process %d) %s; another takes its place in %.2g s.", worker.index, worker.pid, how, delay
            )

    def _take_failure(self, failure: dict[str, Any]) -> None:
        kind = error_class(failure["code"]) or DuologueError
        error = kind(failure["message"], hint=failure["hint"], provider=failure["provider"])
        if any(each.was_ready for each in self._workers):
            log.error("A worker cannot work: %s", error)
        elif self._failure is None:
            self._failure = error
            self._end(time.monotonic())

    def _kill(self, worker: WorkerProcess) -> str:
        # A worker that closes its link is about to end; one that has not ended after a second will not.
        return worker.kill(0.0 if self._ending and time.monotonic() > self._ending else CLOSING)

    def _close(self, worker: WorkerProcess) -> None:
        assert worker.link is not None
        self._selector.unregister(worker.link)
        worker.close()

    def _end(self, now: float) -> None:
        self._ending = now + self._stop_timeout
        self._signals = 1
        self._tell_all(signal.SIGTERM)

    def _tell_all(self, number: int) -> None:
        for worker in self._workers:
            worker.signal(number)

    def _broadcast_totals(self) -> None:
        """Send the workers the sums of all measurements; one that is busy gets them a second later."""
        now = time.monotonic()
        if not self._has_total or now - self._totalled_at < TOTAL_EVERY:
            return
        self._has_total, self._totalled_at = False, now
        state = self._totals.total()
        letter = write_shortened({"telemetry": state}, state["calls"], keep="first")
        for worker in self._workers:
            if worker.link is not None and len(letter) <= MAX_LETTER:
                with suppress(OSError):
                    worker.link.send(letter)

    def _broadcast(self) -> None:
        now = time.monotonic()
        if not self._news or now - self._told_at < BROADCAST_EVERY:
            return
        self._news = False
        self._told_at = now
        alive = [worker for worker in self._workers if not worker.is_hung]
        reports = [worker.report for worker in alive if worker.report is not None]
        letter = write_letter(reports)
        for worker in self._workers:
            if worker.link is not None:
                try:
                    worker.link.send(letter)
                except OSError:
                    self._news = True  # It is busy, or dead, which is noticed elsewhere.
        if not self._news and all(worker.was_ready for worker in self._workers):
            on_ready, self._on_ready = self._on_ready, lambda: None
            on_ready()
