"""`[voices.NAME]`: named voices with a provider and its options, and what errors say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from duologue.errors import ConfigError
from duologue.resilience.tts import FallbackTextToSpeech
from duologue.server.configured import check_configuration, options_of
from duologue.settings.load import Loaded, load_settings
from duologue.tts.elevenlabs import ElevenLabsVoice
from duologue.tts.openai import OpenAIVoice

ANNA = """
[tts.elevenlabs]
stability = 0.3
voice = "shared"

[voices.anna]
provider = "elevenlabs/eleven_flash_v2_5"
voice = "voice_1"
languages = ["en"]

[voices.gerda]
provider = "openai/kokoro"
voice = "df_gerda"
base_url = "http://127.0.0.1:9/v1"
api_key_file = "keys/tts"
languages = ["de"]
"""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", "key")


def load(folder: Path, text: str, **environment: str) -> Loaded:
    (folder / "duologue.toml").write_text(text, "utf-8")
    return load_settings(folder / "duologue.toml", environment=environment)


def test_voices_have_options_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "tts").write_text("secret")
    loaded = load(tmp_path, ANNA)
    check_configuration(loaded)
    options = options_of(loaded)
    assert options["tts"] is None
    assert list(options["voices"]) == ["anna", "gerda"]
    anna, gerda = (options["voices"][name]() for name in ("anna", "gerda"))
    assert isinstance(anna, ElevenLabsVoice)
    assert (anna.settings.voice, anna.settings.stability) == ("voice_1", 0.3)
    assert anna.capabilities.languages == {"en"}
    assert isinstance(gerda, OpenAIVoice)
    assert gerda.settings.api_key_file == tmp_path / "keys" / "tts"
    assert gerda.capabilities.languages == {"de"}


def test_a_voice_may_be_a_list(tmp_path: Path) -> None:
    text = '[tts.elevenlabs]\nvoice = "v"\n[tts.openai]\nvoice = "x"\nbase_url = "http://127.0.0.1:9/v1"\n'
    loaded = load(tmp_path, text + '[voices.anna]\nprovider = ["elevenlabs", "openai/kokoro"]')
    voice = options_of(loaded)["voices"]["anna"]()
    assert isinstance(voice, FallbackTextToSpeech)
    assert voice.name.startswith("elevenlabs/")


def test_a_voice_from_the_environment(tmp_path: Path) -> None:
    given = {"DUOLOGUE_VOICES__ANNA__PROVIDER": "elevenlabs", "DUOLOGUE_VOICES__ANNA__VOICE": "v"}
    voice: Any = options_of(load(tmp_path, "", **given))["voices"]["anna"]()
    assert voice.settings.voice == "v"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[providers]\ntts = "hibari"\n[voices.anna]\nprovider = "hibari"',
            r"line 2: providers.tts is set, and \[voices",
        ),
        ("[voices.anna]\nvoice = 'x'", "voices.anna.provider is not set"),
        ("[voices.anna]\nprovider = []", "must name a provider"),
        ('[voices.anna]\nprovider = "parrot"', r"line 2: There is no voice 'parrot'"),
        ('[voices.anna]\nprovider = ["hibari", "openai/x"]\nspeed = 2', "has speed beside a list: put options into"),
        ('[policy]\nvoices = ["eve"]\n[voices.anna]\nprovider = "hibari"', "allows the voice 'eve'"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, told: str) -> None:
    import duologue

    async def agent(text: str) -> str:
        return text

    with pytest.raises(ConfigError, match=told):
        duologue.asgi(agent, settings=load(tmp_path, text))


def test_an_option_that_a_voice_does_not_take_is_found_where_it_stands(tmp_path: Path) -> None:
    loaded = load(tmp_path, ANNA.replace('languages = ["en"]', "stability = 7"))
    with pytest.raises(ConfigError, match=r"line 9: .*stability"):
        check_configuration(loaded)
    with pytest.raises(ConfigError, match=r"line 9: .*stability"):
        options_of(loaded)["voices"]["anna"]()
