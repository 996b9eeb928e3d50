"""The examples of docs/saying.md do what the page says."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

import duologue
import duologue.turn.languages as languages
from duologue.conversation.config import ConversationConfig
from duologue.session import SessionConfig
from duologue.settings.local import LocalModels
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSttModel, FakeTtsModel, PeakVad, SentenceEnd
from duologue.testing.virtual import VirtualCall

PAGE = (Path(__file__).parent.parent / "docs" / "saying.md").read_text("utf-8")
LINE, WITHIN, AWAY, PACK = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def names(source: str) -> dict[str, Any]:
    """What an example defines."""
    defined: dict[str, Any] = {}
    exec(compile(source, "saying.md", "exec"), defined)
    return defined


def test_a_line_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    models = LocalModels(PeakVad(), FakeSttModel(), FakeTtsModel(), SentenceEnd(), None)
    monkeypatch.setattr(duologue, "load_local", lambda: models)
    names(LINE)
    assert capsys.readouterr().out == "This call is recorded.\n"


@pytest.mark.anyio
async def test_an_agent_says_something_while_it_answers() -> None:
    shared: dict[str, Any] = {}
    async with VirtualCall(names(WITHIN)["agent"], user_data=shared) as call:
        shared["session"] = call.session
        await call.say("When am I free?")
        assert call.heard == ["Let me check the calendar.", "You are free on Monday."]


@pytest.mark.anyio
async def test_a_silent_caller_is_asked_again_and_again() -> None:
    config = SessionConfig(rules=ConversationConfig(away_after=5.0))
    async with VirtualCall(ScriptedAgent("Yes."), config=config) as call:
        asking = asyncio.create_task(names(AWAY)["ask_the_silent"](call.session))
        await asyncio.sleep(0)
        for _ in range(20):
            await call.silence(1.0)
        asking.cancel()
        assert len(call.heard) >= 2
        assert set(call.heard) == {"Are you still there?"}


def test_a_language_pack_is_one_more_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "de.py").write_text(PACK, "utf-8")
    monkeypatch.setattr(languages, "__path__", [*languages.__path__, str(tmp_path)])
    languages._codes.cache_clear()
    try:
        pack = languages.language_pack("de-AT")
        assert [pack.response(text) for text in ("Mhm.", "Ja, genau.", "Auf Wiedersehen!", "Nein.")] == [
            "continuer",
            "assent",
            "goodbye",
            "",
        ]
        assert pack.asks("Nennen Sie Ihren Namen.")
        assert pack.apology.startswith("Entschuldigung")
    finally:
        languages._codes.cache_clear()
