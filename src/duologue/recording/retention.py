"""How long recordings are kept, and their deletion."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from duologue.errors import ConfigError
from duologue.recording.file import SUFFIX, check_recording

__all__ = ["StoredCall", "check_is_call", "delete", "find_call", "remove_old", "stored_calls"]

MAX_NAME: Final = 4096
"""Characters of a path, at most."""
IN_USE_S: Final = 60.0
"""A file that was written to within so many seconds may belong to a live call, and is kept."""


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A recording in a folder."""

    path: Path
    bytes: int
    written_at: float
    """Unix time of the last write."""

    @property
    def call(self) -> str:
        """The id of the call."""
        return self.path.stem.partition("-")[2] or self.path.stem


def stored_calls(folder: Path) -> list[StoredCall]:
    """Return the recordings in a folder, oldest first; none of one that does not exist.

    Raises ConfigError if it is no folder or cannot be read.
    """
    try:
        with os.scandir(folder):
            pass
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its name cannot be"
        raise ConfigError(f"The folder {folder} cannot be read: {why}.", hint="Choose another folder.") from error
    return sorted(_stored(folder), key=lambda each: (each.written_at, each.path.name))


def _stored(folder: Path) -> Iterator[StoredCall]:
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(OSError):  # another process was faster
            status = path.stat()
            yield StoredCall(path, status.st_size, status.st_mtime)


def find_call(name: str, folder: Path) -> Path:
    """Return the file of a recorded call, named by its path or by the call's id.

    Raises ConfigError if there is none, if several calls have this id, or if the folder cannot be read.
    """
    path = Path(name)
    try:
        if path.is_file():
            return path
    except OSError as error:
        if len(name) > MAX_NAME:
            raise ConfigError(f"A name of {len(name)} characters names no recording.") from None
        raise ConfigError(f"{name} cannot be read: {error.strerror}.", hint="Name another recording.") from None
    found = [each.path for each in stored_calls(folder) if name in (each.call, each.path.name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{len(found)} recordings are of the call {name!r}.", hint="Name the file.")
    raise ConfigError(
        f"There is no recording {name!r}, neither as a file nor in the folder {folder}.",
        hint="`duologue recordings list --folder DIR` shows what is there.",
    )


def remove_old(folder: Path, *, max_age: float, max_bytes: int, now: float | None = None) -> list[Path]:
    """Delete recordings that are older than `max_age` seconds, and the oldest beyond `max_bytes` in all.

    Returns what was deleted. Live calls are kept, and count. Raises the OSError of the first that cannot be deleted,
    once the others are.
    """
    now = time.time() if now is None else now
    stored = stored_calls(folder)
    total = sum(each.bytes for each in stored)
    removed: list[Path] = []
    failure: OSError | None = None
    for each in stored:
        age = now - each.written_at
        if age < IN_USE_S or (age <= max_age and total <= max_bytes):
            continue
        try:
            delete(each.path)
        except FileNotFoundError:
            pass  # another process was faster
        except OSError as error:
            failure = failure or error
            continue
        total -= each.bytes
        removed.append(each.path)
    if failure is not None:
        raise failure
    return removed


def delete(path: Path) -> None:
    """Delete a recording. It is one file: nothing of it is left in the folder, and no other file refers to it."""
    os.unlink(path)


def check_is_call(path: Path) -> None:
    """Raise InvalidRecordingError for a file that is no recording, neither by its name nor by what it holds."""
    if path.suffix != SUFFIX:  # one that breaks off at once holds nothing by which it could be known
        check_recording(path)
