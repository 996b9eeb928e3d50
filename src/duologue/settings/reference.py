"""What there is to set, as a commented file, as a page of tables, and as a JSON schema."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from duologue.settings.schema import Settings
from duologue.settings.toml_file import Keys

__all__ = ["Entry", "example_toml", "json_schema", "reference_tables", "toml_value"]

WIDTH: Final = 110

_HEAD: Final = """\
# Settings of duologue, all with their defaults: take the mark away from a line to change it.
#
# `duologue serve` reads it in the folder in which it starts, or with --config. Variables such as
# DUOLOGUE_SERVER__PORT=9000 win over it, and flags over them. Paths are relative to this file. Durations are seconds.
# Secrets do not belong here: set DEEPGRAM_API_KEY and its like in the environment, or name a file as api_key_file.
#
# `duologue config check` finds mistakes, `duologue config show` prints what is in force, and where it is from.
"""
_OPTIONS: Final = {
    "stt": ("deepgram", ('language = "en"', 'keyterm = ["duologue"]')),
    "tts": ("openai", ('voice = "af_heart"', 'base_url = "http://127.0.0.1:8880/v1"')),
    "vad": ("webrtc", ("mode = 3",)),
    "realtime": ("openai", ('voice = "marin"', "stall_timeout = 8.0", 'settings = { thinking = "low" }')),
    "voices": ("anna", ('provider = "elevenlabs/eleven_flash_v2_5"', 'languages = ["en"]')),
}
"""An example of a provider's table for each kind."""
_NAMES: Final = {int: "whole number", float: "number", bool: "true or false", str: "text", Path: "path"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting."""

    keys: Keys
    default: Any
    kind: str
    """What it may be, in words."""
    text: str
    """What it does."""


def tables(model: type[BaseModel] = Settings, at: Keys = ()) -> Iterator[tuple[Keys, str, list[Entry]]]:
    """Each table with its description and its settings, in the order of the file."""
    inner = []
    entries = []
    for name, field in model.model_fields.items():
        if _is_table(field):
            inner.append((name, field))
        elif at:
            default = field.get_default(call_default_factory=True)
            entries.append(Entry((*at, name), default, _kind(field), field.description or ""))
        else:
            inner.append((name, field))
    if at:
        yield at, "", entries
    for name, field in inner:
        if not _is_table(field):
            yield (*at, name), field.description or "", []
            continue
        first, *others = tables(field.annotation, (*at, name))  # type: ignore[arg-type]  # it is a class of a table
        yield first[0], field.description or (field.annotation.__doc__ or ""), first[2]
        yield from others


def example_toml() -> str:
    """A file with every setting, commented out, with its description and its default."""
    lines = [_HEAD]
    for keys, text, entries in tables():
        lines += ["", *_comment(text)]
        if not entries and keys[0] in _OPTIONS:
            name, options = _OPTIONS[keys[0]]
            lines += [f"# [{keys[0]}.{name}]", *(f"# {option}" for option in options)]
            continue
        lines.append(f"[{'.'.join(keys)}]")
        for entry in entries:
            lines += _comment(entry.text)
            value = "" if entry.default is None else f" {toml_value(entry.default)}"
            lines.append(f"#{entry.keys[-1]} ={value}" + ("" if value else f"  # {entry.kind}; not set"))
    return "\n".join(lines) + "\n"


def reference_tables() -> str:
    """Markdown: a table of settings for each table of the file."""
    parts = []
    for keys, text, entries in tables():
        if not entries:
            continue
        rows = [f"| `{entry.keys[-1]}` | {_default(entry)} | {_cell(entry.text)} |" for entry in entries]
        parts.append("\n".join([f"### `[{'.'.join(keys)}]`", "", text, "", "| | default | |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def json_schema() -> dict[str, Any]:
    """The JSON schema of the file, for editors."""
    schema = Settings.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def toml_value(value: Any) -> str:
    """A value as TOML has it."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml_value(each) for each in value)}]"
    return json.dumps(value, ensure_ascii=False)


def _is_table(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _kind(field: FieldInfo) -> str:
    return _words(field.annotation)


def _words(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return _words(next(each for each in args if each is not type(None)))
    if origin is Literal:
        return ", ".join(f'"{each}"' for each in args)
    if origin is tuple:
        return f"list of {'texts' if args[0] is str else 'two numbers'}"
    return _NAMES.get(annotation, "value")


def _default(entry: Entry) -> str:
    value = "" if entry.default is None else f"`{toml_value(entry.default)}`"
    choices = entry.kind.startswith('"')
    if choices:
        return f"{value} ({entry.kind.replace(chr(34), '`')})"
    return value or f"({entry.kind})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH)]
