"""The reason for which a call ends, as applications give it and clients, logs and metrics get it."""

from __future__ import annotations

from typing import Final

from duologue.agent.text import repaired
from duologue.errors import ConfigError

__all__ = ["MAX_END_REASON", "end_reason"]

MAX_END_REASON: Final = 100
"""Characters; the rest is cut off."""


def end_reason(reason: str, default: str) -> str:
    """One line of at most MAX_END_REASON characters; `default` if nothing is left. Raises ConfigError for no text."""
    if not isinstance(reason, str):
        raise ConfigError(f"The reason of the end is {type(reason).__name__}; expected a text.")
    line = " ".join(repaired(reason[: 2 * MAX_END_REASON]).split())
    return line[:MAX_END_REASON].rstrip() or default
