"""Languages of calls: what is loaded for them, and which provider knows which."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from duologue.errors import ConfigError, UnsupportedLanguageError
from duologue.settings import languages as room
from duologue.settings import local
from duologue.settings.languages import CallLanguages, knows, load_languages
from duologue.settings.local import LocalModels, load_local
from duologue.stt import SttCapabilities
from duologue.stt.language import language_code
from duologue.testing.fakes import FakeSttModel, FakeTtsModel, PeakVad, SentenceEnd

ENGLISH_VOICE: Any = SimpleNamespace(name="hibari", languages=frozenset({"en"}))


class FakeWhisper:
    """Knows three languages."""

    languages = frozenset({"en", "es", "ja"})

    def __init__(self, language: str, **options: Any) -> None:
        self.made_with = (language, options)

    def of(self, language: str) -> FakeWhisper:
        language_code("whisper-base", self.languages, language)
        return self


class FakeKokoro:
    def __init__(self, language: str, **options: Any) -> None:
        if language == "de":
            raise ConfigError("Kokoro has no voice for the language 'de' here.")
        self.languages = frozenset({language})
        self.made_with = (language, options)


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.stt.whisper.Whisper", FakeWhisper)
    monkeypatch.setattr("duologue.tts.kokoro.Kokoro", FakeKokoro)


def made(*codes: str, **given: Any) -> tuple[LocalModels, list[str]]:
    """What is loaded for these languages, and the titles of what was."""
    titles: list[str] = []
    return load_local(
        lambda title, _: titles.append(title), smart_turn=False, vad=PeakVad(), languages=codes, **given
    ), titles


@pytest.mark.parametrize(
    ("provider", "known"),
    [
        (SimpleNamespace(languages=frozenset({"en"})), False),
        (SimpleNamespace(languages=frozenset({"en", "es-MX"})), True),
        (SimpleNamespace(capabilities=SttCapabilities(languages=frozenset({"en"}))), False),
        (SimpleNamespace(capabilities=SttCapabilities()), True),
        (FakeTtsModel(), True),
    ],
)
def test_a_provider_that_declares_no_language_knows_any(provider: Any, known: bool) -> None:
    assert knows(provider, "es") is known


def test_what_the_default_models_do_not_know_is_loaded_beside_them() -> None:
    models, titles = made("en", "es", "ja", stt=FakeSttModel(), tts=ENGLISH_VOICE)
    assert titles == ["Whisper base", "Kokoro (es)", "Kokoro (ja)"]
    assert models.stt_of("es") is models.stt_of("ja-JP")
    assert models.stt_of("es").made_with == ("en", {})
    assert models.tts_of("ja").made_with == ("ja", {})
    assert (models.stt_of("en"), models.tts_of("en")) == (models.stt, ENGLISH_VOICE)
    assert (models.stt_of(None), models.tts_of(None)) == (models.stt, ENGLISH_VOICE)


def test_a_provider_that_knows_a_language_keeps_it() -> None:
    models, titles = made("es", stt=FakeSttModel(), tts=FakeTtsModel())
    assert titles == ["Whisper base"]
    assert models.tts_of("es") is models.tts
    assert made("es", stt=FakeSttModel(), tts=ENGLISH_VOICE, voices=[FakeTtsModel()])[1] == ["Whisper base"]


def test_without_english_the_english_models_are_not_loaded() -> None:
    models, titles = made("es", "ja")
    assert titles == ["Whisper base", "Kokoro (es)", "Kokoro (ja)"]
    assert models.stt.made_with == ("es", {})
    assert models.tts_of("ja").made_with == ("ja", {})


def test_no_language_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_moonshine", FakeSttModel)
    monkeypatch.setattr(local, "_hibari", lambda: ENGLISH_VOICE)
    models, titles = made()
    assert titles == ["Moonshine", "Hibari"]
    assert models.languages == {}


def test_a_language_that_no_local_model_knows_is_an_error_at_the_start() -> None:
    with pytest.raises(UnsupportedLanguageError, match="'tlh'"):
        made("en", "tlh", stt=FakeSttModel(), tts=FakeTtsModel())
    with pytest.raises(ConfigError, match="no voice for the language 'de'"):
        load_languages(CallLanguages(("de",)), SimpleNamespace(languages=()), [ENGLISH_VOICE], lambda _, make: make())


def test_options_reach_the_models_except_for_what_the_language_decides() -> None:
    chosen = CallLanguages(
        ("es",), {"threads": 1, "language": "fr"}, {"speed": 1.1, "model": "af_heart", "language": "en"}
    )
    assert room.whisper_for(chosen)().made_with == ("es", {"threads": 1})
    assert room.kokoro_for(chosen, "es")().made_with == ("es", {"speed": 1.1})


@pytest.mark.parametrize("wrong", ["es-MX", "spanish", "", "ES"])
def test_a_code_has_two_or_three_letters(wrong: str) -> None:
    with pytest.raises(ConfigError, match="no code of a language"):
        CallLanguages((wrong,))


def test_the_language_of_sessions_alone_is_one() -> None:
    assert CallLanguages.of((), "es-MX").codes == ("es",)
    assert CallLanguages.of((), None).codes == ()
    assert CallLanguages.of(["ja"], "es").codes == ("ja",)
    with pytest.raises(ConfigError, match="expected a list"):
        CallLanguages.of("es", None)
    assert LocalModels(PeakVad(), None, None, SentenceEnd(), None).stt_of("es") is None
