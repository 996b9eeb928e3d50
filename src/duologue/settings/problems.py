"""What is wrong with a value, in a sentence that says what is allowed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel

from duologue.settings.toml_file import Keys, is_secret

__all__ = ["REDACTED", "close_to", "describe", "named_field", "shown"]

REDACTED: Final = "***"
MAX_SHOWN: Final = 60
"""Characters of a value that an error shows."""

_OTHER_NAMES: Final = {"agent_name": "display_name"}
"""Settings that the code calls by another name."""

_TYPES: Final = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "path_type": "a path in quotes",
    "missing": "a list of two numbers",
}
_BOUNDS: Final = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def describe(keys: Keys, error: Mapping[str, Any], root: type[BaseModel]) -> str:
    """A sentence about a value that pydantic refused.

    Args:
        keys: Where the value stands.
        error: The error, as pydantic lists it.
        root: The settings.
    """
    name, kind = ".".join(keys), error["type"]
    if kind == "extra_forbidden":
        table, known = _nearest_table(keys, root)
        meant = close_to(keys[len(table)], known, f"settings of {_header(table)}")
        return f"there is no setting {name}. {meant}"
    if kind == "missing" and isinstance(error["loc"][-1], str):
        return f"{name} is not set, and has no default."
    what = f"{name} is {shown(keys[-1], error['input'])}"
    context = error.get("ctx", {})
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"{what}, and must be {words} {context[bound]:g}."
    if kind == "literal_error":
        return f"{what}, and must be {context['expected'].replace(chr(39), chr(34))}."
    if kind in _TYPES:
        return f"{what}, and must be {_TYPES[kind]}."
    said = str(error["msg"]).removeprefix("Value error, ")
    return f"{what}, and {said}." if said.startswith("must") else f"{what}: {said}."


def shown(name: str, value: Any) -> str:
    """A value as it is written in the file, shortened; a secret is not shown."""
    if is_secret(name):
        return REDACTED
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def close_to(name: str, known: Collection[str], what: str) -> str:
    """A hint with the names that were probably meant, or else all."""
    found = get_close_matches(name, known, n=1)
    return f"Did you mean {found[0]}?" if found else f"The {what} are: {', '.join(sorted(known))}."


def named_field(message: str, known: Collection[Keys]) -> Keys | None:
    """The one of `known` settings that a message names first; None if it names none."""
    said = message.partition(" are not valid: ")[2] or message  # before it stands a provider's name
    for word in re.findall(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*", said):
        parts = tuple(_OTHER_NAMES.get(word, word).split("."))
        for keys in known:
            if keys[-len(parts) :] == parts:
                return keys
    return None


def _nearest_table(keys: Keys, root: type[BaseModel]) -> tuple[Keys, list[str]]:
    """The deepest table on the way to a key, and the names that it knows."""
    table: Any = root
    tables: Any = None
    for depth, key in enumerate(keys):
        if tables is not None:  # a table of tables, whose names are the user's
            table, tables = tables, None
            continue
        field = table.model_fields.get(key)
        inner = field.annotation if field is not None else None
        if get_origin(inner) is dict and isinstance(each := get_args(inner)[1], type) and issubclass(each, BaseModel):
            tables = each
            continue
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return keys[:depth], list(table.model_fields)
        table = inner
    return keys[:-1], list(table.model_fields)


def _header(table: Keys) -> str:
    return f"[{'.'.join(table)}]" if table else "the file"
