"""Tables of `duologue.toml` that are made from dataclasses and models: same fields, defaults and descriptions."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, create_model, field_validator

__all__ = ["Table", "table_of"]


class Table(BaseModel):
    """A table of settings: unknown keys are refused, and so are numbers that are not finite."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_default=False,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _convert(cls, value: Any, info: ValidationInfo) -> Any:
        """Take a list from one text with commas, as the environment has it. Refuse true and false as numbers."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, str) and get_origin(annotation) in (tuple, list):
            return [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, bool) and bool not in {annotation, *get_args(annotation)}:
            raise ValueError("must not be true or false")
        return value


class _MadeTable(Table):
    # Descriptions are passed in. pydantic would look for the source of each class on the stack, for half the time that
    # it takes to import the settings.
    model_config: ClassVar[ConfigDict] = ConfigDict(use_attribute_docstrings=False)


def table_of(
    kind: type, *, omit: Collection[str] = (), defaults: Mapping[str, Any] | None = None, name: str | None = None
) -> type[Table]:
    """A table with the fields of `kind`, and of the dataclasses and models in its fields as tables inside it.

    Args:
        kind: The dataclass or pydantic model. The strings under its fields become descriptions.
        omit: Fields that are left out.
        defaults: Defaults that differ from those of `kind`.
        name: The name of the table's class.
    """
    described = _descriptions(kind)
    made: dict[str, Any] = {}
    for field, hint, default, bounds in _fields(kind):
        if field in omit:
            continue
        text = described.get(field)
        if is_dataclass(hint) or (inspect.isclass(hint) and issubclass(hint, BaseModel)):
            inner = table_of(cast(type, hint))
            made[field] = (inner, Field(default_factory=inner, description=text))
        else:
            made[field] = (hint, Field((defaults or {}).get(field, default), description=text, **bounds))
    table: type[Table] = create_model(
        name or kind.__name__, __base__=_MadeTable, __doc__=(kind.__doc__ or "").partition("\n")[0], **made
    )
    return table


def _fields(kind: Any) -> Iterator[tuple[str, Any, Any, dict[str, Any]]]:
    """Name, type, default and bounds of each field. Numbers of a dataclass are at least 0."""
    if issubclass(kind, BaseModel):
        for name, info in kind.model_fields.items():
            bounds = {
                bound: getattr(each, bound)
                for each in info.metadata
                for bound in ("ge", "gt", "le", "lt")
                if getattr(each, bound, None) is not None
            }
            yield name, info.annotation, info.default, bounds
        return
    hints = get_type_hints(kind)
    for field in fields(kind):
        hint = hints[field.name]
        yield field.name, hint, field.default, {"ge": 0} if hint in (int, float) else {}


def _descriptions(kind: type) -> dict[str, str]:
    """The string under each field, on one line."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(below.value.value).split())
    return found
