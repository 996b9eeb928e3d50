"""The programs and the settings of docs/how-to/languages.md are accepted, and load what the page says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

import duologue
from duologue import CallInfo
from duologue.server.configured import options_of
from duologue.settings.languages import CallLanguages
from duologue.settings.load import load_settings
from duologue.stt.whisper import LANGUAGES
from duologue.tts.kokoro.phonemes import DEFAULT_VOICES
from duologue.turn.languages import _codes

PAGE = (Path(__file__).parent.parent / "docs" / "how-to" / "languages.md").read_text("utf-8")
FILES = dict(re.findall(r"^```(?:python|toml)\n# (\w+\.\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


async def answer(text: str) -> str:
    return text


@pytest.mark.parametrize(("name", "languages"), [("spanish.py", ["es"]), ("hotel.py", ["en", "es", "ja"])])
def test_the_programs_can_be_served(
    name: str, languages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[tuple[object, dict[str, Any]]] = []
    monkeypatch.setattr(duologue, "serve", lambda agent, **options: served.append((agent, options)))
    (tmp_path / name).write_text(FILES[name])
    runpy.run_path(str(tmp_path / name), run_name="__main__")
    ((agent, options),) = served
    assert options["languages"] == languages
    duologue.asgi(agent, **options)
    if isinstance(agent, type):
        assert agent(CallInfo(id="1", language="ja")).greeting == "いらっしゃいませ。"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spanish.toml", CallLanguages(("es",), {}, {"speed": 1.1})),
        ("service.toml", CallLanguages(("de", "fr"), {}, {})),
    ],
)
def test_the_settings_can_be_served(
    name: str, expected: CallLanguages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(FILES[name])
    monkeypatch.setenv("ELEVENLABS_API_KEY", "key")
    options = options_of(load_settings(tmp_path / name))
    assert options["languages"] == expected
    server = {"agent", "agents", "realtime"}
    duologue.asgi(answer, **{key: value for key, value in options.items() if key not in server})


def test_the_table_has_the_languages_that_there_are() -> None:
    names = {"en": "English", "es": "Spanish", "ja": "Japanese", "zh": "Mandarin", "fr": "French", "de": "German"}
    rows = re.findall(r"^\| ([A-Z].*?) \| .* \| (.*?) \| .* \|$", PAGE, re.MULTILINE)
    spoken = [name for languages, voice in rows if "kokoro" in voice for name in languages.split(", ")]
    assert spoken == [names[code] for code in DEFAULT_VOICES]
    assert set(names) == set(_codes())
    assert f"| {len(LANGUAGES) - len(names)} others |" in PAGE
