"""Each public attribute has a declared type if checkers would have to guess it. `make types-public` checks the rest."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "duologue"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_plain(value: ast.expr | None, parameters: set[str]) -> bool:
    """A literal, a parameter or a constant of the module has the same type for every checker."""
    if isinstance(value, ast.Name):
        return value.id in parameters or value.id.lstrip("_").isupper()
    return isinstance(value, ast.Constant)


def own(target: ast.expr) -> str | None:
    """The name in `self.name`."""
    is_own = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    return target.attr if is_own and isinstance(target, ast.Attribute) else None


def assignments(function: Function) -> Iterator[tuple[str, ast.AST, ast.expr | None]]:
    """Attribute, statement, and value (None if it is a part of one) of each assignment to `self`."""
    for node in ast.walk(function):
        if isinstance(node, ast.AugAssign) and (name := own(node.target)):
            yield name, node, None
        if isinstance(node, ast.Assign):
            for target in node.targets:
                parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
                for part in parts:
                    if name := own(part):
                        yield name, node, node.value if part is target else None


def undeclared(definition: ast.ClassDef) -> Iterator[str]:
    """Public attributes that are assigned more than once, or from an expression, and have no annotation."""
    declared: set[str] = set()
    assigned: dict[str, list[bool]] = defaultdict(list)
    for node in definition.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            declared.add(node.target.id)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    assigned[target.id].append(is_plain(node.value, set()))
        if isinstance(node, Function):
            if node.decorator_list:
                declared.add(node.name)  # a property that is assigned
            given = node.args
            parameters = {each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
            declared |= {
                name for each in ast.walk(node) if isinstance(each, ast.AnnAssign) and (name := own(each.target))
            }
            for name, statement, value in assignments(node):
                if not isinstance(statement, ast.AugAssign) or name in assigned:  # else a base class has it
                    assigned[name].append(is_plain(value, parameters))
    for name, plain in assigned.items():
        if not name.startswith("_") and name not in declared and (len(plain) > 1 or not plain[0]):
            yield name


def test_each_public_attribute_has_a_declared_type() -> None:
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
                continue
            if any(isinstance(base, ast.Name) and base.id.endswith("Enum") for base in node.bases):
                continue
            place = path.relative_to(SOURCE.parent)
            found += [f"{place}:{node.lineno}: {node.name}.{name} needs a type" for name in undeclared(node)]
    assert found == []


def test_what_checkers_infer_alike_needs_no_declaration() -> None:
    source = """
class Some:
    rate = 16_000
    window = WINDOW

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.size = len(name)
        self.declared: int = 0

    def add(self) -> None:
        self.count += 1
        self.declared += 1
        self.inherited += 1
        self.first, self._second = 1, 2
"""
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    assert list(undeclared(definition)) == ["count", "size", "first"]
