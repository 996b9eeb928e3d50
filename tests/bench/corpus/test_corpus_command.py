"""`python -m duologue_bench.corpus`: what it prints, on a terminal and elsewhere."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from duologue.errors import NotInstalledError
from duologue_bench.corpus import __main__ as command
from duologue_bench.corpus.checksums import Verdict

PROGRESS = [f"dev: {i} items, 0 minutes" for i in range(3)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def build(folder: Path, progress: Callable[[str], None]) -> None:
    for line in PROGRESS:
        progress(line)


@pytest.fixture(autouse=True)
def nothing_is_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["corpus", "--out", str(tmp_path)])
    monkeypatch.setattr(command, "build", build)
    monkeypatch.setattr(command, "compare", lambda _: Verdict("exact"))


def test_a_file_or_a_log_gets_whole_lines_only(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert command.main() == 0
    out, err = capsys.readouterr()
    assert not out
    built, verdict = err.splitlines()
    assert built.startswith("The corpus was built in ")
    assert verdict.startswith(f"The corpus in {tmp_path} is ")
    assert not {"\r", "\x1b"} & set(err)


def test_a_terminal_shows_progress_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert command.main() == 0
    shown = terminal.getvalue().split("\r\x1b[K")
    assert shown[1:-1] == [f"corpus: {line}" for line in PROGRESS]
    assert shown[-1].startswith("The corpus was built in ")


def test_what_is_missing_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def lacks(*_: object) -> None:
        raise NotInstalledError("The package pocketsphinx is not there.", hint="Install it.")

    monkeypatch.setattr(command, "build", lacks)
    assert command.main() == 1
    assert capsys.readouterr().err == "The corpus cannot be built: The package pocketsphinx is not there. Install it.\n"
