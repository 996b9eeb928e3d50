"""`duologue config`: check, show, schema and the example; and `serve --config`."""

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from duologue.server import run
from duologue.server.configured import options_of
from duologue.settings.load import Loaded

TEXT = """\
[providers]
stt = "deepgram"

[stt.deepgram]
keyterm = ["duologue"]

[limits]
max_sessions = 7
"""


@pytest.fixture
def file(duologue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    path = Path("duologue.toml")
    path.write_text(TEXT)
    return path


@pytest.mark.usefixtures("file", "unloadable")
def test_check_says_that_all_is_right_or_what_is_not(duologue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = duologue("config", "check")
    assert (outcome.code, outcome.told) == (1, "error: The environment variable DEEPGRAM_API_KEY holds no key. "
        "Set DEEPGRAM_API_KEY, or api_key_file to a file with the key. ")  # fmt: skip
    monkeypatch.setenv("DEEPGRAM_API_KEY", "dg-1")
    assert duologue("config", "check").out == "duologue.toml: 3 settings, all right\n"
    assert json.loads(duologue("config", "check", "--json").out) == {"ok": True, "file": "duologue.toml", "set": 3}
    Path("other.toml").write_text("[limits]\nmax_sessions = 'x'")
    outcome = duologue("config", "check", "--config", "other.toml", "--json")
    message = 'other.toml, line 2: limits.max_sessions is "x", and must be a whole number.'
    assert (outcome.code, json.loads(outcome.out)["error"]["message"]) == (1, message)


@pytest.mark.usefixtures("file")
def test_show_tells_where_each_value_is_from_and_no_secret(
    duologue: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUOLOGUE_STT__DEEPGRAM__API_KEY", "dg-1")
    monkeypatch.setenv("DUOLOGUE_LIMITS__MAX_SESSIONS", "9")
    lines = [" ".join(line.split()) for line in duologue("config", "show").out.splitlines()]
    assert lines == [
        'providers.stt ["deepgram"] duologue.toml, line 2',
        'stt.deepgram.keyterm ["duologue"] duologue.toml, line 5',
        'stt.deepgram.api_key "***" DUOLOGUE_STT__DEEPGRAM__API_KEY',
        "limits.max_sessions 9 DUOLOGUE_LIMITS__MAX_SESSIONS",
    ]
    values = json.loads(duologue("config", "show", "--json").out)
    assert values["stt.deepgram.api_key"] == {"value": "***", "from": "DUOLOGUE_STT__DEEPGRAM__API_KEY"}
    assert values["agent.name"] == {"value": None, "from": "default"}
    assert "turn_taking.endpointing.doubt" in duologue("config", "show", "--all").out


def test_without_a_file_show_says_that_all_is_default(duologue: CommandLine) -> None:
    assert duologue("config", "show").out == "All settings have their defaults; --all shows them.\n"
    assert duologue("config", "check").out == "No file: 0 settings, all right\n"
    Path("duologue.toml").write_text("[security]\nkeys = 'duologue.keys'\n")
    assert duologue("config", "show").out.split()[:2] == ["security.keys", '"duologue.keys"']


def test_serve_takes_a_file_and_its_flags_win(duologue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[dict[str, Any]] = []

    def serve(*, settings: Loaded, **options: Any) -> None:
        served.append({**settings.settings.server.model_dump(), **options_of(settings), **options})

    monkeypatch.setattr(run, "serve", serve)
    text = "[server]\nport = 0\nworkers = 2\n[limits]\nmax_sessions = 7\n[agent]\nname = 'echo'\ngreeting = 'Hi.'\n"
    Path("duologue.toml").write_text(text)
    Path("other.toml").write_text("[server]\nport = 0\n[log]\nwords = true\n")
    outcome = duologue("serve", "--max-sessions", "8", "--log-format", "text")
    assert outcome.code == 0
    assert outcome.told.startswith("settings from duologue.toml")
    assert duologue("serve", "--config", "other.toml").code == 0
    first, second = served
    assert (first["workers"], first["engine"].max_sessions, first["greeting"]) == (2, 8, "Hi.")
    assert (second["workers"], second["engine"].max_sessions, second["log_words"]) == (1, 100, True)
    outcome = duologue("serve", "--config", "other.toml", "--max-sessions", "7", "--cache-mb", "1", "--stt", "none")
    assert (outcome.code, "--stt: There is no speech recognizer 'none'." in outcome.told) == (1, True)
