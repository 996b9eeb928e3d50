"""The local models: speech on this machine, with no account, no key and no network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from duologue.engine import Engine
from duologue.stt import SpeechToText, SttModel
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
) -> LocalModels:
    """Load the local models; takes a few seconds. `stt`, `tts` and `vad` are taken in place of those that would be
    loaded; no voice is loaded unless `speaks`.

    Smart Turn is loaded where its weights are there and `smart_turn` is true. Raises NotInstalledError where a package
    is missing.
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

    turn_model = load("Smart Turn", SmartTurn) if smart_turn and smart_turn_path() else None
    return LocalModels(
        vad=load("Silero VAD", _silero) if vad is None else vad,
        stt=load("Moonshine", _moonshine) if stt is None else stt,
        tts=load("Hibari", _hibari) if tts is None and speaks else tts,
        words=Words(),
        turn_model=turn_model,
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
