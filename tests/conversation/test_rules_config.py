from __future__ import annotations

from typing import Any

import pytest

from duologue.conversation.config import ConversationConfig
from duologue.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"apology": 5}, "a text"),
        ({"greeting_interruptible": "no"}, "True or False"),
        ({"endpointing": "high"}, "a Endpointing"),
    ],
)
def test_a_setting_of_a_wrong_type_names_what_is_allowed(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ConversationConfig(**settings)
