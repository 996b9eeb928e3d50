"""What a speech recognizer declares about itself."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from duologue.audio.format import RATE
from duologue.errors import ConfigError

__all__ = ["SttCapabilities"]


@dataclass(frozen=True, slots=True)
class SttCapabilities:
    """What a speech recognizer can do, and what to expect of it. The defaults describe a batch service."""

    streaming: bool = False
    """Recognizes while the user speaks: sessions use `stream()`, else `transcribe()` for each utterance."""
    finalizes: bool = True
    """A stream answers `finalize` with finals. Otherwise a partial that reaches the position counts as the answer."""
    partials: bool = True
    """Gives words so far: a stream sends Partial events; a batch recognizer may be asked for unfinished speech."""
    word_times: bool = False
    """Finals say when each word is spoken."""
    end_of_turn: bool = False
    """A stream sends EndOfTurn events."""
    estimates_sound: bool = False
    """Transcripts have a `sound_estimate`, so that no turn model has to judge the audio as well."""
    languages: frozenset[str] = frozenset()
    """Language codes such as "en"; empty if the provider accepts any."""
    rates: tuple[int, ...] = (RATE,)
    """Sample rates that the provider takes without conversion. Sessions send 16 kHz, and streams convert it."""
    typical_latency: float | None = None
    """Seconds from a request, or from `finalize`, to the words. None if unknown: sessions then rely on measurements."""
    latency_per_s: float = 0.0
    """More seconds for each second of audio, for a batch recognizer."""
    cancel: bool = True
    """Cancelling a request stops the work, and its cost."""
    cost: float | None = None
    """US dollars for an hour of audio; None if unknown."""

    def __post_init__(self) -> None:
        for name in ("typical_latency", "latency_per_s", "cost"):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value >= 0):
                raise ConfigError(f"{name} is {value}, and must be a finite number of at least 0, or None.")
        if not self.rates or any(rate <= 0 for rate in self.rates):
            raise ConfigError(f"rates is {self.rates}, and must name at least one sample rate above 0.")
