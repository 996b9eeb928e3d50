"""A store in a folder, for the processes of one machine."""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
import time
from itertools import count
from pathlib import Path
from typing import Final

from duologue.errors import OverloadedError, ProviderUnavailableError
from duologue.server.store.memory import MAX_ENTRIES

__all__ = ["FileStore"]

_UNTIL: Final = struct.Struct("<d")

SWEEP_EVERY: Final = 60.0
"""Seconds between two removals of expired calls."""


class FileStore:
    """Keeps each value in a file of its own; taking it is a rename, which only one process can do.

    The folder is made for its owner only. Times are those of the machine's clock, which all processes share. At most
    `max_entries` files are kept, about; then it refuses.
    """

    def __init__(self, folder: str | os.PathLike[str], *, max_entries: int = MAX_ENTRIES) -> None:
        self._folder = Path(folder)
        self._max_entries = max_entries
        self._swept_at = float("-inf")
        self._names = count()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unavailable(error) from None

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Keep a value."""
        await asyncio.to_thread(self._put, key, value, ttl)

    async def take(self, key: str) -> bytes | None:
        """Remove and return a value."""
        return await asyncio.to_thread(self._take, key)

    async def has(self, key: str) -> bool:
        """Whether there is a value."""
        return await asyncio.to_thread(lambda: _read(self._path(key)) is not None)

    async def aclose(self) -> None:
        """Leave the files to the other processes."""

    def _put(self, key: str, value: bytes, ttl: float) -> None:
        try:
            self._sweep()
            path = self._path(key)
            partial = self._own(path)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with open(descriptor, "wb") as file:
                    file.write(_UNTIL.pack(time.time() + ttl) + value)
                partial.replace(path)
            except OSError:
                partial.unlink(missing_ok=True)  # on a full disk, each attempt would leave a file
                raise
        except OSError as error:
            raise _unavailable(error) from None

    def _take(self, key: str) -> bytes | None:
        path = self._path(key)
        mine = self._own(path)
        try:
            path.rename(mine)
            return _read(mine)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable(error) from None
        finally:
            mine.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.entry"

    def _own(self, path: Path) -> Path:
        """A name beside `path` that no other call uses, in this or another process."""
        return path.with_suffix(f".{os.getpid()}-{next(self._names)}")

    def _sweep(self) -> None:
        now = time.monotonic()
        files = sum(1 for _ in self._folder.iterdir())
        if files < self._max_entries and now - self._swept_at < SWEEP_EVERY:
            return
        self._swept_at = now
        for path in self._folder.iterdir():
            if _is_over(path):
                path.unlink(missing_ok=True)
                files -= 1
        if files >= self._max_entries:
            raise OverloadedError("No more can be stored for now.", retry_after=5.0)


def _is_over(path: Path) -> bool:
    """Whether nobody needs a file any more."""
    if path.suffix == ".entry":
        return _read(path) is None
    try:
        # It is left by a process that died in the middle of an operation.
        return time.time() - path.stat().st_mtime > SWEEP_EVERY
    except FileNotFoundError:
        return False  # the operation of another process has ended


def _read(path: Path) -> bytes | None:
    """The value in a file whose time is not up; None also for one that a machine wrote which lost its power."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unavailable(error) from None
    if len(data) < _UNTIL.size:
        return None
    (until,) = _UNTIL.unpack_from(data)
    return data[_UNTIL.size :] if until > time.time() else None


def _unavailable(error: OSError) -> ProviderUnavailableError:
    return ProviderUnavailableError(f"The store cannot be used: {error.strerror}.", hint="Check its folder.")
