"""What clients may choose."""

from typing import Any

import pytest

from duologue.conversation.config import ConversationConfig
from duologue.errors import ConfigError
from duologue.server.policy import CallPolicy
from duologue.session import CallRequest, TurnTaking

RULES = ConversationConfig()


def test_nothing_asked_for_changes_nothing() -> None:
    assert CallPolicy().apply(CallRequest(), RULES) == RULES


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"action_delay": 0.05}, "action_delay_s is 0.05, and this server allows 0.1 to 2"),
        ({"action_delay": 1.9, "timeout": 0.6}, "action_delay_s is 1.9, and must not be above timeout_s, which is 0.6"),
        ({"action_delay": float("nan")}, "action_delay_s is nan"),
        ({"timeout": 11.0}, "timeout_s is 11, and this server allows 0.5 to 10"),
        ({"barge_in": False}, "does not let clients choose barge-in"),
    ],
)
def test_what_is_out_of_bounds_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CallPolicy(barge_in=False).apply(CallRequest(turn_taking=TurnTaking(**asked)), RULES)


def test_what_is_so_anyway_may_be_asked_for() -> None:
    asked = TurnTaking(barge_in=True)
    assert CallPolicy(barge_in=False).apply(CallRequest(turn_taking=asked), RULES) == RULES


@pytest.mark.parametrize("bounds", [(2.0, 1.0), (-1.0, 1.0), (0.0, float("inf"))])
def test_bounds_that_are_none_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="must be two numbers of seconds"):
        CallPolicy(timeout=bounds)
