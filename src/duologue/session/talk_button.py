"""The button to talk: it takes effect where the user pressed it, once the audio before it has been scored."""

from __future__ import annotations

from collections import deque
from typing import Final

from duologue.conversation import inputs
from duologue.conversation.conversation import Conversation
from duologue.errors import InvalidStateError, OverloadedError
from duologue.session.host import Host
from duologue.session.input_buffer import InputBuffer

__all__ = ["TalkButton"]

MAX_WAITING: Final = 16
"""Presses and releases that may wait for audio to be scored."""


class TalkButton:
    """Tells the rules of presses and releases in their place in the audio.

    Audio may wait, under load or after a lost connection: a release that did not wait for it would cut off what the
    user said.
    """

    def __init__(self, host: Host, rules: Conversation, hearing: InputBuffer, window: int) -> None:
        self.waiting: deque[tuple[int, inputs.TurnBegun | inputs.TurnEnded]] = deque()
        """Each with its position in the audio."""
        self._host = host
        self._rules = rules
        self._hearing = hearing
        self._window = window

    def press(self) -> None:
        """The button is down."""
        self._move(inputs.TurnBegun(), down=True)

    def release(self) -> None:
        """The button is up."""
        self._move(inputs.TurnEnded(), down=False)

    def advance(self) -> None:
        """Tell what is due at the position of the rules."""
        while self.waiting and (self._is_scored or self.waiting[0][0] < self._hearing.position + self._window):
            _, moved = self.waiting.popleft()
            is_down = isinstance(moved, inputs.TurnBegun)
            if is_down != self._rules.is_held:  # else what it belongs to was cleared meanwhile
                self._host.tell_rules(moved)

    def clear(self) -> None:
        """Forget what waits."""
        self.waiting.clear()

    @property
    def _is_scored(self) -> bool:
        """True if less audio waits than is scored at once."""
        return self._hearing.lag < self._window

    def _move(self, moved: inputs.TurnBegun | inputs.TurnEnded, *, down: bool) -> None:
        if not self.waiting and self._is_scored:
            self._host.tell_rules(moved)
            return
        was_down = isinstance(self.waiting[-1][1], inputs.TurnBegun) if self.waiting else self._rules.is_held
        if was_down == down:
            raise InvalidStateError(
                "The turn has begun already; end it first." if down else "No turn has begun; begin one first."
            )
        if len(self.waiting) >= MAX_WAITING:
            raise OverloadedError(f"{MAX_WAITING} turns wait for their audio.", hint="Begin fewer turns.")
        self.waiting.append((self._hearing.end, moved))
