import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.errors import InvalidAudioError, NotInstalledError
from duologue.store import package_file
from duologue.turn import TurnModel
from duologue.turn.install import install_smart_turn, smart_turn_path
from duologue.turn.smart_turn import SmartTurn


@pytest.fixture(scope="module")
def model() -> SmartTurn:
    return SmartTurn(install_smart_turn())


def clip(name: str, end: float) -> NDArray[np.float32]:
    """The first `end` seconds of real speech, then 200 ms of silence."""
    with wave.open(str(package_file("moonshine_voice", "assets", name))) as file:
        assert file.getframerate() == 16000
        samples = np.frombuffer(file.readframes(round(end * 16000)), np.int16)
    return np.concatenate([samples.astype(np.float32) / 32768, np.zeros(3200, np.float32)])


@pytest.mark.models
def test_it_tells_a_finished_sentence_from_one_cut_short(model: SmartTurn) -> None:
    finished, cut = clip("beckett.wav", 3.5), clip("clone-test.wav", 1.7)
    turn_model: TurnModel = model
    probabilities = turn_model.run([finished, cut])
    assert probabilities[0] > 0.7
    assert probabilities[1] < 0.3
    assert model.run([cut]) == probabilities[1:]
    assert (model.name, model.max_batch, model.size(finished)) == ("smart_turn", 1, 3.7)


@pytest.mark.models
@pytest.mark.parametrize(
    "item",
    [np.zeros(0, np.float32), np.zeros((2, 100), np.float32), np.full(100, np.nan, np.float32)],
    ids=["empty", "two channels", "not a number"],
)
def test_bad_audio_is_refused(model: SmartTurn, item: NDArray[np.float32]) -> None:
    with pytest.raises(InvalidAudioError, match="shape"):
        model.run([item])


@pytest.mark.models
def test_extremes_give_probabilities(model: SmartTurn) -> None:
    extremes = [np.zeros(1, np.float32), np.ones(20_000, np.float32), np.full(200_000, -1, np.float32)]
    assert all(0 <= probability <= 1 for probability in model.run(extremes))
    assert model.run([]) == []


def test_without_weights_the_error_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    assert smart_turn_path() is None
    for path in (None, tmp_path / "missing.onnx"):
        with pytest.raises(NotInstalledError, match=r"duologue models install smart-turn"):
            SmartTurn(path)


def test_without_onnxruntime_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"")
    with pytest.raises(NotInstalledError, match=r"duologue\[local\]"):
        SmartTurn(path)
