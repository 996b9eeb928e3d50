"""What clients may choose in `start`, within what the server allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from duologue.conversation.config import ConversationConfig
from duologue.errors import ConfigError
from duologue.session.request import CallRequest, TurnTaking

__all__ = ["CallPolicy"]


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """What a client may ask for. None allows all that the server has; bounds are seconds, both included."""

    agents: Sequence[str] | None = None
    """Agents that a client may name; the others are reached by a hand-over only."""
    voices: Sequence[str] | None = None
    """Voices that a client may name."""
    denoisers: Sequence[str] | None = None
    """Denoisers that a client may name, and "" for none of them; None allows "", the server's own, and those that come
    with duologue and are installed."""
    action_delay: tuple[float, float] = (0.1, 2.0)
    """Bounds of `turn_taking.action_delay_s`."""
    timeout: tuple[float, float] = (0.5, 10.0)
    """Bounds of `turn_taking.timeout_s`."""
    barge_in: bool = True
    """Whether a client may choose if the agent can be interrupted."""
    eagerness: bool = True
    """Whether a client may choose how soon the agent answers, by a name or a price."""

    def __post_init__(self) -> None:
        for name, bounds in (("action_delay", self.action_delay), ("timeout", self.timeout)):
            if len(bounds) != 2 or not 0 <= bounds[0] <= bounds[1] < float("inf"):
                raise ConfigError(f"{name} is {bounds}, and must be two numbers of seconds, the lower one first.")

    def choose(self, what: str, asked: str | None, known: Sequence[str], allowed: Sequence[str] | None) -> str:
        """The name that was asked for; without one, the first that is known. `what` is such as "agent".

        Raises ConfigError if it is unknown or not allowed, without telling which.
        """
        if asked is None:
            return known[0]
        open_to_all = [name for name in known if allowed is None or name in allowed]
        if asked in open_to_all:
            return asked
        listed = ", ".join(name or '""' for name in open_to_all)
        hint = f"Ask for one of: {listed}." if open_to_all else f"Ask for no {what} at all."
        raise ConfigError(f"There is no {what} {asked!r} here.", hint=hint)

    def apply(self, request: CallRequest, rules: ConversationConfig) -> ConversationConfig:
        """The rules of a call: the server's, with what the client chose. Raises ConfigError for what is not allowed."""
        asked = request.turn_taking
        changed = replace(rules, turns=request.turns)
        if asked == TurnTaking():
            return changed
        delay = self._within("action_delay_s", asked.action_delay, self.action_delay, rules.endpointing.action_delay)
        timeout = self._within("timeout_s", asked.timeout, self.timeout, rules.endpointing.timeout)
        barge_in = rules.barge_in
        if asked.barge_in is not None and asked.barge_in != barge_in.enabled:
            if not self.barge_in:
                raise ConfigError("This server does not let clients choose barge-in.", hint="Leave it out of `start`.")
            barge_in = replace(barge_in, enabled=asked.barge_in)
        eagerness = rules.endpointing.eagerness
        if asked.eagerness is not None and asked.eagerness != eagerness:
            if not self.eagerness:
                raise ConfigError("This server does not let clients choose eagerness.", hint="Leave it out of `start`.")
            eagerness = asked.eagerness
        if delay > timeout:
            raise ConfigError(
                f"turn_taking.action_delay_s is {delay:g}, and must not be above timeout_s, which is {timeout:g}.",
                hint="Lower the one or raise the other.",
            )
        endpointing = replace(rules.endpointing, action_delay=delay, timeout=timeout, eagerness=eagerness)
        return replace(changed, endpointing=endpointing, barge_in=barge_in)

    def _within(self, name: str, asked: float | None, bounds: tuple[float, float], default: float) -> float:
        if asked is None:
            return default
        low, high = bounds
        if low <= asked <= high:
            return asked
        raise ConfigError(
            f"turn_taking.{name} is {asked:g}, and this server allows {low:g} to {high:g}.",
            hint="Ask for a value within these bounds, or for none.",
        )
