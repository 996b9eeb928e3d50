"""A recorded call, read back."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from duologue.audio.format import RATE, RATES
from duologue.conversation.config import ConversationConfig
from duologue.conversation.inputs import Input, Now
from duologue.errors import InvalidRecordingError
from duologue.recording.effects import EffectRecord, decode_effects
from duologue.recording.file import MAX_BLOCK_BYTES, Block, Kind, open_blocks, read_json, unpack_audio, unpack_speech
from duologue.recording.inputs import from_line
from duologue.recording.settings import decode_settings

__all__ = ["Frames", "Recording", "Step", "read_recording", "read_undamaged"]


@dataclass(frozen=True, slots=True)
class Step:
    """One input to the rules and its effects."""

    input: Input
    now: Now
    effects: list[EffectRecord]


@dataclass(frozen=True, slots=True)
class Frames:
    """A stretch of the agent's audio, as it was sent."""

    input_position: int
    """The samples of input that had come."""
    position: int
    """The samples of output that were sent before."""
    generation: int
    wall: float
    pcm: bytes


@dataclass(slots=True)
class Recording:
    """A recorded call. Audio stays on the disk until it is asked for."""

    path: Path
    header: dict[str, Any]
    settings: ConversationConfig
    steps: list[Step] = field(default_factory=list)
    end: dict[str, Any] | None = None
    """What is known of the call once it is over; None if the recording breaks off."""
    rest: int = 0
    """Bytes after the last whole block: they were being written when the process died, or the file is damaged."""
    notes: list[str] = field(default_factory=list)
    """What to know of the recording before it is trusted."""

    @property
    def call(self) -> str:
        """The id of the call."""
        return str(self.header["call"]["id"])

    @property
    def is_whole(self) -> bool:
        """True if it reaches from the start of the call to its end."""
        return self.end is not None and not self.end.get("cut")

    @property
    def seconds(self) -> float:
        """Seconds of the user's audio."""
        return self.steps[-1].now.pos / RATE if self.steps else 0.0

    def heard(self, *, cleaned: bool = False) -> Iterator[tuple[int, bytes]]:
        """Return the user's audio in pieces, each with its position; later pieces replace earlier ones.

        `cleaned`: as the recognizer heard it, less the agent's echo.
        """
        kinds = (Kind.HEARD, Kind.CLEANED) if cleaned else (Kind.HEARD,)
        for block in open_blocks(self.path):
            if block.kind in kinds:
                yield unpack_audio(block)

    def spoken(self) -> Iterator[Frames]:
        """Return the agent's audio in the order in which it was sent."""
        for block in open_blocks(self.path):
            if block.kind == Kind.SPOKEN:
                yield Frames(*unpack_speech(block))


def read_recording(path: Path) -> Recording:
    """Read a recorded call, whole or cut off.

    Raises InvalidRecordingError for what is no recording, one of another version, and one without a header.
    """
    recording: Recording | None = None
    rest: list[int] = []
    for block in open_blocks(path, audio=False, on_rest=rest.append):
        if recording is None:
            recording = _begin(path, block)
        elif block.kind == Kind.EVENTS:
            recording.steps += _steps(block, len(recording.steps))
        elif block.kind == Kind.END:
            recording.end = read_json(block)
    if recording is None:
        raise InvalidRecordingError(f"{path.name} breaks off before its header.", hint="Nothing of it can be replayed.")
    recording.rest = sum(rest)
    if recording.end is None:
        recording.notes.append("the recording breaks off: the process ended before the call did, or it is damaged")
    elif cut := recording.end.get("cut"):
        why = {"too_slow": "the disk was too slow", "invalid": "an input could not be recorded"}
        recording.notes.append(f"the recording ends before the call: {why.get(str(cut), 'it could not be written')}")
    if recording.end is not None and (dropped := recording.end.get("audio_dropped")):
        recording.notes.append(f"{dropped} pieces of audio are missing: the disk was too slow")
    return recording


def read_undamaged(path: Path) -> Recording:
    """Read a recorded call for a test, which would pass without what is missing.

    Raises InvalidRecordingError as `read_recording` does, and for a file that does not end with a whole block.
    """
    recording = read_recording(path)
    if recording.rest:
        raise InvalidRecordingError(
            f"{path.name} is damaged: its last {recording.rest} bytes cannot be read.",
            hint="Save it again with `duologue replay CALL --save-test FOLDER`.",
        )
    return recording


def _begin(path: Path, block: Block) -> Recording:
    if block.kind != Kind.HEADER:
        raise InvalidRecordingError(f"{path.name} does not begin with a header.", hint="Name a recorded call.")
    header = read_json(block)
    missing = [key for key in ("call", "settings", "window", "output_rate", "versions") if key not in header]
    if missing or not isinstance(header["call"], dict) or "id" not in header["call"]:
        raise InvalidRecordingError(f"The header of {path.name} lacks {', '.join(missing) or 'the call'}.")
    if not (isinstance(header["versions"], dict) and isinstance(header.get("session", {}), dict)):
        raise InvalidRecordingError(f"The header of {path.name} has versions or a session that are no object.")
    if (rate := header["output_rate"]) not in RATES or isinstance(rate, float):
        raise InvalidRecordingError(f"The header of {path.name} has an output rate that no voice has.")
    settings, notes = decode_settings(header["settings"])
    return Recording(path, header, settings, notes=notes)


def _steps(block: Block, before: int) -> Iterator[Step]:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(block.content, MAX_BLOCK_BYTES)
    except zlib.error:
        raise InvalidRecordingError("A block of inputs cannot be unpacked.") from None
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise InvalidRecordingError(f"A block of inputs has more than {MAX_BLOCK_BYTES} bytes, or is not whole.")
    waiting: tuple[Input, Now] | None = None
    number = before
    for line in text.splitlines():
        try:
            if line.startswith(b"["):
                if waiting is None:
                    raise InvalidRecordingError("Effects stand before any input.")
                yield Step(*waiting, decode_effects(line))
                waiting = None
                continue
            if waiting is not None:
                yield Step(*waiting, [])
            number += 1
            waiting = from_line(line)
        except InvalidRecordingError as error:
            raise InvalidRecordingError(f"Input {number}: {error.message}") from None
    if waiting is not None:
        yield Step(*waiting, [])
