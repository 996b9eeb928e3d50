"""A TOML file, with the line of each of its keys."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from duologue.errors import ConfigError

__all__ = ["KEY_FILE", "Keys", "TomlFile", "is_secret", "leaves", "read_toml"]

Keys = tuple[str, ...]
"""Where a value is: the keys from the root of the file to it."""

MAX_BYTES: Final = 262_144
KEY_FILE: Final[Keys] = ("security", "keys")
"""A setting that names a file of secrets, and is none itself."""

_SECRET: Final = re.compile(r"(^|_)(?<!input_)(?<!output_)(key|token|secret|password|credential)s?$", re.IGNORECASE)
_PASSWORD_IN_URL: Final = re.compile(r"://[^/@\s:]*:[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """What a file holds, with the lines of its keys and table headers, the first of which is 1."""

    path: Path
    data: dict[str, Any]
    lines: Mapping[Keys, int]

    def line(self, keys: Keys) -> int | None:
        """The line of a key, or else of the nearest table that it is in."""
        for length in range(len(keys), 0, -1):
            if (found := self.lines.get(keys[:length])) is not None:
                return found
        return None

    def where(self, keys: Keys) -> str:
        """File and line, as `duologue.toml, line 3`."""
        line = self.line(keys)
        return str(self.path) if line is None else f"{self.path}, line {line}"


def read_toml(path: Path) -> TomlFile:
    """Read a file. Raises ConfigError if it cannot be read, is no TOML, or holds a secret."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")  # editors on Windows begin files with a mark
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"{path} cannot be read: {reason}.", hint="Check the path and its permissions.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text.", hint="Save it as UTF-8.") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path} has more than {MAX_BYTES:,} bytes.", hint="Give a file of settings.")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said, _, place = str(error).removesuffix(")").rpartition(" (at ")
        where = f"{path}, {place.partition(',')[0]}"
        raise ConfigError(f"{where}: no TOML: {said}.", hint="https://toml.io describes the format.") from None
    except (ValueError, RecursionError):
        raise ConfigError(
            f"{path} has a number that is too long, or tables that are too deep.", hint="Give a file of settings."
        ) from None
    read = TomlFile(path, data, dict(_lines(text)))
    _refuse_secrets(read)
    return read


def leaves(data: Mapping[str, Any], at: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Each value that is not a table, with its keys. Empty tables count as values."""
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*at, key))
        else:
            yield (*at, key), value


def _lines(text: str) -> Iterator[tuple[Keys, int]]:
    """The line of each key.

    A statement of TOML never ends inside a line and stands by itself, so that lines are collected until they parse.
    """
    table: Keys = ()
    statement, first = "", 1
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not statement:
            first = number
        statement += line
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            table = _only_path(parsed)
            yield table, first
        else:
            for keys, _ in leaves(parsed):
                for length in range(1, len(keys) + 1):
                    yield (*table, *keys[:length]), first
        statement = ""


def _only_path(parsed: Any) -> Keys:
    keys: Keys = ()
    while parsed:
        parsed = parsed[0] if isinstance(parsed, list) else parsed
        if not parsed:
            break
        ((key, parsed),) = parsed.items()
        keys = (*keys, key)
    return keys


def _refuse_secrets(file: TomlFile) -> None:
    for keys, value in leaves(file.data):
        if keys != KEY_FILE and is_secret(keys[-1]) and isinstance(value, str | list):
            raise ConfigError(
                f"{file.where(keys)}: {'.'.join(keys)} is a secret, and secrets do not belong into this file.",
                hint=f"Put it into a file of its own and name that as {keys[-1]}_file, or set an environment variable.",
            )
        if isinstance(value, str) and _PASSWORD_IN_URL.search(value):
            raise ConfigError(
                f"{file.where(keys)}: {'.'.join(keys)} is an address with a password in it.",
                hint="Leave the password out, and give it by the environment.",
            )


def is_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret, such as `api_key`; names of files and variables do not.

    A number of input or output tokens is none.
    """
    return _SECRET.search(name) is not None
