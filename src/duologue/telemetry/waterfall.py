"""The waterfall of a turn: named parts that add up to its voice-to-voice latency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["PARTS", "waterfall"]

PARTS: Final[dict[str, str]] = {
    "speech_end": "speech_stopped",
    "transcript": "words",
    "end_of_turn": "due",
    "input_lag": "decided",
    "agent": "first_text",
    "clause": "clause",
    "voice": "first_clause",
    "playout": "first_audio",
}
"""The parts in order, each with the stage at which it ends."""


def waterfall(stages: Mapping[str, float], total: float) -> dict[str, float]:
    """Divide the latency of a turn among its parts.

    A part lasts from the end of the one before to its own stage; one whose stage came earlier, as the text of a reply
    that was prepared, takes nothing. A part without a stage takes nothing either, and the last takes the rest.

    Args:
        stages: Seconds after the user's last sample at which each stage was reached.
        total: The voice-to-voice latency in seconds.

    Returns:
        Seconds by part, all of them at least 0. Their sum is `total`.
    """
    parts: dict[str, float] = {}
    reached, last = 0.0, next(reversed(PARTS))
    for part, stage in PARTS.items():
        until = total if part == last else min(stages.get(stage, reached), total)
        parts[part] = max(0.0, until - reached)
        reached = max(reached, until)
    return parts
