"""A server over fakes with the settings of a file: a program of its own, for `test_server_reload.py`."""

from __future__ import annotations

import sys
from typing import Any

import duologue
from duologue.server import application
from duologue.server.logs import logging_to
from duologue.settings.local import LocalModels
from duologue.testing.fakes import FakeSttModel, FakeTtsModel, PeakVad, SentenceEnd


def load(*_: object, **__: object) -> LocalModels:
    return LocalModels(PeakVad(), FakeSttModel(), FakeTtsModel(), SentenceEnd(), None)


def main() -> None:
    program: Any = application
    program.load_local = load
    with logging_to(level="warning", log_format="text"):
        duologue.serve(settings=sys.argv[1], say=lambda _: None, on_ready=lambda address, _: print(address, flush=True))


if __name__ == "__main__":
    main()
