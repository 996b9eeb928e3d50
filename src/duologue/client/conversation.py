"""One conversation with a server; it reconnects by itself if the connection breaks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from duologue.client.refusals import as_exception, broken, refusal
from duologue.client.resumable import ResumableConnection
from duologue.errors import (
    DeadlineError,
    StreamError,
)
from duologue.wire import frames
from duologue.wire.fields import VERSION, Audio, TurnTaking
from duologue.wire.messages import (
    Ack,
    Clear,
    ClientMessage,
    End,
    Ended,
    Error,
    Interrupt,
    Interrupted,
    Mark,
    Meter,
    Ping,
    ServerMessage,
    Started,
    Text,
    TurnBegin,
    TurnEnd,
    dump,
    make_start,
    parse_server,
)

__all__ = ["AudioFrame", "Conversation", "connect"]


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """A stretch of the agent's voice."""

    position: int
    """Index of its first sample, in the rate of `audio_out`."""
    generation: int
    """The reply that it belongs to."""
    data: bytes
    """Samples in the encoding of `audio_out`."""


class Conversation(ResumableConnection):
    """One conversation with a server: `async with` opens and closes it, `async for` yields what arrives.

    It yields messages and AudioFrames, in order; the audio of replies that were interrupted is left out. A fatal
    error of the server is raised by the iteration, as the error that it names; the others are given like any message.
    Iterate all the time: a client that does not read is cut off.

    If the connection breaks, the iteration reconnects and continues, as long as the server keeps the session:
    it gives `Reconnected`, and then what was missed. Audio that is sent meanwhile is kept, up to RESEND_S, and sent
    then.
    """

    started: Started
    """What the server agreed to."""

    async def __aenter__(self) -> Self:
        """Connect and start.

        Raises DeadlineError, OverloadedError or StreamError, or what the server refused the session with.
        """
        try:
            async with asyncio.timeout(self._timeout):
                self._socket = await self._open(self._url)
                await self._say(self._start)
                first = await anext(self, None)
        except TimeoutError:
            await self.aclose()
            raise DeadlineError(f"{self._url} did not start a session in {self._timeout:g} s.") from None
        except InvalidStatus as error:
            raise refusal(self._url, error.response.status_code, error.response.body) from None
        except (OSError, InvalidHandshake) as error:
            raise StreamError(f"{self._url} cannot be reached: {error}", hint="Is the server running?") from error
        except (InvalidURI, ValueError) as error:  # ValueError: its port or its host cannot be
            raise StreamError(
                f"{self._url} is no address of a server: {error}",
                hint="An address looks like ws://127.0.0.1:8000/v1/stream.",
            ) from error
        except BaseException:
            await self.aclose()
            raise
        if not isinstance(first, Started):
            await self.aclose()
            raise StreamError(f"The server began with {type(first).__name__}, where `started` was expected.")
        self.started = first
        self._token, self._window = first.resume_token, first.resume_s
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; the server ends the session."""
        self._left = True
        if self._socket is not None:
            await self._socket.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerMessage | AudioFrame:
        """The next message or frame.

        Raises StopAsyncIteration after `ended`, StreamError where the connection broke off without it.
        """
        while not self._ended:
            if self._came:
                return self._came.popleft()
            socket = self._open_socket()
            try:
                received = await socket.recv()
            except ConnectionClosed as error:
                if not self._may_resume(error):
                    raise broken(error) from None
                await self._resume(socket)
                continue
            if isinstance(received, bytes):
                frame = frames.unpack(received, self._start.audio_out.bytes_per_sample)
                self._output = frame.position + len(frame.audio) // self._start.audio_out.bytes_per_sample
                self._generation = max(self._generation, frame.generation)
                if frame.generation > self._interrupted:
                    return AudioFrame(frame.position, frame.generation, bytes(frame.audio))
                continue
            message = parse_server(received)
            self._messages += not isinstance(message, Meter)
            match message:
                case Ack():
                    self._sent.acknowledge(message.position)
                case Interrupted():
                    self._interrupted = max(self._interrupted, message.generation)
                case Ended():
                    self._ended = True
                case Error(fatal=True):
                    raise as_exception(message)
            return message
        raise StopAsyncIteration

    async def send_audio(self, data: bytes) -> None:
        """Send samples in the encoding of `audio_in`; waits where the connection does not take them.

        Raises StreamError where the connection is closed.
        """
        frame = frames.pack(self.position, 0, data)
        self.position += len(data) // self._start.audio_in.bytes_per_sample
        self._sent.add_frame(self.position, frame)
        try:
            await self._open_socket().send(frame)
        except ConnectionClosed as error:
            if not self._may_resume(error):
                raise broken(error) from None

    def skip_audio(self, samples: int) -> None:
        """Tell with the next frame that so many samples before it are missing."""
        self.position += samples

    async def mark(self, position: int) -> None:
        """Tell that all output before this sample has sounded."""
        await self._say(Mark(position=position))

    async def text(self, text: str) -> None:
        """Take a turn by typing."""
        await self._say(Text(text=text))

    async def interrupt(self) -> None:
        """Silence the agent."""
        await self._say(Interrupt())

    async def clear(self) -> None:
        """Forget everything pending, on both sides."""
        await self._say(Clear())

    async def begin_turn(self) -> None:
        """Press the button to talk."""
        await self._say(TurnBegin())

    async def end_turn(self) -> None:
        """Let it go."""
        await self._say(TurnEnd())

    async def ping(self, number: int) -> None:
        """Ask for a `pong`."""
        await self._say(Ping(id=number))

    async def end(self) -> None:
        """Ask for the end; iterate on to hear what was heard, and `ended`."""
        await self._say(End())

    async def _say(self, message: ClientMessage) -> None:
        await self._send(dump(message))


def connect(
    url: str,
    *,
    audio_in: Audio | None = None,
    audio_out: Audio | None = None,
    agent: str | None = None,
    language: str | None = None,
    voice: str | None = None,
    turns: Literal["auto", "manual"] = "auto",
    turn_taking: TurnTaking | None = None,
    denoise: str | None = None,
    greeting: bool = True,
    marks: bool = False,
    meter: float | None = None,
    metadata: Mapping[str, Any] | None = None,
    resumable: bool = True,
    timeout: float = 10.0,
    ping_interval: float | None = 20.0,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> Conversation:
    """A conversation with the server at `url`, to be entered with `async with`.

    `timeout` is the seconds in which it must have started. `token` authorizes the call. `headers`
    are sent with the request; `ssl_context` is for a `wss` address whose certificate the system does not know. The rest
    is sent to the server as `Start` describes it. `meter` is its `meter_s`: seconds between two `Meter` that tell what
    the detectors make of the sound. `metadata` is a JSON object for the application. A `resumable` conversation goes
    on by itself where the connection breaks. Raises InvalidMessageError if one of these cannot be sent, such as
    metadata that is too large.
    """
    start = make_start(
        version=VERSION,
        audio_in=audio_in or Audio(),
        audio_out=audio_out or Audio(rate=24_000),
        agent=agent,
        language=language,
        voice=voice,
        turns=turns,
        turn_taking=turn_taking or TurnTaking(),
        denoise=denoise,
        greeting=greeting,
        marks=marks,
        meter_s=meter,
        resumable=resumable,
        metadata=dict(metadata or {}),
    )
    if token is not None:
        headers = {**(headers or {}), "Authorization": f"Bearer {token}"}
    return Conversation(
        url, start, timeout=timeout, ping_interval=ping_interval, headers=headers, ssl_context=ssl_context
    )
