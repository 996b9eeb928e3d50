"""One WebSocket to a recognizer: dialing, sending, keep-alive, and the detection of a connection that is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Final

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import broadcast
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from duologue.dialing import open_socket
from duologue.errors import DeadlineError, DuologueError, ProviderUnavailableError
from duologue.stt.service import SocketSettings

__all__ = ["CloseError", "Connection", "dial"]

CloseError = Callable[[str, int, str], DuologueError]
"""Makes the error of the tree of a provider's name, a close code and its reason."""

CLOSE_TIMEOUT_S: Final = 0.2
"""Seconds that the service has to close; a session waits half a second for all of it."""


async def dial(
    name: str,
    url: str,
    headers: Mapping[str, str],
    settings: SocketSettings,
    *,
    goodbye: str | None,
    close_error: CloseError,
) -> Connection:
    """Open a stream. Raises the error of the tree that says why it cannot be opened.

    `goodbye` is the message sent before the close; None if there is none.
    """
    socket = await open_socket(
        name,
        url,
        headers,
        open_timeout=settings.connect_timeout,
        ping_interval=settings.ping_interval,
        ping_timeout=settings.ping_timeout,
        close_timeout=CLOSE_TIMEOUT_S,
    )
    return Connection(name, settings, socket, goodbye, close_error)


class Connection:
    """An open stream. A task watches it: it sends what keeps it open, and gives it up if nothing comes any more."""

    def __init__(
        self,
        name: str,
        settings: SocketSettings,
        socket: ClientConnection,
        goodbye: str | None,
        close_error: CloseError,
    ) -> None:
        self._name = name
        self._settings = settings
        self._socket = socket
        self._goodbye = goodbye
        self._close_error = close_error
        self._sent_at = self._heard_at = monotonic()
        self._awaits = False
        """Whether audio was sent since something came."""
        self._failure: DuologueError | None = None
        self._waiting: asyncio.Timeout | None = None
        self._interrupted = False
        self._watching: asyncio.Task[None] | None = None
        self.on_close: Callable[[], object] | None = None
        """Called once, when the connection has been closed by this side."""

    @property
    def is_open(self) -> bool:
        """Whether it can still be used, as far as is known here."""
        return self._socket.state is State.OPEN

    def watch(self, task: str, keep_alive: str | None, interval: float) -> None:
        """Begin to watch, in a task of this name; `keep_alive` is the message that keeps a silent stream open.

        A connection that is watched already stays with the task that it has.
        """
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(keep_alive, interval), name=task)

    async def send(self, data: bytes | str) -> None:
        """Send audio or a message. Returns at once if the connection is lost: reading from it tells why."""
        self._sent_at = monotonic()
        if not self._awaits and isinstance(data, bytes):
            self._awaits, self._heard_at = True, self._sent_at
        if self.is_open and not self._socket.transport.get_write_buffer_size():
            broadcast((self._socket,), data)  # costs a third less than a send that may have to wait
            return
        with suppress(ConnectionClosed):
            await self._socket.send(data)

    async def messages(self) -> AsyncGenerator[str | bytes | None, None]:
        """Yield the frames that come, and None for each interruption.

        Raises the error of the tree when the connection ends, however it ends.
        """
        while True:
            if self._interrupted:
                self._interrupted = False
                yield None
                continue
            try:
                async with asyncio.timeout(None) as self._waiting:
                    data = await self._socket.recv()
            except TimeoutError:
                continue
            except ConnectionClosed as closed:
                raise self._failure or self._error_for(closed) from None
            finally:
                self._waiting = None
            self._heard_at, self._awaits = monotonic(), False
            yield data

    def interrupt(self) -> None:
        """Have `messages` yield None before the next frame, at once if it waits for one."""
        self._interrupted = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def fail(self, error: DuologueError) -> None:
        """Give the connection up, because of `error`, which `messages` raises."""
        self._failure = self._failure or error
        self._socket.transport.abort()

    async def answers_ping(self) -> bool:
        """Whether the other side answers a ping in time."""
        try:
            async with asyncio.timeout(self._settings.ping_timeout):
                await (await self._socket.ping())
        except (TimeoutError, ConnectionClosed):
            return False
        return True

    async def aclose(self) -> None:
        """Tell the service that no more audio comes, and close, within a fraction of a second."""
        if self._watching is not None:
            self._watching.cancel()
        try:
            with suppress(ConnectionClosed, TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    if self._goodbye is not None:
                        await self._socket.send(self._goodbye)
                    await self._socket.close()
        finally:
            self._socket.transport.abort()
            told, self.on_close = self.on_close, None
            if told is not None:
                told()

    async def _watch(self, keep_alive: str | None, interval: float) -> None:
        s = self._settings
        step = min(interval, s.stall_timeout) / 2 if keep_alive is not None else s.stall_timeout / 2
        while True:
            await asyncio.sleep(step)
            now = monotonic()
            if self._awaits and now - self._heard_at >= s.stall_timeout:
                late = f"{self._name} has sent nothing for {s.stall_timeout:g} s of audio."
                self.fail(DeadlineError(late, provider=self._name))
                return
            if keep_alive is not None and now - self._sent_at >= interval - step:
                await self.send(keep_alive)

    def _error_for(self, closed: ConnectionClosed) -> DuologueError:
        """The error for a close frame, or for a connection that was lost without one."""
        name, frame = self._name, closed.rcvd
        if frame is None:
            if closed.sent is not None and closed.sent.reason == "keepalive ping timeout":
                return DeadlineError(f"{name} no longer answers pings: the connection is lost.", provider=name)
            if closed.sent is not None and closed.sent.code in (1002, 1007, 1009):
                return ProviderUnavailableError(f"{name} broke the WebSocket protocol.", provider=name)
            return ProviderUnavailableError(f"{name} was cut off.", provider=name)
        return self._close_error(name, frame.code, frame.reason)
