"""The log of a server: lines with a time, as text or as JSON objects."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, TextIO, get_args

from duologue.errors import ConfigError
from duologue.server.redaction import redact

__all__ = [
    "LOG_FORMATS",
    "LOG_LEVELS",
    "JsonFormatter",
    "LogFormat",
    "LogLevel",
    "TextFormatter",
    "logging_to",
    "set_log_level",
]

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "text", "json"]

LOG_LEVELS: Final[tuple[LogLevel, ...]] = get_args(LogLevel)
LOG_FORMATS: Final[tuple[LogFormat, ...]] = get_args(LogFormat)

THEIRS: Final = "WARNING"
"""The lowest level of what libraries log."""


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.123Z INFO duologue.calls: ...`, on one line unless there is a stack."""

    converter: Callable[[float | None], time.struct_time] = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format: str = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line, without what looks like a secret."""
        return redact(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, what the line has as `fields`, and `exception`."""

    converter: Callable[[float | None], time.struct_time] = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """The object, without a line break and without what looks like a secret."""
        entry: dict[str, Any] = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            entry.update({name: value for name, value in fields.items() if name not in entry})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(entry, ensure_ascii=False, default=str))


_open: list[logging.Handler] = []
"""Handlers of `logging_to` that are open."""


def set_log_level(level: LogLevel) -> None:
    """Change the level of the log of `logging_to`; nothing if the program writes its own."""
    if _open:
        logging.getLogger().setLevel("ERROR" if level == "error" else THEIRS)
        logging.getLogger("duologue").setLevel(level.upper())


@contextmanager
def logging_to(
    stream: TextIO | None = None, *, level: LogLevel = "info", log_format: LogFormat = "auto"
) -> Iterator[Literal["text", "json"]]:
    """Write the process's log to `stream`, standard error by default, while this context is open.

    duologue's lines are written from `level` on, those of other packages from `warning` on at least. `auto` writes text
    to a terminal and JSON elsewhere; the format that is written is yielded. Raises ConfigError for a level or a format
    that is not one.
    """
    if level not in LOG_LEVELS:
        raise ConfigError(f"The log level {level!r} is not one of {', '.join(LOG_LEVELS)}.")
    if log_format not in LOG_FORMATS:
        raise ConfigError(f"The log format {log_format!r} is not one of {', '.join(LOG_FORMATS)}.")
    stream = stream or sys.stderr
    if log_format == "auto":
        log_format = "text" if stream.isatty() else "json"
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root, ours = logging.getLogger(), logging.getLogger("duologue")
    before = root.level, ours.level
    root.addHandler(handler)
    _open.append(handler)
    set_log_level(level)
    try:
        yield log_format
    finally:
        root.removeHandler(handler)
        _open.remove(handler)
        root.setLevel(before[0])
        ours.setLevel(before[1])
