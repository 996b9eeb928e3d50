"""docs/recording.md does what it says: its Python is run, its options, counters and blocks are those that exist."""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from duologue.client import connect
from duologue.recording.config import RecordingConfig
from duologue.recording.file import Kind
from duologue.recording.header import recording_header
from duologue.recording.recording import read_recording
from duologue.recording.recordings import Recordings
from duologue.recording.replay import replay
from duologue.recording.retention import stored_calls
from duologue.testing.agents import ScriptedAgent
from duologue.testing.virtual import VirtualCall
from serving import heard, serving, use_fakes

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parent.parent / "docs" / "recording.md").read_text("utf-8")
SNIPPETS = dict(re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with all snippets, from which they are imported."""
    monkeypatch.chdir(tmp_path)
    for name, source in SNIPPETS.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in SNIPPETS:
        sys.modules.pop(name, None)


async def pausing_call(folder: Path) -> Path:
    """A call of one turn in which the user pauses, and goes on."""
    into = Recordings(RecordingConfig(folder, consent=True, max_waiting_bytes=10**8))
    call = VirtualCall(ScriptedAgent("Very well."))
    call.session.observe(into.recorder(recording_header(call.session)))
    async with call:
        await call.speak("I would like it.")
        await call.silence(0.33)
        await call.say("Or not.")
    into.close()
    return stored_calls(folder)[0].path


def test_every_snippet_is_tested() -> None:
    assert len(SNIPPETS) == PAGE.count("```python")
    source = Path(__file__).read_text("utf-8")
    assert [name for name in SNIPPETS if f'"{name}"' not in source] == []


async def test_a_function_decides_which_calls_are_recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over real sockets: one call agrees, one does not, one refuses by itself."""
    use_fakes(monkeypatch)
    shop = importlib.import_module("shop")
    metadata: list[dict[str, Any]] = [{"agreed": True}, {}, {"agreed": True, "record": False}]
    told: list[bool] = []
    async with serving(lambda: ScriptedAgent("Of course."), recording=shop.RECORDING) as url:
        for each in metadata:
            async with connect(url, metadata=each) as call:
                told.append(call.started.recorded)
                assert await heard(call, "May I?") == "Of course."
    assert told == [True, False, False]
    (stored,) = stored_calls(folder / "recordings")
    recording = read_recording(stored.path)
    assert recording.is_whole
    assert replay(recording).is_identical


@pytest.mark.usefixtures("folder")
def test_a_recording_is_replayed_in_python(recorded_page_call: Path) -> None:
    again, patient = importlib.import_module("again"), importlib.import_module("patient")
    assert re.fullmatch(r"\d+ inputs decided alike", again.check(recorded_page_call))
    assert patient.cut_off(recorded_page_call, 0.2) == [1]
    assert patient.cut_off(recorded_page_call, 0.352) == []


@pytest.fixture
def recorded_page_call(folder: Path) -> Path:
    return asyncio.run(pausing_call(folder / "recordings"))


def test_the_commands_of_the_page_work(recorded_page_call: Path, duologue: CommandLine) -> None:
    (line,) = duologue("recordings", "list", "--json").json["calls"]
    call = line["call"]
    for command in re.findall(r"^duologue ((?:replay|recordings) [^#\n]*)", PAGE, re.MULTILINE):
        outcome = duologue(*command.replace("4f1c2a", call).split())
        assert outcome.code == 0, command + outcome.err
    assert duologue("recordings", "list", "--json").json["calls"] == []
    assert not recorded_page_call.exists()
    assert Path("call.wav").stat().st_size > 100_000
    assert "Very well." in Path("call.txt").read_text()
    assert (Path("tests/calls") / f"{call}.call").exists()


def test_options_counters_and_blocks_are_those_that_exist(tmp_path: Path, duologue: CommandLine) -> None:
    table = PAGE[PAGE.index("| option of `serve`") :].split("\n\n")[0]
    assert set(re.findall(r"\| `(\w+)[`=]", table)) == {field.name for field in fields(RecordingConfig)}
    shown = duologue("serve", "--help").out
    assert all(option in shown for option in re.findall(r"`(--record[a-z-]*)", table))
    counters = set(re.findall(r"`(recordings_\w+)`", PAGE[PAGE.index("| counter in") :]))
    into = Recordings(RecordingConfig(tmp_path, consent=True))
    into.close()
    assert counters == set(into.counters())
    assert [(int(n), name.upper()) for n, name in re.findall(r"^\| (\d) (\w+) \|", PAGE, re.MULTILINE)] == [
        (kind.value, kind.name) for kind in Kind
    ]
