"""What the parts of one conversation share: its settings, the time of the input at hand, and the effects so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Concatenate, ParamSpec, TypeVar

from duologue.audio.format import RATE
from duologue.conversation.config import ConversationConfig
from duologue.conversation.effects import Effect
from duologue.conversation.events import Event
from duologue.conversation.inputs import CallRequested, SettingsChanged

__all__ = ["Context"]

P = ParamSpec("P")
T = TypeVar("T")


class Context:
    """The time of the input that is being handled, and the effects that it has caused so far, in order."""

    __slots__ = ("capabilities", "config", "effects", "pos", "wall")

    def __init__(self, config: ConversationConfig) -> None:
        self.config: ConversationConfig = config
        """What `SettingsChanged` can change is read from here; parts may keep the rest."""
        self.pos: int = 0
        """Sample index of the input; never goes back."""
        self.wall: float = 0.0
        """Monotonic seconds."""
        self.effects: list[Effect] = []
        self.capabilities: CallRequested = CallRequested()
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

    def change_settings(self, i: SettingsChanged) -> None:
        """Replace the settings that `i` names from now on.

        Raises:
            ConfigError: The settings do not fit together.
        """
        endpointing, barge_in = self.config.endpointing, self.config.barge_in
        self.config = replace(
            self.config,
            endpointing=replace(
                endpointing,
                action_delay=_chosen(i.action_delay, endpointing.action_delay),
                timeout=_chosen(i.timeout, endpointing.timeout),
                eagerness=_chosen(i.eagerness, endpointing.eagerness),
            ),
            barge_in=replace(barge_in, enabled=_chosen(i.barge_in, barge_in.enabled)),
        )
        speculates = _chosen(i.agent_speculates, self.capabilities.agent_speculates)
        self.capabilities = replace(self.capabilities, agent_speculates=speculates)


def _chosen(value: T | None, default: T) -> T:
    return default if value is None else value
