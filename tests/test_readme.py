"""The README's Python does what it says, as it is printed."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

import duologue
from duologue.testing.virtual import VirtualCall

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
(SERVED,) = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def run(source: str, folder: Path) -> None:
    """As `python example.py` does."""
    example = folder / "example.py"
    example.write_text(source)
    runpy.run_path(str(example), run_name="__main__")


@pytest.mark.anyio
async def test_an_agent_of_your_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    agents: list[Any] = []
    monkeypatch.setattr(duologue, "serve", agents.append)
    run(SERVED, tmp_path)
    async with VirtualCall(agents.pop()) as call:
        await call.say("How is the weather?")
        await call.say("Thank you.")
        assert call.heard == ["One moment. It is sunny, as far as I can hear.", "You said: Thank you."]


def test_it_has_ten_lines() -> None:
    assert len([line for line in SERVED.splitlines() if line]) <= 10


def test_it_is_short() -> None:
    assert len(README.splitlines()) < 150
