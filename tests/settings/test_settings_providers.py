"""Providers by name: what is registered, what is not, and what is missing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from duologue.errors import ConfigError, DuologueError, NotInstalledError
from duologue.server.application import Application
from duologue.settings import providers
from duologue.settings.providers import provider_names, stt_provider, tts_provider

ROOT = Path(__file__).parents[2]


class Parrot:
    """What another package might register."""

    def __init__(self, *, model: str = "grey", volume: int = 1) -> None:
        self.model, self.volume = model, volume
        if volume > 10:
            raise ValueError("the key is sk-secret")


class Mute:
    pass


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, EntryPoint]]:
    """The recognizers that installed packages register."""
    points = {
        "parrot": f"{__name__}:Parrot",
        "mute": f"{__name__}:Mute",
        "absent": "a_package_that_is_not_there.stt:Provider",
        "broken": f"{__name__}:NoSuchClass",
        "moonshine": f"{__name__}:Parrot",
    }
    made = [EntryPoint(name, value, "duologue.stt") for name, value in points.items()]
    monkeypatch.setattr(providers, "entry_points", lambda group: made if group == "duologue.stt" else [])
    providers._registered.cache_clear()
    yield {point.name: point for point in made}
    providers._registered.cache_clear()


@pytest.mark.usefixtures("registered")
def test_a_provider_of_another_package_is_made_with_its_model_and_options() -> None:
    parrot: Any = stt_provider("parrot/blue", volume=3)
    assert (type(parrot), parrot.model, parrot.volume) == (Parrot, "blue", 3)
    plain: Any = stt_provider("parrot")
    assert plain.model == "grey"


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("name", "options", "kind", "said"),
    [
        ("nobody", {}, ConfigError, ("'nobody'", "moonshine", "parrot")),
        ("", {}, ConfigError, ("''",)),
        ("parrot/", {}, ConfigError, ("no model", "parrot/MODEL")),
        ("parrot", {"colour": 1}, ConfigError, ("colour", "model, volume")),
        ("parrot", {"volume": 11}, ConfigError, ("'parrot'", "ValueError")),
        ("mute/loud", {}, ConfigError, ("'loud'", "no models")),
        ("absent", {}, NotInstalledError, ("a_package_that_is_not_there", "'absent'")),
        ("broken", {}, ConfigError, ("'broken'", "cannot be loaded")),
    ],
)
def test_what_cannot_be_made_is_named(
    name: str, options: dict[str, Any], kind: type[DuologueError], said: tuple[str, ...]
) -> None:
    with pytest.raises(kind) as caught:
        stt_provider(name, **options)
    for words in said:
        assert words in str(caught.value)
    assert "sk-secret" not in str(caught.value)


@pytest.mark.usefixtures("registered")
def test_no_package_takes_a_name_of_ours() -> None:
    assert providers._registered("stt")["moonshine"].value == "duologue.stt.moonshine:Moonshine"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {"deepgram": EntryPoint("deepgram", "duologue.no_such_module:Provider", "duologue.stt")}
    monkeypatch.setattr(providers, "_registered", lambda kind: points)
    with pytest.raises(NotInstalledError, match=r"pip install 'duologue\[deepgram\]'"):
        stt_provider("deepgram/nova-3")


@pytest.mark.parametrize("kind", ["stt", "tts"])
def test_every_provider_of_ours_is_registered_and_can_be_loaded(kind: providers.Kind) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    assert set(declared[f"duologue.{kind}"]) <= set(provider_names(kind))
    for name in declared[f"duologue.{kind}"]:
        assert callable(providers._registered(kind)[name].load())


def test_a_voice_is_found_among_voices_only() -> None:
    with pytest.raises(ConfigError, match="There is no voice 'moonshine'"):
        tts_provider("moonshine")


def test_names_are_known_without_an_import() -> None:
    code = (
        "from duologue.settings.providers import provider_names as n\n"
        "import sys; n('stt'); n('tts')\n"
        "print([m for m in sys.modules if m.startswith(('duologue.stt', 'duologue.tts', 'numpy', 'websockets'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("registered")
def test_a_server_makes_providers_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async def agent(text: str) -> str:
        return text

    application = Application(agent, say=print, workers=2, stt="parrot/blue")
    made = [application._stt() for _ in range(2)]
    assert [parrot.model for parrot in made] == ["blue", "blue"]
    assert made[0] is not made[1]
    for options in ({"stt": "nobody"}, {"tts": "parrot"}, {"voices": {"anna": "nobody"}}):
        with pytest.raises(ConfigError, match="There is no"):
            Application(agent, say=print, **options)
