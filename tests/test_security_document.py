"""docs/security.md names the defaults that the code has."""

from __future__ import annotations

import dataclasses
import importlib
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from duologue.server.auth.keys import KeyFile, add_key
from duologue.server.auth.tokens import verify_token

DOCUMENT = (Path(__file__).parent.parent / "docs" / "security.md").read_text()

ROW = re.compile(r"^\|[^|]*\|[^|]*\|\s*(?P<default>[0-9.,]+)\s*\|\s*`(?P<name>[\w.]+)`\s*\|$", re.MULTILINE)

ROWS = [(match["name"], float(match["default"].replace(",", ""))) for match in ROW.finditer(DOCUMENT)]


def default_of(name: str) -> float:
    """The value of a constant, or the default of a field of a dataclass."""
    parts = name.split(".")
    found: Any = importlib.import_module(parts[0])
    for number, part in enumerate(parts[1:-1], 2):
        if not hasattr(found, part):
            importlib.import_module(".".join(parts[:number]))
        found = getattr(found, part)
    if isinstance(found, type):
        default: Any
        (default,) = (field.default for field in dataclasses.fields(found) if field.name == parts[-1])
        return float(default)
    return float(getattr(found, parts[-1]))


@pytest.mark.parametrize(("name", "told"), ROWS, ids=[name for name, _ in ROWS])
def test_each_default_is_as_the_document_says(name: str, told: float) -> None:
    assert default_of(name) == told


def test_its_program_makes_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    add_key(tmp_path / "duologue.keys")
    (program,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    (tmp_path / "tokens.py").write_text(program)
    token = runpy.run_path(str(tmp_path / "tokens.py"))["token_for"]("ada")
    claims = verify_token(KeyFile("duologue.keys"), token, "call")
    assert (claims["sub"], claims["agent"], claims["plan"]) == ("ada", "desk", "gold")


def test_all_rows_were_read() -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("|") and "`duologue." in line]
    assert len(rows) == len(ROWS) > 40
