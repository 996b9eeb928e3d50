"""The file of secrets that sign tokens: several keys, read again when the file changes."""

from __future__ import annotations

import base64
import binascii
import logging
import os
import re
import secrets
import time
from pathlib import Path
from typing import Final, NamedTuple

from duologue.errors import ConfigError

__all__ = ["MAX_KEYS", "Key", "KeyFile", "add_key"]

log: Final = logging.getLogger(__name__)

MAX_KEYS: Final = 16
"""Keys in one file."""

SECRET_BYTES: Final = 32
"""Shortest secret; as long as the hash of HS256."""

MAX_FILE_BYTES: Final = 65_536

CHECK_EVERY: Final = 1.0
"""Seconds between two checks of whether the file has changed."""

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")

_HINT: Final = "Make one with: duologue token --keys FILE --new-key"


class Key(NamedTuple):
    """A secret and the name under which tokens refer to it (`kid`)."""

    name: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.name!r})"


class KeyFile:
    """Keys by name. Each line of the file is a name and a secret in base64url; the first one signs, all verify.

    The file is read again when it has changed. A file that cannot be used any more is reported in the log, and the keys
    that were read last stay valid. Raises ConfigError if it cannot be used at the start.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path)
        self.reloads: int = 0
        """How often the file was read again."""
        self._stamp: tuple[int, ...] = ()
        self._keys: dict[str, Key] = {}
        self._checked_at = time.monotonic()
        self._read()

    @property
    def signing(self) -> Key:
        """The key that signs new tokens."""
        self._refresh()
        return next(iter(self._keys.values()))

    def get(self, name: str) -> Key | None:
        """The key of this name, or None."""
        self._refresh()
        return self._keys.get(name)

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._checked_at < CHECK_EVERY:
            return
        self._checked_at = now
        try:
            if self._stamp_of() != self._stamp:
                self._read()
                self.reloads += 1
                log.info("Read %d keys from %s again.", len(self._keys), self.path)
        except (ConfigError, OSError) as error:
            log.warning("The keys read last stay valid: %s", error)

    def _stamp_of(self) -> tuple[int, ...]:
        stat = self.path.stat()
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> None:
        try:
            stamp = self._stamp_of()
            if stamp[1] > MAX_FILE_BYTES:
                raise ConfigError(f"{self.path} has {stamp[1]} bytes, and may have {MAX_FILE_BYTES}.")
            text = self.path.read_text(encoding="ascii")
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not ASCII text"
            raise ConfigError(f"The keys in {self.path} cannot be read: {reason}.", hint=_HINT) from None
        self._keys = _parse(text, self.path)
        self._stamp = stamp
        if os.name == "posix" and self.path.stat().st_mode & 0o007:
            log.warning("Every user of this machine may read the keys in %s: chmod o-rwx it.", self.path)


def _parse(text: str, path: Path) -> dict[str, Key]:
    keys: dict[str, Key] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, *rest = line.split()
        if len(rest) != 1 or not _NAME.match(name):
            raise ConfigError(f"Line {number} of {path} is not a name and a secret.", hint=_HINT)
        try:
            secret = base64.b64decode(rest[0] + "=" * (-len(rest[0]) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ConfigError(f"The secret in line {number} of {path} is not base64url.", hint=_HINT) from None
        if len(secret) < SECRET_BYTES:
            raise ConfigError(
                f"The secret in line {number} of {path} has {len(secret)} bytes, and needs {SECRET_BYTES}.", hint=_HINT
            )
        if name in keys:
            raise ConfigError(f"{path} has two keys of the name {name}.", hint="Names must differ.")
        keys[name] = Key(name, secret)
    if not 1 <= len(keys) <= MAX_KEYS:
        raise ConfigError(f"{path} has {len(keys)} keys; expected 1 to {MAX_KEYS}.", hint=_HINT)
    return keys


def add_key(path: Path) -> str:
    """Put a new key first in the file, which is made if there is none, readable by its owner only.

    The file is replaced in one step, so that a server never reads half of it. Returns the key's name. Raises
    ConfigError if the file holds something else, is full, or cannot be written.
    """
    before = path.read_text(encoding="ascii") if path.exists() else ""
    known = _parse(before, path) if before.strip() else {}
    if len(known) >= MAX_KEYS:
        raise ConfigError(f"{path} has {MAX_KEYS} keys, which is the limit.", hint="Delete the last lines.")
    name = f"{time.strftime('%Y%m%d')}-{secrets.token_hex(3)}"
    secret = base64.urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).decode().rstrip("=")
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="ascii") as file:
            file.write(f"{name} {secret}\n{before}")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written: {error.strerror}.", hint="Choose another file.") from None
    return name
