"""What the server sits on: something that opens sessions, and what it uses of a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

from duologue.conversation.events import Event
from duologue.session import AudioSink, CallRequest, SessionConfig
from duologue.session.checkpoint import CallCheckpoint

__all__ = ["Backend", "Session"]


class Session(Protocol):
    """One conversation, as the server uses it. `VoiceSession` is one."""

    config: SessionConfig

    @property
    def id(self) -> str:
        """Names the session in logs."""
        ...

    @property
    def is_recorded(self) -> bool:
        """Whether the server records the call; `started` tells the client."""
        ...

    @property
    def output_rate(self) -> int:
        """Samples a second of what the sink is given, and of `mark_playback`."""
        ...

    @property
    def dropped(self) -> int:
        """Samples of input that were dropped because they waited too long."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def process_audio(self, pcm: bytes) -> int:
        """Take 16 kHz mono PCM16."""
        ...

    def skip_audio(self, samples: int) -> None:
        """So many samples at 16 kHz are missing; those count once for which silence was noted already."""
        ...

    def interrupt(self) -> None:
        """Silence the agent."""
        ...

    def clear_buffers(self) -> None:
        """Forget everything pending."""
        ...

    def begin_turn(self) -> None:
        """The user presses the button to talk."""
        ...

    def end_turn(self) -> None:
        """The user lets it go."""
        ...

    def send_text(self, text: str) -> None:
        """Take a typed turn."""
        ...

    def mark_playback(self, position: int) -> None:
        """The client has played all output before this sample."""
        ...

    def meter(self, every: float) -> None:
        """Tell what the detectors make of the sound, each `every` seconds of it."""
        ...

    def watch(self, on_event: Callable[[Event], None], on_end: Callable[[str], None]) -> None:
        """Call `on_event` with all that happens from now on, and `on_end` with the reason after it."""
        ...

    def suspend(self) -> None:
        """The client has gone, and may come back."""
        ...

    def unsuspend(self, catch_up: float = ...) -> None:
        """It is back; it may send so many seconds of audio late."""
        ...

    def checkpoint(self) -> CallCheckpoint:
        """The state of the call."""
        ...

    @property
    def settled(self) -> bool:
        """Whether nothing is open on either side."""
        ...

    async def abandon(self) -> None:
        """Close what belongs to a session that could not be entered; does nothing for one that was."""
        ...

    async def hang_up(self, reason: str = ...) -> None:
        """End the session; does nothing if it has ended."""
        ...


class Backend(Protocol):
    """Opens sessions over what they share."""

    async def open_session(self, request: CallRequest, sink: AudioSink) -> Session:
        """A session as the client asked for it, not entered yet.

        Raises OverloadedError where there is no room, ConfigError or InputError where what was asked for cannot be
        given, and what the application's code fails with; entering the session may raise the same.
        """
        ...

    async def restore_session(
        self, request: CallRequest, sink: AudioSink, checkpoint: CallCheckpoint, call: str
    ) -> Session:
        """A session that continues the call of this id. Raises as `open_session` does."""
        ...

    def check(self, *, resumes: bool = False) -> None:
        """Raise OverloadedError where a session would be refused now, or one that `resumes` a call."""
        ...

    def counters(self) -> Mapping[str, float]:
        """What it has done since it was built, as plain numbers."""
        ...
