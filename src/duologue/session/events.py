"""What the shell adds to the events of the rules, and the bounded queue in which a subscriber reads both."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

from duologue.conversation import events
from duologue.conversation.events import Event
from duologue.errors import ConfigError, StreamError
from duologue.telemetry.waterfall import waterfall

__all__ = [
    "BudgetExceeded",
    "ErrorRaised",
    "FunctionCallRequested",
    "HandedOver",
    "Metered",
    "Subscription",
    "ToolCalled",
    "TurnMeasured",
    "YieldMeasured",
]


@dataclass(frozen=True, slots=True)
class TurnMeasured(Event):
    """How long a turn took to be answered; told when the reply first sounds. Seconds."""

    turn: int
    generation: int
    processing: float
    """Turn decided → first audible sample (above −50 dBFS) handed to the transport."""
    voice_to_voice: float
    """Last sample of the user's speech, by the VAD → the same."""
    speculation: Literal["hit", "none"]
    """Whether the reply had been prepared before the turn was decided."""
    stages: dict[str, float] = field(default_factory=dict)
    """Seconds after the last sample: `speech_stopped`, `words`, `score`, `due`, `decided`, `first_text`, `clause`,
    `first_clause`, `first_audio`."""

    @property
    def parts(self) -> dict[str, float]:
        """The waterfall: seconds by part, which add up to `voice_to_voice`."""
        return waterfall(self.stages, self.voice_to_voice)


@dataclass(frozen=True, slots=True)
class BudgetExceeded(Event):
    """A part of a turn took longer than the latency budget allows; told after the turn's `TurnMeasured`. Seconds."""

    turn: int
    generation: int
    reason: str
    """The part, or `voice_to_voice`."""
    took: float
    budget: float


@dataclass(frozen=True, slots=True)
class ToolCalled(Event):
    """The agent called a tool for a decided turn: published when the call is over and the turn is decided.

    The times are seconds after the user's last sample, as in `TurnMeasured.stages`.
    """

    turn: int
    generation: int
    name: str
    started: float
    finished: float
    outcome: Literal["done", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class FunctionCallRequested(Event):
    """The answer to a decided turn contains a call of a function, for a protocol that shows it or carries it out."""

    turn: int
    generation: int
    call: str
    """The id that the agent gave it."""
    name: str
    arguments: str
    """A JSON object."""


@dataclass(frozen=True, slots=True)
class HandedOver(Event):
    """Another agent answers from the next turn on."""

    agent: str
    """Its name."""


@dataclass(frozen=True, slots=True)
class YieldMeasured(Event):
    """How soon the agent fell silent for the user; told when nothing of it sounds any more. Seconds.

    `pos` and `behind` together are where the user's line is at that moment.
    """

    generation: int
    reason: Literal["pause", "cut_off"]
    """Whether the rest is kept."""
    silenced: float
    """Decided → silence at the sink."""
    behind: float
    """Of the line after `pos`: sound that has come and is not scored, and the time since the last of it came."""


@dataclass(frozen=True, slots=True)
class Metered(Event):
    """What the detectors make of the sound; told only in a session whose `meter` was asked for."""

    speech: float
    """Probability of speech, 0 to 1: the highest since the last of these events."""
    echo_ratio: float
    """Share of that sound which the agent's own voice explains, 0 to 1."""
    end_of_turn: float | None
    """Probability that the open turn is over, as scored last; None if no turn is open or none was scored."""
    silence: float | None
    """Seconds since the last speech of the open turn; None if none is open."""


@dataclass(frozen=True, slots=True)
class ErrorRaised(Event):
    """Something failed; the call goes on unless CallChanged says otherwise."""

    code: str
    message: str
    hint: str
    retryable: bool
    provider: str | None
    turn: int
    """0 if it belongs to no turn."""


KEPT = (
    events.TurnDecided,
    events.AgentHeard,
    events.Interrupted,
    events.CallChanged,
    TurnMeasured,
    ErrorRaised,
)
"""Never dropped: finals, errors, and what changes the floor."""


class Subscription:
    """One reader's queue of at most `max_queue` events.

    When it is full, the oldest that is not a final or an error is dropped and counted. If there is none to drop, the
    subscription ends with StreamError: its reader is too slow to get every event.
    """

    def __init__(self, max_queue: int) -> None:
        if max_queue < 1:
            raise ConfigError(f"max_queue is {max_queue}, and must be at least 1.")
        self.dropped: int = 0
        self._max = max_queue
        self._queue: deque[Event] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self._overrun = False

    def put(self, event: Event) -> None:
        """Add an event; a plain call."""
        if self._closed:
            return
        if len(self._queue) >= self._max:
            droppable = next((i for i, old in enumerate(self._queue) if not isinstance(old, KEPT)), None)
            if droppable is not None:
                del self._queue[droppable]
                self.dropped += 1
            elif isinstance(event, KEPT):
                self._overrun = self._closed = True
                self._changed.set()
                return
            else:
                self.dropped += 1
                return
        self._queue.append(event)
        self._changed.set()

    @property
    def closed(self) -> bool:
        """True if no more events are taken."""
        return self._closed

    def close(self) -> None:
        """No more events; what is queued can still be read."""
        self._closed = True
        self._changed.set()

    def drain(self) -> list[Event]:
        """All that wait, without waiting for more. Raises StreamError as iteration does."""
        events = list(self._queue)
        self._queue.clear()
        if not events:
            self._check()
        return events

    def _check(self) -> None:
        if self._overrun:
            raise StreamError(
                f"A reader of events fell {self._max} behind, and was cut off.",
                hint="Read events as soon as they arrive, or ask for a longer queue.",
            )

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while not self._queue:
            self._check()
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._queue.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
