"""G.711, the audio of telephones: one byte a sample, by the mu-law or the A-law (ITU-T G.711)."""

from __future__ import annotations

from duologue.audio._audioop import audioop
from duologue.audio.format import Encoding, check_whole_samples
from duologue.errors import ConfigError

__all__ = ["decode", "encode"]


def decode(data: bytes, encoding: Encoding) -> bytes:
    """16-bit PCM from `data` in `encoding`, at the same rate; PCM comes back as it is.

    Raises ConfigError for an encoding that is not known, InvalidAudioError for PCM that is not whole samples.
    """
    if encoding == "mulaw":
        return audioop.ulaw2lin(data, 2)
    if encoding == "alaw":
        return audioop.alaw2lin(data, 2)
    return _as_pcm(data, encoding)


def encode(pcm: bytes, encoding: Encoding) -> bytes:
    """16-bit PCM in `encoding`, at the same rate; the inverse of `decode` but for the rounding of the law.

    Raises ConfigError for an encoding that is not known, InvalidAudioError for PCM that is not whole samples.
    """
    check_whole_samples(pcm)
    if encoding == "mulaw":
        return audioop.lin2ulaw(pcm, 2)
    if encoding == "alaw":
        return audioop.lin2alaw(pcm, 2)
    return _as_pcm(pcm, encoding)


def _as_pcm(data: bytes, encoding: Encoding) -> bytes:
    if encoding != "pcm_s16le":
        raise ConfigError(f"The encoding {encoding!r} is not one of pcm_s16le, mulaw, alaw.")
    check_whole_samples(data)
    return data
