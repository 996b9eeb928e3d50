"""`duologue serve` over fakes, for `test_server_signals.py`; its arguments are those of the command.

Its agent answers "One moment." with a sentence, and anything else never.
"""

from __future__ import annotations

import asyncio
from typing import Any

from duologue.cli import main
from duologue.engine import Admission, EngineConfig
from duologue.server import application
from duologue.settings.local import LocalModels
from duologue.settings.schema import Settings
from duologue.testing.fakes import FakeSttModel, FakeTtsModel, PeakVad, SentenceEnd


async def agent(text: str) -> str:
    if text != "One moment.":
        await asyncio.Event().wait()
    return "This is the whole answer."


def load(*_: object, stt: Any = None, tts: Any = None, **__: object) -> LocalModels:
    return LocalModels(PeakVad(), stt or FakeSttModel(), tts or FakeTtsModel(), SentenceEnd(), None)


def patient(_: Settings) -> EngineConfig:
    """Admits calls however busy other programs keep the machine."""
    return EngineConfig(max_sessions=10, admission=Admission(max_tick_lag=60.0, max_lateness=60.0, max_backlog=600.0))


if __name__ == "__main__":
    Settings.engine_config = patient  # type: ignore[assignment, method-assign]
    application.load_local = load  # type: ignore[attr-defined]
    main()
