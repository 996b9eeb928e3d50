import asyncio
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from command_line import CommandLine
from duologue.audio.wav import write_wav
from duologue.settings import local
from duologue.settings.local import LocalModels, load_local
from duologue.turn.install import install_smart_turn
from voice import Voice

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def models() -> LocalModels:
    """The real local models, loaded once; tests that use them are marked `models`."""
    install_smart_turn(lambda _: None)
    return load_local()


@pytest.fixture(scope="session")
def voice(models: LocalModels) -> Voice:
    return Voice(models)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def duologue(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[CommandLine]:
    """The command line, in an empty folder, whose modules are forgotten after the test."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOST", "PORT", "OPENAI_API_KEY", "OPENAI_BASE_URL", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    yield CommandLine(monkeypatch, capsys)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def loaded(models: LocalModels, monkeypatch: pytest.MonkeyPatch) -> LocalModels:
    """The models of the whole run, where a command would load its own."""
    monkeypatch.setattr(local, "load_local", lambda *_, **__: models)
    monkeypatch.setattr("duologue.stt.moonshine.Moonshine", lambda: models.stt)
    monkeypatch.setattr("duologue.tts.hibari.Hibari", lambda: models.tts)
    return models


@pytest.fixture
def unloadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails a test whose command loads models before it sees a mistake."""

    def load(*_: object, **__: object) -> None:
        raise AssertionError("models were loaded")

    monkeypatch.setattr(local, "load_local", load)
    monkeypatch.setattr("duologue.stt.moonshine.Moonshine", load)
    monkeypatch.setattr("duologue.tts.hibari.Hibari", load)


@pytest.fixture
def silence(tmp_path: Path) -> Path:
    """A recording in which nobody speaks."""
    path = tmp_path / "silence.wav"
    write_wav(path, bytes(32_000), 16_000)
    return path


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded call of five turns with an interruption, over fakes; tests only read it."""
    from recorded_call import record

    return asyncio.run(record(tmp_path_factory.mktemp("recorded"))).path
