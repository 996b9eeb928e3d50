"""A recorded call for other programs: a stereo WAV with the user left and the agent right, and a text with times."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.audio.resample import resample
from duologue.errors import ConfigError, InvalidRecordingError
from duologue.recording.recording import Frames, Recording
from duologue.recording.summary import transcript

__all__ = ["check_target", "text_lines", "write_stereo_wav", "write_text"]

MAX_SECONDS: Final = 8 * 3600
"""Of one call; what a WAV file has room for is about twice as much."""
MAX_RUN_S: Final = 30.0
"""Seconds of the agent's audio that are resampled at once."""
JOINED_S: Final = 0.1
"""Audio that was sent within this many seconds of the end of what was sent before belongs right after it."""
_ZEROS: Final = bytes(2**20)
_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")


def write_stereo_wav(recording: Recording, target: Path) -> float:
    """Write both voices as 16-bit stereo at 16 kHz, the user left and the agent right; returns its seconds.

    What is missing of the user's audio is silence. Raises InvalidRecordingError if the recording has no audio, and
    ConfigError if the file cannot be written or is the recording itself.
    """
    check_target(recording, target)
    runs = list(_run_ends(recording))
    end = max((start + len(pcm) // 2 for start, pcm in recording.heard()), default=0)
    end = max([end, *runs])
    if not end:
        raise InvalidRecordingError(f"{recording.path.name} has no audio.", hint="It was recorded without audio.")
    if end > MAX_SECONDS * RATE:
        raise InvalidRecordingError(f"The call has {end / RATE:.0f} s; the limit is {MAX_SECONDS} s.")
    try:
        with target.open("wb") as file:
            size = 4 * end
            file.write(
                _HEADER.pack(b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 2, RATE, 4 * RATE, 4, 16, b"data", size)
            )
            _allocate(file, size)
        samples = np.memmap(target, np.int16, "r+", _HEADER.size, (end, 2))
    except OSError as error:
        if target.is_file():
            target.unlink(missing_ok=True)  # nothing of it could be heard
        raise ConfigError(f"{target} cannot be written: {error.strerror}.", hint="Choose another file.") from None
    for start, pcm in recording.heard():
        samples[start : start + len(pcm) // 2, 0] = np.frombuffer(pcm, np.int16)
    for start, run in _runs(recording):
        samples[start : start + len(run), 1] = run
    samples.flush()
    return end / RATE


def check_target(recording: Recording, target: Path) -> None:
    """Raise ConfigError if a file to be written is the recording that it is made from."""
    try:
        is_same = target.samefile(recording.path)
    except OSError:  # it does not exist yet, or cannot be written either
        is_same = False
    if is_same:
        raise ConfigError(f"{target} is the recording itself.", hint="Choose another file.")


def _allocate(file: BinaryIO, size: int) -> None:
    """Append `size` zeros that have their place on the disk: a mapped file that finds it full would end the process."""
    if hasattr(os, "posix_fallocate"):
        file.flush()
        os.posix_fallocate(file.fileno(), file.tell(), size)
        return
    for at in range(0, size, len(_ZEROS)):
        file.write(_ZEROS[: size - at])


def _runs(recording: Recording) -> Iterator[tuple[int, NDArray[np.int16]]]:
    """Return the agent's audio at 16 kHz in runs without a gap, each with its place in the user's audio."""
    rate = int(recording.header["output_rate"])
    end = 0
    for start, pcm in _joined(recording.spoken(), rate):
        samples: NDArray[np.int16] = np.frombuffer(pcm, np.int16)
        run = samples if rate == RATE else resample(samples, rate, RATE)
        start = max(start, end)  # what was sent ahead of its time sounds after what was sent before
        end = start + len(run)
        yield start, run


def _run_ends(recording: Recording) -> Iterator[int]:
    return (start + len(run) for start, run in _runs(recording))


def _joined(frames: Iterable[Frames], rate: int) -> Iterator[tuple[int, bytes]]:
    start, parts, size, due = 0, list[bytes](), 0, 0.0
    for each in frames:
        if not parts or each.wall - due > JOINED_S or size > MAX_RUN_S * rate:
            if parts:
                yield start, b"".join(parts)
            start, parts, size, due = each.input_position, [], 0, each.wall
        parts.append(each.pcm)
        size += len(each.pcm) // 2
        due += len(each.pcm) / 2 / rate
    if parts:
        yield start, b"".join(parts)


def text_lines(recording: Recording) -> list[str]:
    """Return what was said and heard, a line each, with the time at which it began."""
    lines = []
    for line in transcript(recording):
        minutes, seconds = divmod(line.at, 60)
        cut = "  (interrupted)" if line.interrupted else ""
        lines.append(f"{int(minutes):3d}:{seconds:06.3f}  {line.who:5}  {line.text}{cut}")
    return lines


def write_text(recording: Recording, target: Path) -> None:
    """Write `text_lines` below a line that names the call.

    Raises ConfigError if the file cannot be written or is the recording itself.
    """
    check_target(recording, target)
    head = f"call {recording.call}, {recording.header.get('started_at', '')}, {recording.seconds:.1f} s"
    try:
        target.write_text("\n".join([head, "", *text_lines(recording)]) + "\n", "utf-8", "replace")
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}.", hint="Choose another file.") from None
