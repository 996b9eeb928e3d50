"""The command line as a user has it, without a process of its own: arguments in; status, output and errors out."""

import io
import json
import re
import signal
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from duologue.cli import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which holds one JSON document and nothing else."""
        return json.loads(self.out)

    @property
    def told(self) -> str:
        """Standard error as one line, without the frame around what a command's usage is."""
        return re.sub(r"[│╭╮╰╯─\s]+", " ", self.err)


class CommandLine:
    """Runs commands in this process; `sys.path` and standard input are as before when the test ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.port: str | None = "0"
        """Where `serve` listens: any free port, because tests run side by side; None for its own."""
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.setattr(sys, "path", list(sys.path))

    def __call__(self, *arguments: object, stdin: bytes = b"") -> Outcome:
        self._monkeypatch.setattr(sys, "argv", ["duologue", *map(str, arguments)])
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        if arguments[:1] == ("serve",) and self.port is not None:
            self._monkeypatch.setenv("DUOLOGUE_SERVER__PORT", self.port)
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        with pytest.raises(SystemExit) as end:
            main()
        for number, handler in handlers.items():  # `serve` leaves its own, because the program ends
            signal.signal(number, handler)
        out, err = self._capsys.readouterr()
        assert "\x1b" not in out + err, "no colours where there is no terminal"
        return Outcome(int(end.value.code or 0), out, err)
