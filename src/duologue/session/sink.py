"""Where the agent's audio goes: the Protocol of a transport's output, and what it declares about itself."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, Literal, Protocol

from duologue.agent.faults import is_fault
from duologue.audio.format import RATES
from duologue.conversation.inputs import EndRequested
from duologue.errors import ConfigError, StreamError, with_cause
from duologue.session.host import Host

__all__ = ["AudioSink", "SinkCapabilities", "SinkOutput"]


@dataclass(frozen=True, slots=True)
class SinkCapabilities:
    """What a transport's output can do. Sessions read it once, before the first audio."""

    can_pause: bool = True
    """It stops in the middle of what it was sent, and goes on there. Otherwise the session has it drop what has not
    been played, and sends that again."""
    reports_marks: bool = False
    """It calls `session.mark_playback` all the time while it plays. Otherwise playback is timed by the clock until the
    first mark comes."""
    rate: int | None = None
    """Sample rate that it must be sent; None if it takes the voice's own, `session.output_rate`."""
    frame: float | None = None
    """Seconds of audio in each `send` but the last of a reply, in steps of 0.02; None for `SessionConfig.chunk`."""

    def __post_init__(self) -> None:
        if self.rate is not None and self.rate not in RATES:
            raise ConfigError(f"rate is {self.rate}, and must be one of {', '.join(map(str, RATES))}, or None.")
        if self.frame is not None and not (
            0.02 <= self.frame <= 0.1 and abs(self.frame / 0.02 - round(self.frame / 0.02)) < 1e-6
        ):
            raise ConfigError(f"frame is {self.frame} s, and must be 0.02 to 0.1 s, in steps of 0.02 s, or None.")


class AudioSink(Protocol):
    """Where the agent's voice goes, one for each session.

    Every method is a plain call on the loop's thread and never waits. A sink whose client has gone or is stuck takes
    all calls and does nothing; the transport ends the session. One that raises is not called again, and the call ends.
    A class of your own that derives from it needs `send` and `flush`, and `pause` and `resume` if it can pause.
    """

    capabilities: SinkCapabilities = SinkCapabilities()

    def send(self, pcm: bytes, position: int, generation: int) -> None:
        """Play 16-bit mono PCM at the session's `output_rate`, after what was sent before.

        Args:
            pcm: 20 ms, or `capabilities.frame`.
            position: The samples before it in this session, which marks refer to. It goes back where audio is sent
                again after a pause.
            generation: The reply that it belongs to.
        """
        ...

    def flush(self, generation: int) -> None:
        """Drop what has not been played of this generation and older.

        More of the same generation follows only to a sink that cannot pause.
        """
        ...

    def pause(self, generation: int) -> None:
        """Stop playing at once, and keep the rest."""
        return

    def resume(self, generation: int) -> None:
        """Resume playback where it was paused."""
        return


class SinkOutput:
    """The sink of one session, as its output uses it: adapted to what it can do, and left alone once it has failed."""

    def __init__(self, host: Host, sink: AudioSink | None) -> None:
        self.capabilities: SinkCapabilities = getattr(sink, "capabilities", AudioSink.capabilities)
        if not isinstance(self.capabilities, SinkCapabilities):
            kind = type(self.capabilities).__name__
            raise ConfigError(f"The sink's capabilities are a {kind}; expected SinkCapabilities.")
        needed = ("send", "flush", "pause", "resume") if self.capabilities.can_pause else ("send", "flush")
        missing = [name for name in needed if sink is not None and not callable(getattr(sink, name, None))]
        if missing:
            raise ConfigError(
                f"The sink {type(sink).__name__} has no method {', '.join(missing)}.",
                hint="Derive it from duologue.session.AudioSink; it must have send and flush, and pause and resume "
                "unless its capabilities have can_pause=False.",
            )
        awaited = [name for name in needed if iscoroutinefunction(getattr(sink, name, None))]
        if awaited:
            raise ConfigError(
                f"The sink {type(sink).__name__} has {', '.join(awaited)} as async; a sink is called, and not awaited.",
                hint="Write `def`, and hand what takes time to a task of the transport's own.",
            )
        self._host = host
        self._sink = sink

    def send(self, pcm: bytes, position: int, generation: int) -> None:
        """Have audio played."""
        self._call("send", pcm, position, generation)

    def pause(self, generation: int) -> None:
        """Have playback stop; what was not played is resumed, or sent again to a sink that cannot pause."""
        self._call("pause" if self.capabilities.can_pause else "flush", generation)

    def resume(self, generation: int) -> None:
        """Have playback go on, unless what was not played is sent again."""
        if self.capabilities.can_pause:
            self._call("resume", generation)

    def flush(self, generation: int) -> None:
        """Have everything dropped that was not played."""
        self._call("flush", generation)

    def _call(self, call: Literal["send", "pause", "resume", "flush"], *args: Any) -> None:
        if self._sink is None:
            return
        try:
            getattr(self._sink, call)(*args)
        except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
            if not is_fault(cause):
                raise
            self._sink = None
            error = StreamError(
                f"The sink failed to {call}: {type(cause).__name__}.", hint="A sink never raises; correct it."
            )
            self._host.failed(with_cause(error, cause))
            self._host.tell_rules(EndRequested("sink_failed"))
