"""Whether calls are recorded, where to, and for how long recordings are kept."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from duologue.agent import CallInfo
from duologue.errors import ConfigError

__all__ = ["DAY", "REFUSAL", "Consent", "RecordingConfig", "refuses"]

Consent = bool | Callable[[CallInfo], bool | Awaitable[bool]]
REFUSAL: Final = "record"
"""The key in a client's metadata that refuses a recording, if its value is false."""
DAY: Final = 86_400.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class RecordingConfig:
    """Recordings of calls: both voices, what was understood, and every decision.

    Raises ConfigError without consent, and for limits that cannot be meant.
    """

    folder: str | os.PathLike[str]
    """Where recordings are written; made if it is missing, readable by its owner alone."""
    consent: Consent = False
    """True states that all callers have agreed to be recorded. A function of the `CallInfo` decides for each call, and
    may be async; a call is not recorded if it fails."""
    max_age: float = 30 * DAY
    """Seconds after which a recording is deleted."""
    max_bytes: int = 10_000_000_000
    """Bytes of all recordings in the folder; the oldest are deleted when there are more."""
    audio: bool = True
    """Whether the two audio tracks are recorded. Without them a recording can be replayed, but not heard."""
    max_waiting_bytes: int = 64_000_000
    """Memory for what waits to be written, of each process. If the disk is slow, audio is left out beyond half of it,
    and recordings end beyond all of it."""

    def __post_init__(self) -> None:
        if self.consent is not True and not callable(self.consent):
            raise ConfigError(
                "Calls are not recorded without consent.",
                hint="Ask callers first. Then give --record-consent (consent=True), or a function that decides.",
            )
        if not self.max_age > 0 or self.max_bytes < 1 or self.max_waiting_bytes < 1:
            raise ConfigError("max_age, max_bytes and max_waiting_bytes of recordings must be more than 0.")
        if not os.fspath(self.folder):
            raise ConfigError("The folder of recordings has no name.")

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder)


def refuses(call: CallInfo) -> bool:
    """Return True if the client asked in its metadata not to be recorded."""
    return call.metadata.get(REFUSAL) is False
