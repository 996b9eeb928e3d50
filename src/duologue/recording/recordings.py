"""Recordings of calls in a folder, written by one thread for all calls of the process."""

from __future__ import annotations

import errno
import logging
import os
import re
import threading
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from duologue.errors import ConfigError
from duologue.recording.blocks import end_block, header_block, to_blocks
from duologue.recording.config import RecordingConfig
from duologue.recording.file import SUFFIX, Kind, preamble
from duologue.recording.recorder import Budget, CallRecorder, Noted
from duologue.recording.retention import remove_old

__all__ = ["FLUSH_EVERY", "Recordings", "check_recording_folder"]

log: Final = logging.getLogger(__name__)

FLUSH_EVERY: Final = 0.25
"""Seconds between two writes of each call: what a process that is killed loses of it, at most."""
PRUNE_EVERY: Final = 600.0
"""Seconds between two looks for recordings that are too old."""
CLOSING: Final = 5.0
"""Seconds that what waits has when the server ends."""


class Recordings:
    """Writes a file for each call that is recorded.

    A recording that cannot be written, as on a full disk, ends there: the log says so once until writing works again,
    and `failed` counts it. No call waits for it. Raises ConfigError if the folder cannot be made or written to.
    """

    def __init__(self, config: RecordingConfig, *, flush_every: float = FLUSH_EVERY) -> None:
        self.config = config
        self.folder: Path = config.path
        self.written: int = 0
        """Recordings that were written to their end."""
        self.failed: int = 0
        """Recordings that could not be written."""
        self.refused = 0
        """Calls that were not recorded because consent was refused."""
        self.budget: Budget = Budget(config.max_waiting_bytes)
        self._flush_every = flush_every
        self._started: deque[CallRecorder] = deque()
        self._files: dict[CallRecorder, _File] = {}
        self._is_broken = False
        """Writing failed, and the log says so."""
        self._is_closing = threading.Event()
        check_recording_folder(self.folder)
        self._thread = threading.Thread(target=self._run, name="duologue-recordings", daemon=True)
        self._thread.start()

    def recorder(self, header: dict[str, Any]) -> CallRecorder:
        """Return the recorder of a call that has not begun; `header` is what `recording_header` returns."""
        return CallRecorder(header, self.budget, self._started.append, audio=self.config.audio)

    def counters(self) -> dict[str, float]:
        """What became of the recordings, as plain numbers."""
        return {
            "recordings_written": self.written,
            "recordings_failed": self.failed,
            "recordings_refused": self.refused,
            "recordings_cut": self.budget.cut,
            "recordings_audio_dropped": self.budget.audio_dropped,
            "recordings_waiting_bytes": self.budget.waiting,
        }

    def close(self) -> None:
        """Write what waits, for at most CLOSING seconds."""
        self._is_closing.set()
        self._thread.join(CLOSING)

    def flush(self) -> None:
        """Write what has been noted of all calls. For the writer's thread, and for tests after `close`."""
        while self._started:
            recorder = self._started.popleft()
            self._files[recorder] = _File(self.folder, recorder)
        for recorder, file in list(self._files.items()):
            noted: list[Noted] = []
            with suppress(IndexError):
                while True:
                    noted.append(recorder.queue.popleft())
            if noted:
                self._write(recorder, file, noted)
                self.budget.written += sum(size for _, size, _ in noted)

    def _run(self) -> None:
        beats = 0
        every = max(1, round(PRUNE_EVERY / self._flush_every))
        is_last = False
        while not is_last:
            is_last = self._is_closing.wait(self._flush_every if beats else 0.0)
            if beats % every == 0:
                self._prune()
            beats += 1
            self.flush()
        for file in self._files.values():
            file.close()

    def _write(self, recorder: CallRecorder, file: _File, noted: list[Noted]) -> None:
        is_over = noted[-1][0] is Kind.END
        if not file.has_failed:
            try:
                for block in to_blocks(recorder, noted):
                    file.append(block)
                if is_over:
                    file.append(end_block(recorder, *noted[-1][2]))
                    file.sync()
            except Exception as error:
                file.has_failed = True
                self._fail(recorder, error)
            else:
                self._mend()
        if is_over:
            file.close()
            del self._files[recorder]
            self.written += not file.has_failed

    def _fail(self, recorder: CallRecorder, error: Exception) -> None:
        recorder.cut = "failed"
        self.failed += 1
        if not self._is_broken:
            self._is_broken = True
            log.error("A call cannot be recorded to %s: %s.", self.folder, _reason(error))

    def _mend(self) -> None:
        if self._is_broken:
            self._is_broken = False
            log.warning("Calls are recorded again; %d recordings are not whole.", self.failed)

    def _prune(self) -> None:
        try:
            remove_old(self.folder, max_age=self.config.max_age, max_bytes=self.config.max_bytes)
        except Exception as error:
            log.error("Old recordings in %s cannot be deleted: %s.", self.folder, _reason(error))


class _File:
    """The file of one call, which is made with the first block."""

    def __init__(self, folder: Path, recorder: CallRecorder) -> None:
        self.has_failed = False
        self._recorder = recorder
        self._folder = folder
        self._file: int | None = None
        self._size = 0

    def append(self, block: bytes) -> None:
        """Append a block, all of it or nothing."""
        if self._file is None:
            self._file = self._open()
            block = preamble() + header_block(self._recorder) + block
        try:
            view = memoryview(block)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(block)

    def sync(self) -> None:
        """Have the operating system write all of it to the disk."""
        if self._file is not None:
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
            self._file = None

    def _open(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        call = re.sub(r"[^A-Za-z0-9_-]", "-", str(self._recorder.header["call"]["id"]))[:64]
        path = self._folder / f"{stamp}-{call}{SUFFIX}"
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)


def check_recording_folder(folder: Path) -> None:
    """Make the folder for recordings. Raises ConfigError if it cannot be made or written to."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"Calls cannot be recorded to {folder}: {error.strerror}.", hint="Choose another folder."
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"Calls cannot be recorded to {folder}: it is not writable.")


def _reason(error: BaseException) -> str:
    if isinstance(error, ConfigError) and error.__cause__ is not None:
        return _reason(error.__cause__)
    if isinstance(error, OSError):
        return "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror or type(error).__name__)
    return type(error).__name__
