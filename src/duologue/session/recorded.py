"""Recorded audio that is played in place of speech."""

from __future__ import annotations

import os
from typing import BinaryIO, Final

from duologue.audio.resample import Resampler
from duologue.audio.wav import read_wav
from duologue.errors import InvalidAudioError

__all__ = ["MAX_PLAY_S", "RECORDING", "read_recording"]

MAX_PLAY_S: Final = 120.0
"""Seconds of the longest recording."""

RECORDING: Final = "(a recording)"
"""What the history has for one of unknown words."""


def read_recording(source: str | os.PathLike[str] | bytes | BinaryIO, rate: int) -> bytes:
    """The audio of a WAV file as PCM16 at `rate`; this may take a while. Raises InvalidAudioError."""
    try:
        wav = read_wav(source)
    except OSError as error:
        raise InvalidAudioError(f"The recording cannot be read: {error.strerror}.", hint="Check its path.") from error
    if not 0 < wav.duration <= MAX_PLAY_S:
        raise InvalidAudioError(
            f"The recording lasts {wav.duration:.1f} s, and may last {MAX_PLAY_S:g} s.", hint="Play a shorter one."
        )
    pcm = wav.samples.tobytes()
    if wav.rate == rate:
        return pcm
    resampler = Resampler(wav.rate, rate)
    return resampler.process(pcm) + resampler.flush()
