"""How far a client's sound has run ahead of the time in which it sounds."""

from __future__ import annotations

__all__ = ["RateLimiter"]


class RateLimiter:
    """Compares the audio of one client with the clock. Durations are seconds.

    Sound that was held up on its way comes in a burst: it makes up for the time in which nothing came, and is no hurry.
    So up to `max_behind` of such time is remembered. If it were not, a client that was cut off for some seconds would
    be held back ever after, and heard that much late.
    """

    def __init__(self, *, max_ahead: float, max_behind: float) -> None:
        self._max_ahead = max_ahead
        self._max_behind = max_behind
        self._sounded: float | None = None
        """When all sound so far will have sounded."""

    def catch_up(self, seconds: float, now: float) -> None:
        """Let so much sound come at once that was held up on its way."""
        since = now - min(seconds, self._max_behind)
        self._sounded = since if self._sounded is None else min(self._sounded, since)

    def take(self, seconds: float, now: float) -> float:
        """Count sound that comes at `now`; returns how long to take nothing more, 0 or less where nothing is ahead."""
        begun = now if self._sounded is None else max(self._sounded, now - self._max_behind)
        self._sounded = begun + seconds
        return self._sounded - now - self._max_ahead
