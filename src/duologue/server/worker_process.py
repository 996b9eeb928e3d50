"""A place for a worker, and the forked process that fills it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Final, NoReturn

from duologue.server.report import Report

__all__ = ["CLOSING", "SIGNALS", "WorkerProcess"]

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
"""What ends the server."""

CLOSING: Final = 1.0
"""Seconds that a process has to end after it has closed its link."""


class WorkerProcess:
    """One of the supervisor's places. `link` is open while its process lives, as far as is known."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.pid: int = 0
        self.link: socket.socket | None = None
        self.report: Report | None = None
        self.told_at: float = 0.0
        """When it told something last."""
        self.was_ready = False
        self.is_hung: bool = False
        self.deaths = 0
        self.started: float = 0.0
        self.due: float = 0.0
        """When a process is to be started, if there is none."""

    def start(
        self,
        work: Callable[[int, socket.socket], int],
        now: float,
        before: Callable[[], None],
        inherited: Callable[[], Iterable[socket.socket]],
    ) -> socket.socket:
        """Fork a process that calls `work` with its index and its link, and exits with what that returns.

        In the new process `before` is called first, and the sockets of the supervisor that it has `inherited` are
        closed. Returns this side of the link.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal for the new process waits until it has handlers of its own.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            _live(lambda: work(self.index, theirs), before, lambda: (ours, *inherited()))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        theirs.close()
        ours.setblocking(False)
        self.pid, self.link, self.report, self.started = pid, ours, None, now
        self.is_hung = False
        return ours

    def reap(self) -> str | None:
        """How the process ended; None if it has not."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return None
        code = os.waitstatus_to_exitcode(status)
        return f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"

    def kill(self, timeout: float = CLOSING) -> str:
        """Make sure that the process is no more, and say how it ended; it has `timeout` seconds to end by itself."""
        deadline = time.monotonic() + timeout
        while (how := self.reap()) is None:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                deadline = float("inf")
            time.sleep(0.005)
        return how

    def signal(self, number: int) -> None:
        """Send a signal to the process, if there is one."""
        if self.link is not None:
            os.kill(self.pid, number)

    def close(self) -> None:
        """Close the link: there is no process any more."""
        assert self.link is not None
        self.link.close()
        self.link = self.report = None


def _live(
    work: Callable[[], int], before: Callable[[], None], inherited: Callable[[], Iterable[socket.socket]]
) -> NoReturn:
    """The life of the new process: nothing of the supervisor goes on in it."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        for number in SIGNALS[2:]:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        before()
        for end in inherited():
            end.close()
        status = work()
    except KeyboardInterrupt:
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
