"""The README's Python does what it says, as it is printed."""

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

import duologue
from duologue.audio.wav import write_wav
from duologue.settings.local import LocalModels
from duologue.testing.fakes import FakeSttModel, FakeTtsModel, PeakVad, SentenceEnd
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
SERVED, HELD = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


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


def test_a_session_of_your_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    recording = tmp_path / "caller.wav"
    write_wav(recording, speak("Is it well?") + bytes(32_000), 16_000)
    models = LocalModels(PeakVad(), FakeSttModel(), FakeTtsModel(), SentenceEnd(), None)
    monkeypatch.setattr(duologue, "load_local", lambda: models)
    monkeypatch.setattr(sys, "argv", ["example.py", str(recording)])
    run(HELD, tmp_path)
    printed = capsys.readouterr().out
    assert "text='Hello!'" in printed
    # In real time: on a busy machine some of the sound may be late, and then fewer words are understood.
    assert "TurnDecided(" in printed
    assert "text='You said: " in printed
