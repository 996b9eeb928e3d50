"""The listening socket: one connection is accepted at a time, within what the process has descriptors for."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from duologue.errors import ConfigError
from duologue.server.gate import Gate, Guest

__all__ = ["Acceptor", "descriptors", "listen"]

log: Final = logging.getLogger(__name__)

AT_ONCE: Final = 32
"""Connections accepted before the loop serves others again."""

BACK_OFF: Final = 1.0
"""Seconds without accepting after the system refused a descriptor."""

TLS_TIMEOUT: Final = 10.0
"""Seconds for the handshake of TLS, where the server does that itself."""

RESERVE: Final = 256
"""Descriptors left for everything that is not a client: files, models, calls to providers."""


def listen(host: str, port: int) -> socket.socket:
    """Bind the port. Raises ConfigError if that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay off only where it is.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # Two sockets can be bound to the port as long as neither listens.
    except (OSError, OverflowError) as error:
        listening.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"Port {port} on {host} is taken.", hint=f"Choose another with --port or PORT=, such as {port + 1}."
            ) from None
        raise ConfigError(f"Cannot listen on {host}:{port}: {error}.", hint="Choose another host or port.") from None
    return listening


def descriptors(wanted: int) -> int:
    """How many sockets the process may hold, at most `wanted`; raises the soft limit of the system where it may."""
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    needed = wanted + RESERVE
    if soft < needed and (hard == resource.RLIM_INFINITY or hard > soft):
        ceiling = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
            soft = ceiling
    # Where there are few, half of what is not in use yet goes to the sockets.
    free = soft - _open_descriptors()
    return max(1, min(wanted, max(free - RESERVE, free // 2)))


def _open_descriptors() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return len(os.listdir(folder))
    return 64


class Acceptor:
    """Accepts connections on one listening socket while it is open.

    `make` makes the protocol of an accepted socket. `may_accept` is asked before each.
    """

    def __init__(
        self,
        listening: socket.socket,
        gate: Gate,
        make: Callable[[Guest], asyncio.Protocol],
        *,
        backlog: int,
        tls: Any = None,
        may_accept: Callable[[], bool] = lambda: True,
    ) -> None:
        self._listening = listening
        self._gate = gate
        self._make = make
        self._tls = tls
        self._may_accept = may_accept
        self._loop = asyncio.get_running_loop()
        self.is_open: bool = False
        """Whether it accepts connections."""
        self._paused: asyncio.TimerHandle | None = None
        self._arriving: set[asyncio.Task[Any]] = set()
        listening.setblocking(False)
        listening.listen(backlog)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listening.getsockname()[1])

    def open(self, is_open: bool) -> None:
        """Accept connections from now on, or no more."""
        if is_open == self.is_open:
            return
        self.is_open = is_open
        if self._paused is not None:
            self._paused.cancel()
            self._paused = None
        if is_open:
            self._loop.add_reader(self._listening, self._accept)
        else:
            self._loop.remove_reader(self._listening)

    def close(self) -> None:
        """Stop accepting, and release the port."""
        self.open(False)
        self._listening.close()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            if not (self.is_open and self._may_accept()):
                return
            try:
                accepted, address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # No connection waits, another worker took it, or the client has gone.
            except OSError as error:
                log.error("No connection can be accepted for now: %s.", error.strerror)
                self._loop.remove_reader(self._listening)
                self._paused = self._loop.call_later(BACK_OFF, self._go_on)
                return
            # A link-local address of IPv6 comes with its zone, and no client may choose that.
            guest = self._gate.admit(str(address[0]).partition("%")[0] if address else "")
            if guest is None:
                accepted.close()
                continue
            accepted.setblocking(False)
            arrival = self._loop.create_task(self._welcome(accepted, guest))
            self._arriving.add(arrival)
            arrival.add_done_callback(self._arriving.discard)

    def _go_on(self) -> None:
        self._paused = None
        if self.is_open:
            self._loop.add_reader(self._listening, self._accept)

    async def _welcome(self, accepted: socket.socket, guest: Guest) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._make(guest),
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=TLS_TIMEOUT if self._tls else None,
            )
        except (OSError, asyncio.CancelledError):  # The client has gone, or did not finish the handshake of TLS.
            guest.leave()
            accepted.close()
