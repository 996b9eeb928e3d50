"""What bytes of sound mean: their encoding and their rate."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from duologue.errors import ConfigError, InvalidAudioError

__all__ = [
    "ENCODINGS",
    "FRAME",
    "FRAME_SAMPLES",
    "RATE",
    "RATES",
    "SESSION_FORMAT",
    "WINDOW",
    "AudioFormat",
    "Encoding",
    "as_pcm",
    "check_gap",
    "check_position",
    "check_whole_samples",
]

RATE: Final = 16_000
"""Samples a second of the audio that sessions, rules and models work on."""

FRAME: Final = 0.02
"""Seconds of audio that are sent, received and paced at once."""

FRAME_SAMPLES: Final = round(FRAME * RATE)
"""Samples of a frame at `RATE`."""

WINDOW: Final = 512
"""Samples at `RATE`, 32 ms, of one window of voice activity detection and echo estimation."""

MAX_GAP: Final = 2**40
"""Samples of one gap, at most: two years."""

Encoding = Literal["pcm_s16le", "mulaw", "alaw"]
"""16-bit little-endian PCM, or one of the two laws of ITU-T G.711. Sound is always mono."""

ENCODINGS: Final[tuple[Encoding, ...]] = get_args(Encoding)

RATES: Final = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)
"""Samples a second that live sound may have."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The encoding and the rate of a stream of mono sound.

    At 16 kHz `pcm_s16le`, 640 bytes are 20 ms and 3200 bytes are 100 ms.
    Raises ConfigError for an encoding or a rate that is not in ENCODINGS and RATES.
    """

    encoding: Encoding = "pcm_s16le"
    rate: int = RATE
    """Samples a second."""

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ConfigError(f"The encoding {self.encoding!r} is not one of {', '.join(ENCODINGS)}.")
        if isinstance(self.rate, bool) or self.rate not in RATES:
            raise ConfigError(f"The rate {self.rate!r} is not one of {', '.join(map(str, RATES))}.")

    @property
    def bytes_per_sample(self) -> int:
        """2 for PCM, 1 for G.711."""
        return 2 if self.encoding == "pcm_s16le" else 1

    def frame_bytes(self, seconds: float) -> int:
        """The bytes in a frame of so many seconds, rounded to whole samples.

        Raises ConfigError where `seconds` is negative or not a number.
        """
        if not 0 <= seconds < math.inf:
            raise ConfigError(f"A frame lasts 0 seconds or more, not {seconds!r}.")
        return round(seconds * self.rate) * self.bytes_per_sample

    def seconds(self, n_bytes: int) -> float:
        """How long so many bytes sound."""
        return n_bytes / self.bytes_per_sample / self.rate

    def check(self, data: bytes | bytearray | memoryview) -> None:
        """Raise InvalidAudioError unless `data` is whole samples."""
        check_whole_samples(data, self.bytes_per_sample)


def check_whole_samples(data: bytes | bytearray | memoryview, bytes_per_sample: int = 2) -> None:
    """Raise InvalidAudioError unless `data` is a whole number of samples; no bytes at all are no samples."""
    n_bytes = data.nbytes if isinstance(data, memoryview) else len(data)
    if n_bytes % bytes_per_sample:
        raise InvalidAudioError(f"{n_bytes} bytes are not whole samples of {bytes_per_sample} bytes each.")


def as_pcm(data: Any) -> bytes:
    """Return sound as bytes. Raises InvalidAudioError for anything else: an array counts samples, not bytes."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise InvalidAudioError(
        f"Audio came as {type(data).__name__}; expected bytes.",
        hint='Send 16-bit little-endian samples as bytes; an array of numpy gives them with .astype("<i2").tobytes().',
    )


def check_gap(samples: Any) -> int:
    """Return a number of missing samples. Raises ConfigError for what is none."""
    try:
        number = operator.index(samples)
    except TypeError:
        number = -1
    if not 0 <= number <= MAX_GAP:
        raise ConfigError(f"A gap is 0 samples or more, not {samples!r}.", hint="Skip a whole number of samples.")
    return number


def check_position(position: Any) -> int:
    """Return the position of a sample, of one with a fraction that before it. Raises ConfigError for what is none."""
    try:
        return int(position)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"A position is a number of samples, not {position!r}.", hint="Count samples.") from None


SESSION_FORMAT: Final = AudioFormat("pcm_s16le", RATE)
"""What a session hears: every leg is converted to this before it comes in."""
