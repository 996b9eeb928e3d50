"""The caller's side of a conversation, for tests that run real models."""

import numpy as np
from numpy.typing import NDArray

from duologue.audio.resample import resample
from duologue.settings.local import LocalModels
from duologue.tts import SpeechRequest


class Voice:
    """Makes the caller's side of a conversation out of sentences and silences."""

    def __init__(self, models: LocalModels) -> None:
        self._tts = models.tts

    def speak(self, text: str, seed: int = 7) -> NDArray[np.int16]:
        speech = self._tts.run([SpeechRequest(text, seed)])[0]
        return resample(np.frombuffer(speech.pcm, np.int16), speech.rate, 16_000)

    def script(self, *parts: str | float) -> NDArray[np.int16]:
        """Sentences, and silences in seconds, one after the other; with a little line noise throughout."""
        sound = [np.zeros(int(p * 16_000), np.int16) if isinstance(p, float) else self.speak(p) for p in parts]
        samples = np.concatenate(sound)
        noise = np.random.default_rng(1).normal(0, 4, len(samples))
        return np.clip(samples + noise, -32768, 32767).astype(np.int16)
