"""What was said, as it was heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Message"]


@dataclass(frozen=True, slots=True)
class Message:
    """One side's words in one turn."""

    role: Literal["user", "agent"]
    text: str
    """User: what was understood. Agent: what the user *heard*."""
    said: str = ""
    """Agent: all that it wanted to say; longer than `text` where it was interrupted."""
    interrupted: bool = False
    estimated: bool = False
    """True where what was heard had to be estimated, for want of playback marks or of exact word timings."""
