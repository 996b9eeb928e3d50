"""The timers of a call: how long both sides have been silent, how long there was no turn, how old the call is."""

from __future__ import annotations

from dataclasses import dataclass

from duologue.audio.format import RATE
from duologue.conversation.config import ConversationConfig

__all__ = ["CallTimers"]


@dataclass(slots=True)
class CallTimers:
    """Deadlines in audio time, all as positions in samples.

    The agent's own speech never counts as time in which the user did nothing: the idle clock stands still while a
    reply is open, and the user gets `away_after` seconds to answer what was said last.
    """

    config: ConversationConfig
    started_at: int = 0
    idle_since: int = 0
    """The last decided turn, moved on by the time that the agent has taken to answer and to speak since."""
    spoke_at: int = 0
    """Position at which the agent last stopped speaking."""
    active_at: int = 0
    """Position at which either side last did something, or the user was last reported as away."""
    next_at: int = 0
    """Position at which the next timer may be due: until then, silence changes nothing."""

    def start(self, pos: int) -> None:
        """Begin the call."""
        self.started_at = self.idle_since = self.spoke_at = self.active_at = pos

    def turn_decided(self, pos: int) -> None:
        """Restart the idle clock."""
        self.idle_since = self.active_at = pos

    def agent_done(self, began: int, pos: int) -> None:
        """Take the time of a reply, from its request at `began` to its end at `pos`, off the idle clock."""
        self.idle_since = min(self.idle_since + pos - max(began, self.idle_since), pos)
        self.spoke_at = self.active_at = pos

    def is_over(self, pos: int) -> bool:
        """Return True if the call has reached its maximum duration."""
        return pos - self.started_at >= self.config.timeout * RATE

    def is_idle(self, pos: int) -> bool:
        """Return True if there was no turn for too long, and the user had time to answer what was said last."""
        return pos >= self._idle_at

    def is_away(self, pos: int) -> bool:
        """Return True if both sides have been silent for `away_after`, or for as long again since the last report."""
        return pos - self.active_at >= self.config.away_after * RATE

    def schedule(self) -> None:
        """Compute `next_at`."""
        ends_at = self.started_at + round(self.config.timeout * RATE)
        self.next_at = min(ends_at, self._idle_at, self.active_at + round(self.config.away_after * RATE))

    @property
    def _idle_at(self) -> int:
        c = self.config
        answer = min(c.away_after, c.idle_timeout)
        return max(self.idle_since + round(c.idle_timeout * RATE), self.spoke_at + round(answer * RATE))
