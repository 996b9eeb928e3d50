"""What the parts of a session may ask of it, and the weak reference through which they do."""

from __future__ import annotations

import logging
import weakref
from typing import Protocol

from duologue.agent.faults import FaultLog
from duologue.conversation import effects
from duologue.conversation.inputs import Input
from duologue.errors import DuologueError
from duologue.session.events import FunctionCallRequested, Metered, ToolCalled, TurnMeasured

__all__ = ["Host", "WeakHost", "WordsHost"]

_faults = FaultLog(logging.getLogger(__name__))


class Host(Protocol):
    """A session, as its parts see it."""

    id: str

    @property
    def accepted(self) -> int:
        """Samples of input so far."""
        ...

    def tell_rules(self, input_: Input) -> None:
        """Hand an input to the rules."""
        ...

    def failed(self, error: DuologueError, turn: int = 0) -> None:
        """Log and publish an error, of this turn if of any."""
        ...

    def broken(self, error: Exception) -> None:
        """End the call, which cannot go on."""
        ...

    def progressed(self) -> None:
        """Wake what waits for the session to get on."""
        ...

    def measured(self, measured: TurnMeasured) -> None:
        """Publish that a turn was answered audibly."""
        ...

    def publish(self, event: ToolCalled | FunctionCallRequested | Metered) -> None:
        """Publish what a part observed."""
        ...


class WordsHost(Protocol):
    """Who asks for words."""

    def answer_words(self, ask: effects.RequestTranscript, text: str) -> None:
        """Take the words that were asked for."""
        ...

    def fail_words(self, ask: effects.RequestTranscript, error: DuologueError, *, reported: bool) -> None:
        """Take note that they will not come; `reported`: the error has been published."""
        ...

    def tell_rules(self, input_: Input) -> None:
        """Tell the rules."""
        ...

    def report(self, error: DuologueError) -> None:
        """Publish an error of the provider."""
        ...

    def note_fault(self, error: DuologueError | None) -> None:
        """Count a fault of the provider, and publish it unless it is None."""
        ...


class WeakHost:
    """Refers to a session weakly, so that its parts do not keep it alive in a cycle.

    Cycles are freed by the garbage collector alone, which stops every call while it runs. Once the session is closed or
    freed, nothing reaches it any more, and what fails late is logged.
    """

    def __init__(self, session: Host, id_: str) -> None:
        self.id: str = id_
        self._session = weakref.ref(session)
        self._is_closed = False

    def close(self) -> None:
        """Pass nothing on any more."""
        self._is_closed = True

    @property
    def _host(self) -> Host | None:
        return None if self._is_closed else self._session()

    @property
    def accepted(self) -> int:
        """Samples of input so far."""
        return host.accepted if (host := self._host) else 0

    def tell_rules(self, input_: Input) -> None:
        """Hand an input to the rules."""
        if host := self._host:
            host.tell_rules(input_)

    def failed(self, error: DuologueError, turn: int = 0) -> None:
        """Log an error, and publish it while the session lives."""
        if host := self._host:
            host.failed(error, turn)
        else:
            _faults.write(f"Session {self.id}, which had ended", error, call=self.id, turn=turn)

    def broken(self, error: Exception) -> None:
        """End the call, which cannot go on."""
        if host := self._host:
            host.broken(error)

    def progressed(self) -> None:
        """Wake what waits for the session to get on."""
        if host := self._host:
            host.progressed()

    def measured(self, measured: TurnMeasured) -> None:
        """Publish that a turn was answered audibly."""
        if host := self._host:
            host.measured(measured)

    def publish(self, event: ToolCalled | FunctionCallRequested | Metered) -> None:
        """Publish what a part observed."""
        if host := self._host:
            host.publish(event)
