"""The documentation site builds without a warning, and the programs of its first pages run."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import duologue

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
START = dict(
    re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```", (DOCS / "start.md").read_text("utf-8"), re.DOTALL | re.M)
)


def test_the_site_builds_without_a_warning() -> None:
    """Links and anchors hold, each page is in the navigation, and each name of the reference exists."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    site = ROOT / "build" / "site"
    assert "process_audio" in (site / "reference" / "session" / "index.html").read_text("utf-8")
    assert "class Survey" in re.sub("<[^>]+>", "", (site / "examples" / "index.html").read_text("utf-8"))


def test_each_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"^ +- ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE))
    assert listed == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, source in START.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(duologue, "serve", lambda *_, **__: None)
    for name in START:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.anyio
@pytest.mark.usefixtures("folder")
async def test_the_first_agent_and_its_test() -> None:
    assert list(START) == ["cafe", "test_cafe"]
    module: Any = importlib.import_module("test_cafe")
    await module.test_it_knows_the_price()


@pytest.mark.parametrize("page", sorted((DOCS / "reference").glob("*.md")), ids=lambda path: path.stem)
def test_examples_of_the_reference_run(page: Path) -> None:
    for source in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        exec(compile(source, page.name, "exec"), {"__name__": "example"})


def test_each_public_name_is_in_the_reference() -> None:
    pages = " ".join(path.read_text("utf-8") for path in (DOCS / "reference").glob("*.md"))
    shown = set(re.findall(r"^::: ([\w.]+)", pages, re.MULTILINE))
    missing = []
    for name, home in duologue._HOMES.items():
        module = getattr(getattr(duologue, name), "__module__", "")
        if shown.isdisjoint((f"{home}.{name}", home, module)):
            missing.append(name)
    assert missing == []
