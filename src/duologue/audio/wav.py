"""Reads WAV files of any kind as 16-bit mono, and writes 16-bit mono.

The standard library's `wave` reads neither float nor extensible files on Python 3.11, so RIFF is parsed here
(Multimedia Programming Interface and Data Specifications 1.0; WAVEFORMATEXTENSIBLE as Microsoft documents it).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio import g711
from duologue.audio.format import RATE, Encoding, check_whole_samples
from duologue.audio.resample import FILE_RATES, resample
from duologue.errors import ConfigError, InvalidAudioError

__all__ = ["MAX_WAV_BYTES", "Wav", "read_wav", "read_wav_16k", "write_wav"]

MAX_WAV_BYTES: Final = 1 << 30
"""Longer files are refused before they are read."""

_MAX_CHANNELS = 8
_UNKNOWN_SIZE = 0x7FFFF000
"""From here on a data size is one of the marks that recorders write before they know it, and above the limit anyway."""
_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_SUBTYPE_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_BLOCK = 1 << 18
_Samples = NDArray[np.int16] | NDArray[np.floating[Any]]
_HINT = "Give a WAV file of PCM (8, 16, 24 or 32 bits), float or G.711 sound."


@dataclass(frozen=True, slots=True, eq=False)
class Wav:
    """The sound of a file."""

    samples: NDArray[np.int16]
    """(n,) mono: the mean of the file's channels; float beyond -1..1 is held at full scale."""
    rate: int
    """Samples a second."""
    truncated: bool = False
    """True if the file ends before its header says, or in the middle of a sample."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.rate


@dataclass(frozen=True, slots=True)
class _Format:
    tag: int
    channels: int
    rate: int
    bits: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8


def read_wav(source: str | os.PathLike[str] | bytes | BinaryIO, *, max_bytes: int = MAX_WAV_BYTES) -> Wav:
    """Read a WAV file, from its path, its bytes or an open binary file, at the rate that it has.

    Takes PCM of 8, 16, 24 and 32 bits, float of 32 and 64, and G.711, in 1 to 8 channels, at the rates in FILE_RATES.
    Raises InvalidAudioError for anything else, for no sound at all and for more than `max_bytes`; OSError where the
    file cannot be read.
    """
    data = _load(source, max_bytes)
    if bytes(data[:4]) != b"RIFF" or bytes(data[8:12]) != b"WAVE":
        raise _invalid("The file is empty." if not data else "The file is not a WAV: it does not begin with RIFF…WAVE.")
    form: _Format | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = bytes(data[at : at + 4]), int.from_bytes(data[at + 4 : at + 8], "little")
        body = at + 8
        if name == b"fmt ":
            form = _parse_format(data[body : body + size])
        elif name == b"data":
            if form is None:
                raise _invalid("The WAV has its data before its format.")
            return _parse_data(data, body, size, form)
        at = body + size + (size & 1)  # chunks of an odd size are padded
    raise _invalid("The WAV has no data chunk.")


def read_wav_16k(source: str | os.PathLike[str] | bytes | BinaryIO, *, max_bytes: int = MAX_WAV_BYTES) -> Wav:
    """The same at 16 kHz, resampled where the file has another rate."""
    wav = read_wav(source, max_bytes=max_bytes)
    return wav if wav.rate == RATE else Wav(resample(wav.samples, wav.rate, RATE), RATE, wav.truncated)


def write_wav(target: str | os.PathLike[str] | BinaryIO, pcm: bytes | NDArray[np.int16], rate: int) -> None:
    """Write 16-bit mono sound, (n,) int16 or bytes, as a WAV file.

    Raises InvalidAudioError unless it is whole 16-bit samples and fits a WAV, ConfigError for a rate that is not in
    FILE_RATES, OSError where the file cannot be written.
    """
    if isinstance(pcm, np.ndarray):
        if pcm.dtype != np.int16 or pcm.ndim != 1:
            raise InvalidAudioError(f"Samples are one-dimensional int16, not {pcm.ndim}-dimensional {pcm.dtype}.")
        pcm = pcm.astype("<i2").tobytes()
    check_whole_samples(pcm)
    if rate not in FILE_RATES:
        raise ConfigError(f"The rate {rate!r} is not one of {', '.join(map(str, sorted(FILE_RATES)))}.")
    if len(pcm) > MAX_WAV_BYTES:
        raise InvalidAudioError(f"{len(pcm)} bytes are too long for one WAV file: at most {MAX_WAV_BYTES}.")
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(pcm),
        b"WAVE",
        b"fmt ",
        16,
        _PCM,
        1,
        rate,
        2 * rate,
        2,
        16,
        b"data",
        len(pcm),
    )
    if isinstance(target, (str, os.PathLike)):
        with Path(target).open("wb") as file:
            file.write(header)
            file.write(pcm)
    else:
        target.write(header)
        target.write(pcm)


def _load(source: str | os.PathLike[str] | bytes | BinaryIO, max_bytes: int) -> memoryview:
    if isinstance(source, (str, os.PathLike)):
        with Path(source).open("rb") as file:
            return _load(file, max_bytes)
    data = bytearray()
    if isinstance(source, bytes):
        data += source[: max_bytes + 1]
    else:
        while len(data) <= max_bytes and (piece := source.read(1 << 20)):
            data += piece
    if len(data) > max_bytes:
        raise InvalidAudioError(f"The file is longer than {max_bytes} bytes.", hint="Cut it into shorter files.")
    return memoryview(data)


def _parse_format(chunk: memoryview) -> _Format:
    if len(chunk) < 16:
        raise _invalid(f"The WAV's format chunk has {len(chunk)} bytes; it must have 16 or more.")
    tag, channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE:
        if len(chunk) < 40 or chunk[26:40] != _SUBTYPE_TAIL:
            raise _invalid("The WAV is extensible, of a subtype that is not known.")
        tag = int.from_bytes(chunk[24:26], "little")
    form = _Format(tag, channels, rate, bits)
    if not 1 <= channels <= _MAX_CHANNELS:
        raise _invalid(f"The WAV has {channels} channels; 1 to {_MAX_CHANNELS} can be read.")
    if rate not in FILE_RATES:
        raise _invalid(f"The WAV has a rate of {rate} Hz; it must be one of {', '.join(map(str, sorted(FILE_RATES)))}.")
    if (tag, bits) not in _DECODERS:
        raise _invalid(f"The WAV holds sound of format {tag:#06x} with {bits} bits, which cannot be read.")
    if frame_bytes != form.frame_bytes:
        raise _invalid(f"The WAV's frames have {frame_bytes} bytes; its format makes them {form.frame_bytes}.")
    return form


def _parse_data(data: memoryview, start: int, size: int, form: _Format) -> Wav:
    there = len(data) - start
    # A header that was written before the end was known has 0 there; but 0 in a file that otherwise adds up is 0.
    adds_up = int.from_bytes(data[4:8], "little") + 8 == len(data)
    streamed = size >= _UNKNOWN_SIZE or (size == 0 and not adds_up)
    n_bytes = there if streamed else min(size, there)
    frames, rest = divmod(n_bytes, form.frame_bytes)
    if frames == 0:
        raise _invalid("The WAV has no sound in it.")
    decode = _DECODERS[form.tag, form.bits]
    out = np.empty(frames, np.int16)
    for first in range(0, frames, _BLOCK):
        last = min(first + _BLOCK, frames)
        block = decode(data[start + first * form.frame_bytes : start + last * form.frame_bytes])
        if form.channels > 1:
            block = block.reshape(-1, form.channels).mean(axis=1)
        if block.dtype != np.int16:
            block = np.clip(np.rint(block), -32768, 32767)
        out[first:last] = block
    return Wav(out, form.rate, truncated=rest != 0 or (not streamed and size > there))


def _int24(data: memoryview) -> _Samples:
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return wide.view("<i4")[:, 0] / 65536.0


def _float(data: memoryview, dtype: str) -> _Samples:
    values = np.frombuffer(data, dtype).astype(np.float64)
    if not np.isfinite(values).all():
        raise _invalid("The WAV holds a value that is not a number (NaN or infinity).")
    return np.clip(values, -1, 1) * 32768


def _g711(data: memoryview, law: Encoding) -> _Samples:
    return np.frombuffer(g711.decode(data.tobytes(), law), "<i2")


# Each gives the samples of all channels in turn, in units of 16-bit samples.
_DECODERS: Final[dict[tuple[int, int], Callable[[memoryview], _Samples]]] = {
    (_PCM, 8): lambda data: (np.frombuffer(data, np.uint8) - 128.0) * 256,
    (_PCM, 16): lambda data: np.frombuffer(data, "<i2"),
    (_PCM, 24): _int24,
    (_PCM, 32): lambda data: np.frombuffer(data, "<i4") / 65536.0,
    (_FLOAT, 32): lambda data: _float(data, "<f4"),
    (_FLOAT, 64): lambda data: _float(data, "<f8"),
    (_ALAW, 8): lambda data: _g711(data, "alaw"),
    (_MULAW, 8): lambda data: _g711(data, "mulaw"),
}


def _invalid(message: str) -> InvalidAudioError:
    return InvalidAudioError(message, hint=_HINT)
