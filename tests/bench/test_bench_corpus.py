import json
import sys
from pathlib import Path

import numpy as np
import pytest

import duologue_bench.corpus.dataset as dataset
from duologue.errors import ConfigError, NotInstalledError
from duologue_bench.corpus import Pause, load, load_barge_ins, version
from duologue_bench.recordings import recorded_turns


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built corpus of one item and one interruption."""
    monkeypatch.setenv("DUOLOGUE_CORPUS", str(tmp_path))
    sound = np.random.RandomState(1).randint(-900, 900, 48_000).astype(np.int16)
    for name in ("dev.npy", "babble.npy"):
        np.save(tmp_path / name, sound)
    item = {
        "id": "dev-1", "half": "dev", "source": "synthetic", "topic": "booking", "voice": "hibari", "level_dbfs": -26.0,
        "room_s": 0.0, "seed": 4, "sound": ["dev.npy", 100, 32_000],
        "turns": [{"text": "Hello.", "start": 8000, "end": 24_000, "pauses": [[12_000, 17_600, "hesitation"]]}],
    }  # fmt: skip
    barge_in = {
        "id": "dev-2", "half": "dev", "kind": "backchannel", "text": "Yeah.", "onset": 1600, "end": 4800, "seed": 5,
        "agent_text": "One moment.", "agent": ["dev.npy", 0, 16_000], "sound": ["dev.npy", 16_000, 32_000],
    }  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps({"items": [item], "barge_ins": [barge_in]}), "utf-8")
    return tmp_path


def test_an_item_has_its_labels_in_seconds_and_its_sound(folder: Path) -> None:
    (item,) = load("dev")
    (turn,) = item.turns
    assert (turn.start_s, turn.end_s, turn.text) == (0.5, 1.5, "Hello.")
    assert item.pauses == turn.pauses == (Pause(0.75, 1.1, "hesitation"),)
    assert turn.pauses[0].length_s == pytest.approx(0.35)
    assert item.duration_s == 2.0
    assert (item.samples() == np.load(folder / "dev.npy")[100:32_100]).all()
    assert load("test") == []


@pytest.mark.parametrize("name", ["g711", "noise20", "noise10", "noise5"])
def test_each_version_is_as_long_and_always_the_same(folder: Path, name: str) -> None:
    (item,) = load("dev")
    samples = item.samples(name)
    assert samples.dtype == np.int16
    assert len(samples) == 32_000
    assert (samples == item.samples(name)).all()
    assert (samples != item.samples()).any()


def test_an_interruption_has_both_sides(folder: Path) -> None:
    (barge_in,) = load_barge_ins("dev")
    assert (barge_in.kind, barge_in.onset_s, barge_in.end_s) == ("backchannel", 0.1, 0.3)
    assert len(barge_in.playout()) == 16_000
    assert len(barge_in.samples("noise10")) == 32_000


def test_what_people_said_in_recordings_is_cut_at_its_labels(folder: Path) -> None:
    assert recorded_turns("dev") == {}  # a synthetic voice is no recording
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["items"][0]["source"] = "readings"
    dataset._manifest.cache_clear()
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    ((text, sound),) = recorded_turns("dev").items()
    assert text == "Hello."
    assert (sound == np.load(folder / "dev.npy")[8100:24_100]).all()


def test_what_is_not_in_the_corpus_is_an_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no half 'train'"):
        load("train")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ConfigError, match="no version 'loud'"):
        version(np.zeros(10, np.int16), "loud", 1)


def test_the_samples_cannot_be_written_to(folder: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        load("dev")[0].samples()[0] = 1


def test_each_frozen_version_has_a_folder_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUOLOGUE_CORPUS", raising=False)
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    folder = dataset.corpus_dir()
    assert folder.parent == tmp_path / "corpus"
    (tmp_path / "CHECKSUMS").write_text("of another version")
    monkeypatch.setattr(dataset, "_CHECKSUMS", tmp_path / "CHECKSUMS")
    assert dataset.corpus_dir() != folder


def test_a_build_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_CORPUS", str(tmp_path / "out"))
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(NotInstalledError, match="could not be built"):
        load("dev")
