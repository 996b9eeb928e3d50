"""What a speech-to-speech service was used for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RealtimeUsage"]


@dataclass(slots=True)
class RealtimeUsage:
    """What a service was used for since it was made, by all sessions."""

    connections: int = 0
    responses: int = 0
    heard_s: float = 0.0
    """Seconds of the user's audio that were sent."""
    spoken_s: float = 0.0
    """Seconds of audio that came."""
    input_tokens: int = 0
    output_tokens: int = 0
    cut: int = 0
    """Answers of GPT-Live that went on after they were taken for complete; the rest was not spoken."""
    errors: int = 0
    """Errors that the service reported and that did not end the connection."""
