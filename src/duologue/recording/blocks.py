"""What a recorder noted as blocks of the file: encoded and deflated in the writer's thread."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from duologue.conversation.effects import Effect
from duologue.conversation.inputs import Input, Now, VadScored
from duologue.errors import InvalidRecordingError
from duologue.recording.effects import encode_effects
from duologue.recording.file import FORMAT_VERSION, Kind, pack_audio, pack_block, pack_json, pack_speech
from duologue.recording.inputs import VERSION, to_line
from duologue.recording.recorder import CallRecorder, Noted
from duologue.session.record import CallRecord

__all__ = ["end_block", "header_block", "to_blocks"]

WINDOW_LINE: Final = (
    '{{"version":{},"pos":{},"wall":{!r},"input":"VadScored",'
    '"fields":{{"start":{},"end":{},"probability":{!r},"echo_ratio":{!r}}}}}\n'
)
JOINED_S: Final = 0.1
"""A frame that comes within this many seconds of the end of the one before it belongs right after it."""
MAX_LINES: Final = 2**20
"""Bytes of lines in one block, before they are deflated; one input with its effects may have more."""
MAX_INPUT: Final = 16 * 2**20
"""Bytes of the lines of one input."""


def header_block(recorder: CallRecorder) -> bytes:
    """Return the first block."""
    return pack_json(Kind.HEADER, {**recorder.header, "format": FORMAT_VERSION, "inputs": VERSION})


def end_block(recorder: CallRecorder, record: CallRecord) -> bytes:
    """Return the last block."""
    return pack_json(
        Kind.END,
        {
            "reason": record.reason,
            "audio_s": round(record.audio, 3),
            "turns": [turn.as_dict() for turn in record.turns],
            "interruptions": record.interruptions,
            "false_interruptions": record.false_interruptions,
            "errors": [{"code": error.code, "turn": error.turn or None} for error in record.errors],
            "audio_dropped": recorder.audio_dropped,
            "cut": recorder.cut,
        },
    )


def to_blocks(recorder: CallRecorder, noted: Sequence[Noted]) -> Iterator[bytes]:
    """Return what was noted, but its end, as blocks; audio that belongs together is joined.

    The recording is cut before an input that cannot be recorded: a provider gave what its type may not hold.
    """
    yield from _events(recorder, [value for kind, _, value in noted if kind is Kind.EVENTS])
    for kind in (Kind.HEARD, Kind.CLEANED):
        for start, pcm in _joined([value for each, _, value in noted if each is kind]):
            yield pack_block(kind, pack_audio(start, pcm))
    frames = [value for kind, _, value in noted if kind is Kind.SPOKEN]
    for speech in _joined_frames(frames, recorder.header["output_rate"]):
        yield pack_block(Kind.SPOKEN, pack_speech(*speech))


def _events(recorder: CallRecorder, events: Sequence[tuple[Any, ...]]) -> Iterator[bytes]:
    lines: list[bytes] = []
    size = 0
    for input_, now, effects in events:
        if recorder.cut == "invalid":
            break
        try:
            lines.append(_lines(input_, now, effects))
        except InvalidRecordingError:
            recorder.cut = "invalid"
            break
        size += len(lines[-1])
        if size >= MAX_LINES:
            yield pack_block(Kind.EVENTS, zlib.compress(b"".join(lines), 1))
            lines, size = [], 0
    if lines:
        yield pack_block(Kind.EVENTS, zlib.compress(b"".join(lines), 1))


def _lines(input_: Input, now: Now, effects: Sequence[Effect]) -> bytes:
    """Return the line of one input, and that of its effects if it had any."""
    line = _window_line(input_, now) if isinstance(input_, VadScored) else to_line(input_, now)
    if effects:
        line += json.dumps(encode_effects(effects), separators=(",", ":")).encode() + b"\n"
    if len(line) > MAX_INPUT:
        raise InvalidRecordingError(f"An input and its effects have {len(line)} bytes; the limit is {MAX_INPUT}.")
    return line


def _window_line(window: VadScored, now: Now) -> bytes:
    """Return what `to_line` does, in a tenth of the time: most inputs by far are windows."""
    probability, echo_ratio = float(window.probability), float(window.echo_ratio)
    if not (abs(probability) <= 1.0 and abs(echo_ratio) <= 1.0):  # neither is infinite or no number
        return to_line(window, now)
    return WINDOW_LINE.format(VERSION, now.pos, now.wall, window.start, window.end, probability, echo_ratio).encode()


def _joined(pieces: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, bytes]]:
    """Return pieces of audio, those that follow each other without a gap as one."""
    start, parts, end = 0, list[bytes](), None
    for position, pcm in pieces:
        if position != end:
            if parts:
                yield start, b"".join(parts)
            start, parts = position, []
        parts.append(pcm)
        end = position + len(pcm) // 2
    if parts:
        yield start, b"".join(parts)


def _joined_frames(frames: Sequence[tuple[Any, ...]], rate: int) -> Iterator[tuple[int, int, int, float, bytes]]:
    """Return the agent's frames, those that were sent one after the other as one."""
    head: tuple[int, int, int, float] | None = None
    parts: list[bytes] = []
    size = 0
    for input_position, position, generation, wall, pcm in frames:
        follows = (
            head is not None
            and generation == head[2]
            and position == head[1] + size
            and wall - (head[3] + size / rate) < JOINED_S
        )
        if not follows:
            if head is not None:
                yield *head, b"".join(parts)
            head, parts, size = (input_position, position, generation, wall), [], 0
        parts.append(pcm)
        size += len(pcm) // 2
    if head is not None:
        yield *head, b"".join(parts)
