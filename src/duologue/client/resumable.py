"""The connection of a conversation, which is reestablished after it breaks."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from duologue.client.refusals import as_exception, broken
from duologue.client.resend import SentItems
from duologue.errors import DuologueError, InvalidStateError, SlowClientError, StreamError
from duologue.loopback import is_loopback
from duologue.wire import frames
from duologue.wire.fields import VERSION
from duologue.wire.messages import Error, Reconnect, Reconnected, Start, dump, parse_server

__all__ = ["ResumableConnection"]

ATTEMPT_TIMEOUT: Final = 5.0
"""Seconds for one attempt to reconnect."""

MAX_DELAY: Final = 2.0
"""Seconds between two attempts, at most; the first comes at once, and each delay is random."""

FINAL_CODES: Final = (1000, 1001, 1002, 1007, 1008, 1009)
"""Codes of closing after which the conversation is not taken up again."""


class ResumableConnection:
    """Opens connections for one conversation, and keeps what is needed to resume on another."""

    def __init__(
        self,
        url: str,
        start: Start,
        *,
        timeout: float,
        ping_interval: float | None,
        headers: Mapping[str, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._url = url
        self._start = start
        self._timeout = timeout
        self._ping_interval = ping_interval
        self._headers = dict(headers or {})
        self._ssl = ssl_context
        self._socket: ClientConnection | None = None
        self._interrupted = -1
        self._ended = self._left = False
        self._token: str | None = None
        """Takes the session up again."""
        self._window = 0.0
        self._away = 0.0
        """Seconds before the first attempt to reconnect."""
        self._resuming = asyncio.Lock()
        self._came: deque[Reconnected] = deque()
        """What the iteration gives next."""
        self._sent = SentItems(start.audio_in.bytes_per_sample * start.audio_in.rate)
        self._messages = self._output = self._generation = 0
        """The state of reception: messages, the next sample of the output, and the newest generation."""
        self.reconnects: int = 0
        """How often the conversation was taken up again."""
        self.position = 0
        """Index of the sample that is sent next, in the rate of `audio_in`."""

    async def _open(self, url: str) -> ClientConnection:
        tls: dict[str, Any] = {} if self._ssl is None else {"ssl": self._ssl}
        return await open_websocket(
            url,
            compression=None,
            max_size=frames.MAX_MESSAGE_BYTES,
            open_timeout=None,
            close_timeout=2,
            ping_interval=self._ping_interval,
            additional_headers=self._headers,
            **tls,
            proxy=None if is_loopback(self._url) else True,  # True: whatever the environment says.
        )

    async def _send(self, data: str | bytes) -> None:
        socket = self._open_socket()
        if self._token is not None:
            self._sent.add_message(data)
        try:
            await socket.send(data)
        except ConnectionClosed as error:
            if not self._may_resume(error):
                raise broken(error) from None
            await self._resume(socket)  # which sends it

    def drop(self, away: float | None = 0.0) -> None:
        """Break the connection without a word, as a network does that fails: to test how others bear it.

        It is made again after `away` seconds, or never if that is None.
        """
        self._left = self._left or away is None
        self._away = away or 0.0
        if self._socket is not None:
            self._socket.transport.abort()

    def _may_resume(self, error: ConnectionClosed) -> bool:
        """Whether the conversation may be taken up again after its connection was closed like this."""
        close = error.rcvd
        if self._token is None or self._left or self._ended:
            return False
        return close is None or close.code not in FINAL_CODES or close.reason == SlowClientError.code

    async def _resume(self, socket: ClientConnection) -> None:
        """Connect again in place of `socket`, and send what the server has not received.

        Of several tasks that notice the loss, the first does it. Raises StreamError if it does not succeed while the
        server keeps the session, and the error of a refusal.
        """
        async with self._resuming:
            if self._socket is socket:
                if self._token is None:  # the first task to notice has found that it is over
                    raise StreamError("The connection broke off, and the session could not be resumed.")
                self._came.append(await self._make_again())

    async def _make_again(self) -> Reconnected:
        away, self._away = self._away, 0.0
        await asyncio.sleep(away)
        now = asyncio.get_running_loop().time
        deadline = now() + self._window
        delay = 0.0
        why = f"{self._url} cannot be reached"
        try:
            while now() < deadline and not self._left:
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))
                delay = min(MAX_DELAY, delay * 2 or 0.1)
                try:
                    async with asyncio.timeout(ATTEMPT_TIMEOUT):
                        return await self._reconnect()
                except DuologueError as error:
                    if not error.retryable:
                        raise
                    why = error.message
                except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError) as error:
                    why = f"{self._url} cannot be reached: {type(error).__name__}"
        except BaseException:
            self._token = None
            raise
        self._token = None
        raise StreamError(f"The connection broke off, and was not made again in {self._window:g} s. {why}.")

    async def _reconnect(self) -> Reconnected:
        separator = "&" if "?" in self._url else "?"
        socket = await self._open(f"{self._url}{separator}reconnect=1")
        try:
            assert self._token is not None
            message = Reconnect(
                version=VERSION,
                token=self._token,
                output=self._output,
                generation=self._generation,
                messages=self._messages,
                input=self.position,
            )
            await socket.send(dump(message))
            first = await socket.recv()
            answer = parse_server(first) if isinstance(first, str) else None
            if isinstance(answer, Error):
                raise as_exception(answer)
            if not isinstance(answer, Reconnected):
                raise StreamError("The server began with something else than `reconnected`.")
            # The token is used: if the connection breaks before all is sent, the new one counts.
            self._token, self._window = answer.resume_token, answer.resume_s
            if answer.restored:
                self._interrupted = -1
            for data in self._sent.missing(answer.messages, answer.input):
                await socket.send(data)
        except BaseException:
            socket.transport.abort()  # a closing handshake would end the session
            raise
        self._socket = socket
        self.reconnects += 1
        return answer

    def _open_socket(self) -> ClientConnection:
        if self._socket is None:
            raise InvalidStateError("The conversation is not open.", hint="Use it inside `async with connect(…)`.")
        return self._socket
