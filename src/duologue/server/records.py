"""Whole records of calls as JSON Lines in a folder: bounded, and written in a thread of their own."""

from __future__ import annotations

import errno
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from duologue.agent import CallInfo
from duologue.conversation.history import Message
from duologue.errors import ConfigError
from duologue.session import CallRecord
from duologue.telemetry.call_usage import dollars

__all__ = ["CallRecords", "call_entry", "check_folder"]

log: Final = logging.getLogger(__name__)

VERSION: Final = 1
"""Of the entries."""

MAX_BYTES: Final = 64_000_000
"""Of a file; the next record begins another."""

MAX_FILES: Final = 16
"""Files in the folder, of all processes; the oldest goes when there is one more."""

MAX_WAITING: Final = 256
"""Records that wait to be written; one more is dropped."""

CLOSING: Final = 5.0
"""Seconds that what waits has when the server ends."""

PATTERN: Final = "calls-*.jsonl"


class CallRecords:
    """Appends an entry for each call that ends to a file in `folder`, readable by the owner alone.

    A record that cannot be written, as on a full disk, is lost: the log says so once until writing works again, and
    `failed` counts it. No call waits for it. Raises ConfigError if the folder cannot be made or written to.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        max_bytes: int = MAX_BYTES,
        max_files: int = MAX_FILES,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        if max_bytes < 1 or max_files < 1:
            raise ConfigError("max_bytes and max_files of call records must be at least 1.")
        self.folder: Path = Path(folder)
        self.written: int = 0
        self.failed: int = 0
        """Records that could not be written."""
        self.dropped: int = 0
        """Records that were dropped because too many waited."""
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._queue: queue.Queue[Callable[[], Mapping[str, Any]] | None] = queue.Queue(max_waiting)
        self._file: int | None = None
        self._size = 0
        self._number = 0
        self._is_broken = False
        """Writing failed, and the log says so."""
        check_folder(folder)
        self._thread = threading.Thread(target=self._run, name="duologue-records", daemon=True)
        self._thread.start()

    def put(self, entry: Callable[[], Mapping[str, Any]]) -> None:
        """Have an entry made and written; a plain call that never waits or fails."""
        try:
            self._queue.put_nowait(entry)
        except queue.Full:
            self.dropped += 1
            if self.dropped == 1:
                log.warning("Records of calls are dropped: %d wait to be written.", self._queue.maxsize)

    def counters(self) -> dict[str, float]:
        """What became of the records, as plain numbers."""
        return {
            "records_written": self.written,
            "records_failed": self.failed,
            "records_dropped": self.dropped,
        }

    def close(self) -> None:
        """Write what waits, for at most CLOSING seconds."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=CLOSING)
        self._thread.join(CLOSING)

    def _run(self) -> None:
        while (make := self._queue.get()) is not None:
            try:
                line = json.dumps(make(), ensure_ascii=False, default=str).encode(errors="replace") + b"\n"
                self._append(line)
            except Exception as error:
                self.failed += 1
                if not self._is_broken:
                    self._is_broken = True
                    log.error("A record of a call cannot be written to %s: %s.", self.folder, _reason(error))
            else:
                self.written += 1
                if self._is_broken:
                    self._is_broken = False
                    log.warning("Records of calls are written again; %d were lost.", self.failed)
        if self._file is not None:
            os.close(self._file)

    def _append(self, line: bytes) -> None:
        if self._file is not None and self._size + len(line) > self._max_bytes:
            os.close(self._file)
            self._file = None
        if self._file is None:
            self._open()
        assert self._file is not None
        try:
            view = memoryview(line)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            with suppress(OSError):  # half a line would spoil the next one
                os.ftruncate(self._file, self._size)
            os.close(self._file)
            self._file = None
            raise
        self._size += len(line)

    def _open(self) -> None:
        self._number += 1
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        name = f"calls-{stamp}-{os.getpid()}-{self._number}.jsonl"
        self._file = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._size = 0
        self._remove_oldest()

    def _remove_oldest(self) -> None:
        files = sorted(self.folder.glob(PATTERN), key=_age)
        for old in files[: max(0, len(files) - self._max_files)]:
            with suppress(OSError):  # another process was faster
                old.unlink()


def call_entry(info: CallInfo, record: CallRecord, transcript: Sequence[Message], seconds: float) -> dict[str, Any]:
    """The entry of one call, as plain JSON types. It holds what was said, and neither headers nor claims."""
    ended = time.time()
    return {
        "version": VERSION,
        "call": info.id,
        "agent": info.agent,
        "agents": list(record.agents),
        "language": info.language,
        "voice": info.voice,
        "client": info.client,
        "metadata": dict(info.metadata),
        "started_at": _at(ended - seconds),
        "ended_at": _at(ended),
        "duration_s": round(seconds, 3),
        "audio_s": round(record.audio, 3),
        "missing_s": round(record.missing, 3),
        "reason": record.reason,
        "greeting": record.greeting,
        "interruptions": record.interruptions,
        "false_interruptions": record.false_interruptions,
        "usage": record.usage.as_list(),
        "cost_usd": dollars(record.usage.cost),
        "turns": [turn.as_dict() for turn in record.turns],
        "transcript": [
            {"role": message.role, "text": message.text, "interrupted": message.interrupted} for message in transcript
        ],
        "errors": [
            {"code": error.code, "message": error.message, "provider": error.provider, "turn": error.turn or None}
            for error in record.errors
        ],
    }


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _age(path: Path) -> tuple[float, str]:
    try:
        return path.stat().st_mtime, path.name
    except OSError:
        return 0.0, path.name


def check_folder(path: str | os.PathLike[str]) -> None:
    """Make the folder for records. Raises ConfigError if it cannot be made or written to."""
    folder = Path(path)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise ConfigError(
            f"Records of calls cannot be kept in {folder}: {error.strerror}.", hint="Choose another folder."
        ) from None
    if not writable:
        raise ConfigError(f"Records of calls cannot be kept in {folder}: it is not writable.")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror or type(error).__name__)
    return type(error).__name__
