"""WAV files as other programs write them."""

import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from duologue.audio.g711 import encode
from duologue.audio.resample import resample

Samples = NDArray[np.int16]
PCM, FLOAT, MULAW = 1, 3, 7


def wav(data: bytes, *, tag: int = PCM, channels: int = 1, rate: int = 16_000, bits: int = 16) -> bytes:
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _bits_24(samples: Samples) -> bytes:
    wide = np.zeros((len(samples), 3), np.uint8)
    wide[:, 1:] = samples.astype("<i2").view(np.uint8).reshape(-1, 2)
    return wide.tobytes()


FORMATS: dict[str, Callable[[Samples], bytes]] = {
    "16 bits": lambda s: wav(s.tobytes()),
    "8 bits": lambda s: wav((s // 256 + 128).astype(np.uint8).tobytes(), bits=8),
    "24 bits": lambda s: wav(_bits_24(s), bits=24),
    "float": lambda s: wav((s / 32768).astype("<f4").tobytes(), tag=FLOAT, bits=32),
    "stereo": lambda s: wav(np.repeat(s, 2).tobytes(), channels=2),
    "44.1 kHz stereo": lambda s: wav(np.repeat(resample(s, 16_000, 44_100), 2).tobytes(), channels=2, rate=44_100),
    "telephone": lambda s: wav(encode(resample(s, 16_000, 8_000).tobytes(), "mulaw"), tag=MULAW, rate=8_000, bits=8),
}
"""Each writes 16 kHz mono samples as a file of its kind."""
