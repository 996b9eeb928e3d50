"""A uvicorn server with bounded sockets, prompt detection of stuck clients, and an orderly close of each connection.

The WebSockets of `/v1/stream` are held by `sockets.py`, or, where it is asked for, by picows (`picows.py`).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from duologue.errors import ConfigError
from duologue.server.acceptor import Acceptor, descriptors, listen
from duologue.server.app import VoiceApp
from duologue.server.contained_tasks import contained_tasks
from duologue.server.gate import MAX_WAITING_PER_ADDRESS, SPARE_SOCKETS, Gate, Guest
from duologue.server.http import HttpProtocol
from duologue.server.repeats import count_repeats
from duologue.server.sockets import MAX_SIZE, StreamProtocol

__all__ = ["WEBSOCKETS", "Listener", "protocol_of"]

log: Final = logging.getLogger(__name__)

SWEEP_EVERY: Final = 10
"""Ticks of uvicorn, of 0.1 s each, between looks for sockets whose time is up."""

FORCED_TIMEOUT: Final = 2.0
"""Seconds that the end may take at the second signal."""

PONG_TIMEOUT: Final = 10.0
"""Seconds until a missing pong ends the connection."""

WEBSOCKETS: Final = ("uvicorn", "picows")
"""What may hold the WebSockets."""


def protocol_of(websockets: str) -> type[StreamProtocol]:
    """The class that holds WebSockets. Raises ConfigError if there is none of the name, NotInstalledError."""
    if websockets == "uvicorn":
        return StreamProtocol
    if websockets == "picows":
        from duologue.server.picows import PicowsProtocol

        return PicowsProtocol
    raise ConfigError(f"There is no listener {websockets!r}.", hint=f"Choose one of: {', '.join(WEBSOCKETS)}.")


class Listener(uvicorn.Server):
    """Serves an application of `create_app` on a TCP port; 0 takes any free one.

    Clients are pinged each `keep_alive` seconds, or never where it is None. At most `max_waiting_per_address` sockets
    of one address may be without a session at once. With `signals=False` it leaves signals to the program around it.
    `websockets` is the implementation, one of WEBSOCKETS; NotInstalledError if that is not installed. Ends if the
    backend cannot be built; then `run` and `serve` raise its error.
    """

    force_exit: bool
    should_exit: bool
    servers: list[asyncio.Server]

    def __init__(
        self,
        app: VoiceApp,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        keep_alive: float | None = 30.0,
        websockets: str = "uvicorn",
        max_waiting_per_address: int = MAX_WAITING_PER_ADDRESS,
        signals: bool = True,
        on_hang_up: Callable[[], object] | None = None,
        **options: Any,
    ) -> None:
        self._registry = app.registry
        self._registry.failure_is_raised = True
        self._max_waiting_per_address = max_waiting_per_address
        self._door: Acceptor | None = None
        self._signals = signals
        self._on_hang_up = on_hang_up
        self._hung_up = False
        super().__init__(
            uvicorn.Config(
                app,
                http=HttpProtocol,
                proxy_headers=False,  # The application decides itself which proxies it trusts.
                host=host,
                port=port,
                ws=protocol_of(websockets),
                ws_per_message_deflate=False,
                ws_max_size=MAX_SIZE,
                ws_ping_interval=keep_alive,
                ws_ping_timeout=PONG_TIMEOUT,
                timeout_graceful_shutdown=5,
                lifespan="on",
                **options,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End at a signal if signals are enabled: SIGINT, SIGTERM, and SIGHUP unless it is ignored, as under nohup.

        With `on_hang_up`, SIGHUP calls that instead.
        """
        if not self._signals or threading.current_thread() is not threading.main_thread():
            yield
            return
        hang_up = getattr(signal, "SIGHUP", None)  # Windows has none.
        before = signal.getsignal(hang_up) if hang_up is not None else None
        if hang_up is not None and before is signal.SIG_DFL:
            signal.signal(hang_up, self._hang_up)
        try:
            with super().capture_signals():
                yield
        finally:
            if hang_up is not None and before is signal.SIG_DFL:
                signal.signal(hang_up, before)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End at the first signal, in order; at the second, at once."""
        self.force_exit = self.force_exit or self.should_exit
        super().handle_exit(sig, frame)

    def _hang_up(self, *_: object) -> None:
        if self._on_hang_up is None:
            self.should_exit = True
        self._hung_up = True

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal or `should_exit`."""
        with count_repeats(), contained_tasks(asyncio.get_running_loop()):
            await super().serve(sockets)
        if self._registry.failure is not None:
            raise self._registry.failure

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Like uvicorn's, except that sockets are counted from the moment they are accepted."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self.servers = []
        wanted = self._registry.max_connections + SPARE_SOCKETS
        held = descriptors(wanted)
        if held < wanted:
            self._registry.max_connections = min(self._registry.max_connections, max(1, held - held // 5))
            log.warning(
                "The limit of open files allows for %d sockets and %d connections; raise it with `ulimit -n`.",
                held,
                self._registry.max_connections,
            )
        gate = Gate(held, max_waiting_per_address=self._max_waiting_per_address)
        self.gate: Gate = gate
        self._registry.gate = gate
        (listening,) = sockets or [listen(self.config.host, self.config.port)]
        self._door = Acceptor(
            listening,
            self.gate,
            self._make,
            backlog=self.config.backlog,
            tls=self.config.ssl,
            may_accept=self._may_accept,
        )
        self._open_at_start(self._door)
        self.started = True

    def _make(self, guest: Guest) -> HttpProtocol:
        return HttpProtocol(guest, self.config, self.server_state, self.lifespan.state)

    def _may_accept(self) -> bool:
        return True

    def _open_at_start(self, door: Acceptor) -> None:
        door.open(True)

    async def on_tick(self, counter: int) -> bool:
        """True when it is time to end."""
        if self._hung_up and self._on_hang_up is not None:
            self._hung_up = False
            self._on_hang_up()
        if counter % SWEEP_EVERY == 0:
            self.gate.sweep()
        return await super().on_tick(counter) or self._registry.failure is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the clients' connections in order before uvicorn drops them."""
        await self._registry.drain(is_cut=lambda: self.force_exit)
        if self._door is not None:
            self._door.close()
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn leaves it out then, and the models' threads would go on.
            with suppress(TimeoutError):
                async with asyncio.timeout(FORCED_TIMEOUT):
                    await self.lifespan.shutdown()

    @property
    def port(self) -> int:
        """The port that it listens on, once started."""
        assert self._door is not None
        return self._door.port
