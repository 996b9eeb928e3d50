"""Signals that end a program that serves: the first in order, the second at once, and later ones not at all."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Final, Self

__all__ = ["EndSignals"]

ENDS: Final = (signal.SIGINT, signal.SIGTERM)


class EndSignals:
    """Has SIGINT and SIGTERM raise KeyboardInterrupt, around a call of `serve` that is all of a program.

    While calls are served, the server has handlers of its own. Before and after that a second signal ends the process
    with status 0, whatever it waits for. `ignore` is called once all is over: a signal that comes while the interpreter
    ends would change the exit status.
    """

    def __init__(self) -> None:
        self._is_main = threading.current_thread() is threading.main_thread()
        self._count = 0

    def __enter__(self) -> Self:
        if self._is_main:
            for number in ENDS:
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the handlers: the program is about to end."""

    def ignore(self) -> None:
        """Ignore all signals that end a program from now on."""
        if self._is_main:
            hang_up = [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []
            for number in (*ENDS, *hang_up):
                signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 1:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
        raise KeyboardInterrupt
