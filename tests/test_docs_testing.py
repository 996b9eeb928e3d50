"""The tests that docs/testing.md shows pass, as they are printed."""

import importlib
import inspect
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import duologue.testing
from recorded_call import record

PAGE = (Path(__file__).parent.parent / "docs" / "testing.md").read_text("utf-8")
SNIPPETS = dict(re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
TESTS = [
    (module, name)
    for module, source in SNIPPETS.items()
    for name in re.findall(r"^(?:async )?def (test_\w+)", source, re.MULTILINE)
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with all snippets, in which they run."""
    for name, source in SNIPPETS.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in SNIPPETS:
        sys.modules.pop(name, None)


def test_every_snippet_is_tested() -> None:
    assert len(SNIPPETS) == PAGE.count("```python")
    assert {module for module, _ in TESTS} == {name for name in SNIPPETS if name.startswith("test_")}


@pytest.mark.anyio
@pytest.mark.parametrize(("module", "name"), [each for each in TESTS if each[0] not in ("test_again", "test_faults")])
async def test_a_test_of_the_page(module: str, name: str, folder: Path) -> None:
    test = getattr(importlib.import_module(module), name)
    given = {"tmp_path": folder}
    await test(**{parameter: given[parameter] for parameter in inspect.signature(test).parameters})


@pytest.mark.anyio
async def test_a_recorded_call_is_said_again(folder: Path) -> None:
    module = importlib.import_module("test_again")
    (folder / "tests" / "calls").mkdir(parents=True)
    recorded = await record(folder / "calls", module.agent)
    shutil.copy(recorded.path, folder / "tests" / "calls" / "order.call")
    said = duologue.testing.said_in("tests/calls/order.call")
    assert said == [turn.user_text for turn in recorded.turns]
    with pytest.raises(AssertionError, match="'look_up' was not called"):
        await module.test_the_call_of_monday_goes_well(said)
    await module.test_the_call_of_monday_goes_well([*said, "It is Ada."])


@pytest.mark.usefixtures("folder")
def test_the_voice_that_fails_once() -> None:
    importlib.import_module("test_faults").test_a_voice_that_fails_once()


def test_the_names_of_the_page_are_those_of_the_package() -> None:
    named = set(re.findall(r"`((?:Fake|Faulty|Fault|Scripted|Streaming|Virtual|Timed)\w+)\b", PAGE))
    assert named <= set(duologue.testing.__all__)
