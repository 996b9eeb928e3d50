"""The tables of the protocol's document, made from the models: `python -m duologue.wire.reference` prints them."""

from __future__ import annotations

import json
import types
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import JsonValue
from pydantic.fields import FieldInfo

from duologue.wire import messages
from duologue.wire.fields import Audio, Model, TurnTaking, Unit

__all__ = ["message_tables"]

_JSON_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def message_tables() -> dict[str, str]:
    """The Markdown section of each message, and of the objects inside them, by its name."""
    models: list[type[Model]] = [
        *get_args(messages.ClientMessage),
        *get_args(messages.ServerMessage),
        Audio,
        TurnTaking,
        messages.Limits,
    ]
    return {_title(model): _section(model) for model in models}


def _title(model: type[Model]) -> str:
    kind = model.model_fields.get("type")
    return str(kind.default) if kind is not None else model.__name__


def _section(model: type[Model]) -> str:
    heading = f"`{_title(model)}`" if "type" in model.model_fields else _title(model)
    lines = [f"#### {heading}", "", (model.__doc__ or "").strip(), ""]
    rows = [_row(name, field) for name, field in model.model_fields.items() if name != "type"]
    if rows:
        lines += ["| field | type | unit | default | meaning |", "|---|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(name: str, field: FieldInfo) -> str:
    default = "required"
    if not field.is_required():
        value = field.default
        default = f"`{value.model_dump_json() if isinstance(value, Model) else json.dumps(value)}`"
    unit = " ".join(_units(field.annotation, field.metadata))
    return f"| `{name}` | {_type(field.annotation)} | {unit} | {default} | {field.description} |"


def _units(annotation: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> list[str]:
    """The units of a type and of those inside it."""
    found = [item.name for item in metadata if isinstance(item, Unit)]
    inner = get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _units(inner[0], annotation.__metadata__)
    return found + [unit for part in inner for unit in _units(part)]


def _type(annotation: Any) -> str:
    if hasattr(annotation, "__metadata__"):
        return _type(get_args(annotation)[0])
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(part) for part in get_args(annotation)))
    if origin is dict and get_args(annotation)[1] is JsonValue:
        return "object"
    if origin is dict:
        return f"object of {_type(get_args(annotation)[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation.__name__
    return _JSON_NAMES[annotation]


if __name__ == "__main__":
    print("\n".join(message_tables().values()))
