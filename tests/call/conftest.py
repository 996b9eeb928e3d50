import socket

import numpy as np
import pytest

from duologue.audio.resample import resample
from duologue.settings.local import LocalModels, load_local
from duologue.tts import SpeechRequest
from duologue.turn.install import install_smart_turn


@pytest.fixture(scope="session")
def models() -> LocalModels:
    install_smart_turn(lambda _: None)
    return load_local()


class Voice:
    """Makes the caller's side of a conversation out of sentences and silences."""

    def __init__(self, models: LocalModels) -> None:
        self._tts = models.tts

    def speak(self, text: str, seed: int = 7) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
        speech = self._tts.run([SpeechRequest(text, seed)])[0]
        return resample(np.frombuffer(speech.pcm, np.int16), speech.rate, 16_000)

    def script(self, *parts: str | float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
        """Sentences, and silences in seconds, one after the other; with a little line noise throughout."""
        sound = [np.zeros(int(p * 16_000), np.int16) if isinstance(p, float) else self.speak(p) for p in parts]
        samples = np.concatenate(sound)
        noise = np.random.default_rng(1).normal(0, 4, len(samples))
        return np.clip(samples + noise, -32768, 32767).astype(np.int16)


@pytest.fixture(scope="session")
def voice(models: LocalModels) -> Voice:
    return Voice(models)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
