"""What the parts of one conversation share: its settings, the time of the input at hand, and the effects so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec

from duologue.audio.format import RATE
from duologue.conversation.config import ConversationConfig
from duologue.conversation.effects import Effect
from duologue.conversation.events import Event
from duologue.conversation.inputs import CallRequested

__all__ = ["Context"]

P = ParamSpec("P")


class Context:
    """The time of the input that is being handled, and the effects that it has caused so far, in order."""

    __slots__ = ("capabilities", "config", "effects", "pos", "wall")

    def __init__(self, config: ConversationConfig) -> None:
        self.config = config
        self.pos = 0
        """Sample index of the input; never goes back."""
        self.wall = 0.0
        """Monotonic seconds."""
        self.effects: list[Effect] = []
        self.capabilities = CallRequested()
        """What the session can do, as it said when the call began."""

    def request(self, effect: Effect) -> None:
        """Append an effect that the session is to carry out."""
        self.effects.append(effect)

    def publish(self, event: Callable[Concatenate[int, float, P], Event], *args: P.args, **kwargs: P.kwargs) -> None:
        """Append an event that happens now; `args` are its fields after `pos` and `wall`."""
        self.effects.append(event(self.pos, self.wall, *args, **kwargs))

    def seconds_since(self, pos: int) -> float:
        """Return the seconds of audio between `pos` and now."""
        return (self.pos - pos) / RATE
