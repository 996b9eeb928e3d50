"""Who is shown all of a call as it happens: its audio, its inputs to the rules, and their effects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from duologue.agent.faults import is_fault
from duologue.conversation.effects import Effect
from duologue.conversation.inputs import Input, Now
from duologue.errors import HookError, with_cause
from duologue.session.host import Host
from duologue.session.record import CallRecord

__all__ = ["CallObserver", "Observers", "Tap"]

Tap = Callable[[Input, Now], None]
"""Observes each input to the rules, with its position and wall time."""


class CallObserver(Protocol):
    """What a recording is made from. Plain calls on the loop's thread, which must neither wait nor raise."""

    def told(self, input_: Input, now: Now, effects: Sequence[Effect]) -> None:
        """The rules have handled an input, with these effects, which are carried out next; none if they refused it."""
        ...

    def heard(self, position: int, samples: NDArray[np.int16]) -> None:
        """A window of the user's audio is about to be scored; `samples` are valid during this call only."""
        ...

    def cleaned(self, position: int, samples: NDArray[np.int16]) -> None:
        """The agent's echo was taken out of a window that was heard before; valid during this call only."""
        ...

    def spoke(self, pcm: bytes, position: int, generation: int, input_position: int, wall: float) -> None:
        """A frame of the agent's audio was sent, as `AudioSink.send` was given it, at this position of the input."""
        ...

    def ended(self, record: CallRecord) -> None:
        """The call is over; nothing follows."""
        ...


class Observers:
    """All observers of one session. One that raises is removed, and the call goes on."""

    def __init__(self, host: Host) -> None:
        self.taps: tuple[Tap, ...] = ()
        """Are shown each input before the rules handle it."""
        self._host = host
        self.all: tuple[CallObserver, ...] = ()

    def add(self, observer: CallObserver) -> None:
        """Show everything from now on to this one, too."""
        self.all += (observer,)

    def tap(self, input_: Input, now: Now) -> None:
        """The rules are about to handle an input."""
        for tap in self.taps:
            try:
                tap(input_, now)
            except BaseException as error:  # SystemExit, too: it would end the loop, and with it all other calls
                if not is_fault(error):
                    raise
                self.taps = tuple(other for other in self.taps if other is not tap)
                failure = HookError(f"An input tap raised {type(error).__name__}, and is removed.")
                self._host.failed(with_cause(failure, error))

    def told(self, input_: Input, now: Now, effects: Sequence[Effect]) -> None:
        """The rules have handled an input."""
        for observer in self.all:
            try:
                observer.told(input_, now, effects)
            except BaseException as error:
                self._remove(observer, error)

    def heard(self, position: int, samples: NDArray[np.int16]) -> None:
        """A window of the user's audio is about to be scored."""
        for observer in self.all:
            try:
                observer.heard(position, samples)
            except BaseException as error:
                self._remove(observer, error)

    def cleaned(self, position: int, samples: NDArray[np.int16]) -> None:
        """The agent's echo was taken out of a window."""
        for observer in self.all:
            try:
                observer.cleaned(position, samples)
            except BaseException as error:
                self._remove(observer, error)

    def spoke(self, pcm: bytes, position: int, generation: int, input_position: int, wall: float) -> None:
        """A frame of the agent's audio was sent."""
        for observer in self.all:
            try:
                observer.spoke(pcm, position, generation, input_position, wall)
            except BaseException as error:
                self._remove(observer, error)

    def ended(self, record: CallRecord) -> None:
        """The call is over."""
        for observer in self.all:
            try:
                observer.ended(record)
            except BaseException as error:
                self._remove(observer, error)
        self.all = ()

    def _remove(self, observer: CallObserver, error: BaseException) -> None:
        if not is_fault(error):  # SystemExit is one: it would end the loop, and with it all other calls
            raise error
        self.all = tuple(other for other in self.all if other is not observer)
        failure = HookError(f"An observer of the call raised {type(error).__name__}, and is removed.")
        self._host.failed(with_cause(failure, error))
