"""G.711, the audio format of telephones: one byte for each sample, with mu-law or A-law (ITU-T G.711)."""

from __future__ import annotations

from duologue.audio._audioop import audioop
from duologue.audio.format import Encoding, check_whole_samples
from duologue.errors import ConfigError

__all__ = ["decode", "encode"]


def decode(data: bytes, encoding: Encoding) -> bytes:
    """Convert `data` in `encoding` to 16-bit PCM at the same rate; PCM is returned unchanged.

    Raises ConfigError for an unknown encoding, InvalidAudioError for PCM that is not whole samples.
    """
    if encoding == "mulaw":
        return audioop.ulaw2lin(data, 2)
    if encoding == "alaw":
        return audioop.alaw2lin(data, 2)
    return _as_pcm(data, encoding)


def encode(pcm: bytes, encoding: Encoding) -> bytes:
    """Convert 16-bit PCM to `encoding` at the same rate: the inverse of `decode`, except for rounding.

    Raises ConfigError for an unknown encoding, InvalidAudioError for PCM that is not whole samples.
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
