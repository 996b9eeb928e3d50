"""The local models: speech on this machine, with no account, no key and no network."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from duologue.engine import Engine
from duologue.settings.languages import (
    CallLanguages,
    LanguageModels,
    kokoro_for,
    load_languages,
    whisper_for,
)
from duologue.stt import SpeechToText, SttModel
from duologue.stt.language import code_of
from duologue.tts import TextToSpeech, TtsModel
from duologue.turn import TurnModel, WordsPolicy
from duologue.vad import VoiceActivityDetector

__all__ = ["LocalModels", "load_local"]

Step = Callable[[str, float], None]
"""Told the name of each model and the seconds that it took to load."""


@dataclass(frozen=True, slots=True)
class LocalModels:
    """What a conversation needs, loaded and warm."""

    vad: VoiceActivityDetector
    stt: Any
    """A service or a model; that of `load_local` unless one was given."""
    tts: Any
    """None if a speech-to-speech model answers."""
    words: WordsPolicy
    turn_model: TurnModel | None
    """None if the weights of Smart Turn are not installed."""
    languages: Mapping[str, LanguageModels] = field(default_factory=dict)
    """What calls in some languages have in place of `stt` and `tts`."""

    def stt_of(self, language: str | None) -> Any:
        """The recognizer of calls in a language."""
        return self._of(language).stt or self.stt

    def tts_of(self, language: str | None) -> Any:
        """The voice of calls in a language."""
        return self._of(language).tts or self.tts

    @property
    def estimates_sound(self) -> bool:
        """True if `stt` needs no Smart Turn: it estimates itself what the audio says of the end of a turn."""
        return bool(getattr(getattr(self.stt, "capabilities", self.stt), "estimates_sound", False))

    def _of(self, language: str | None) -> LanguageModels:
        return self.languages.get(code_of(language or ""), LanguageModels())

    def engine(self, **options: Any) -> Engine:
        """An engine over these models; `options` as for Engine."""
        return Engine(vad=self.vad, words=self.words, turn_model=self.turn_model, **options)


def load_local(
    on_step: Step | None = None,
    *,
    smart_turn: bool = True,
    speaks: bool = True,
    stt: SpeechToText | SttModel | None = None,
    tts: TextToSpeech | TtsModel | None = None,
    vad: VoiceActivityDetector | None = None,
    languages: CallLanguages | Sequence[str] = (),
    voices: Sequence[TextToSpeech | TtsModel] = (),
) -> LocalModels:
    """Load the local models; takes a few seconds. `stt`, `tts` and `vad` are taken in place of those that would be
    loaded; no voice is loaded unless `speaks`.

    Beside them, Whisper is loaded for those of `languages` that the recognizer does not know, and a voice of Kokoro for
    each that neither `tts` nor one of `voices` speaks. Moonshine and Hibari, which are English, are loaded only if
    English is one of the languages, or none is given. Smart Turn is loaded if its weights are there and `smart_turn` is
    true. Raises NotInstalledError where a package
    is missing, ConfigError or UnsupportedLanguageError for a language that no local model knows.
    """
    from duologue.turn.install import smart_turn_path
    from duologue.turn.smart_turn import SmartTurn
    from duologue.turn.words import Words

    def load(name: str, make: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        model = make()
        if on_step is not None:
            on_step(name, time.perf_counter() - began)
        return model

    spoken = CallLanguages.of(languages, None)
    hears, voice = ("Moonshine", _moonshine), ("Hibari", _hibari)
    if spoken.codes and "en" not in spoken.codes:
        first = spoken.codes[0]
        hears, voice = ("Whisper base", whisper_for(spoken)), (f"Kokoro ({first})", kokoro_for(spoken, first))
    stt = load(*hears) if stt is None else stt
    tts = load(*voice) if tts is None and speaks else tts
    turn_model = load("Smart Turn", SmartTurn) if smart_turn and smart_turn_path() else None
    return LocalModels(
        vad=load("Silero VAD", _silero) if vad is None else vad,
        stt=stt,
        tts=tts,
        words=Words(),
        turn_model=turn_model,
        languages=load_languages(spoken, stt, [*([] if tts is None else [tts]), *voices], load),
    )


def _silero() -> VoiceActivityDetector:
    from duologue.vad.silero import Silero

    return Silero()


def _moonshine() -> SttModel:
    from duologue.stt.moonshine import Moonshine

    return Moonshine()


def _hibari() -> TtsModel:
    from duologue.tts.hibari import Hibari

    return Hibari()
