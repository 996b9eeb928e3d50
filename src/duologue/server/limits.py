"""What one client of a stream may do, and what its messages cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "BYTES_PER_S",
    "CHATTER_S",
    "COMMAND_S",
    "FLOOD_S",
    "FRAME_S",
    "MESSAGE_S",
    "OVERHEAD_S",
    "TURN_S",
    "StreamLimits",
]

FRAME_S: Final = 0.001
"""Seconds that a message of audio counts as at least: a flood of small ones costs as much."""

# What everything but audio costs of a budget of its own, which a second gives back each second.

CHATTER_S: Final = 2.0
"""What may be spent of it at once."""
TURN_S: Final = 0.5
"""Of a typed turn, which is answered."""
COMMAND_S: Final = 0.05
"""Of a message that changes the conversation, and of a mistake."""
MESSAGE_S: Final = 0.005
"""Of any other message."""
OVERHEAD_S: Final = 0.002
"""Of a frame that is no message."""
BYTES_PER_S: Final = 1_000_000
"""Text counts by its length, too."""
FLOOD_S: Final = 10.0
"""What a client may owe of that budget before its session ends; it is held back long before."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one client may do. Durations are seconds."""

    start_timeout: float = 10.0
    """Time for the first message."""
    progress_timeout: float = 5.0
    """Longest time without progress in sending to the client."""
    close_timeout: float = 1.0
    """Time for the last messages of a session that has ended."""
    max_ahead: float = 1.0
    """Input may run this far ahead of real time; beyond, it is held back."""
    max_behind: float = 5.0
    """Input that was held up on its way may come at once: so much of it, and `max_ahead` more."""
    max_errors: int = 20
    """Mistakes that a client may make in `error_window`; one more ends the session."""
    error_window: float = 10.0
    """See `max_errors`."""
    drain_timeout: float = 10.0
    """Time that a turn has to end when the server ends."""
    resume_window: float = 30.0
    """Time for which a resumable session is kept without a connection; 0 for not at all."""
    catch_up: float = 5.0
    """Input that a client may send again after it has reconnected."""
