import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from duologue.audio.format import RATE
from duologue_bench.corpus import checksums
from duologue_bench.corpus.checksums import CHECKSUMS, compare, freeze


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny corpus, frozen."""
    monkeypatch.setattr(checksums, "CHECKSUMS", tmp_path / "CHECKSUMS")
    np.save(tmp_path / "dev.npy", np.random.RandomState(1).randint(-3000, 3000, 4 * RATE).astype(np.int16))
    np.save(tmp_path / "babble.npy", np.random.RandomState(2).randint(-3000, 3000, RATE).astype(np.int16))
    turn = {"text": "Hello.", "start": 8000, "end": 24000, "pauses": [[12000, 16000, "clause"]]}
    common = {"half": "dev", "seed": 1, "sound": ["dev.npy", 0, 3 * RATE]}
    item = {**common, "id": "a", "source": "synthetic", "level_dbfs": -20.0, "turns": [turn]}
    barge_in = {**common, "id": "b", "kind": "noise", "text": "cough", "onset": 100, "end": 200}
    write(tmp_path, {"items": [item], "barge_ins": [barge_in]})
    freeze(tmp_path)
    return tmp_path


def write(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")


def change(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["items"][0]["turns"][0] |= changes
    write(folder, manifest)


def test_the_same_corpus_is_exact(folder: Path) -> None:
    assert compare(folder).kind == "exact"


def test_times_are_compared_in_milliseconds(folder: Path) -> None:
    change(folder, end=24003)
    assert compare(folder).kind == "exact"


def test_last_bits_of_sound_and_a_few_milliseconds_are_equivalent(folder: Path) -> None:
    samples = np.load(folder / "dev.npy")
    np.save(folder / "dev.npy", samples + np.random.RandomState(3).randint(-1, 2, len(samples)).astype(np.int16))
    change(folder, end=24000 + 5 * 16)
    verdict = compare(folder)
    assert verdict.kind == "equivalent"
    assert "dev.npy" in verdict.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"text": "Goodbye."}, "texts"),
        ({"pauses": [[12000, 16000, "list"]]}, "texts"),
        ({"end": 24000 + 61 * 16}, "differs by 61 ms"),
        ({"pauses": []}, "texts"),
    ],
)
def test_other_words_or_labels_are_different(folder: Path, changes: dict[str, Any], reason: str) -> None:
    change(folder, **changes)
    verdict = compare(folder)
    assert verdict.kind == "different"
    assert reason in str(verdict)


@pytest.fixture
def large(folder: Path) -> Path:
    """The same, with fifty turns of four labels each, frozen."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (turn,) = manifest["items"][0]["turns"]
    manifest["items"][0]["turns"] = [turn] * 50
    write(folder, manifest)
    freeze(folder)
    return folder


@pytest.mark.parametrize(("turns", "kind"), [(1, "equivalent"), (4, "equivalent"), (5, "different"), (50, "different")])
def test_few_labels_may_be_a_frame_of_the_synthesiser_away(large: Path, turns: int, kind: str) -> None:
    """Of 205 labels and lengths one in fifty may differ by more than 20 ms: four."""
    manifest = json.loads((large / "manifest.json").read_text("utf-8"))
    moved = manifest["items"][0]["turns"]
    manifest["items"][0]["turns"] = [{**turn, "end": 24000 + 28 * 16} for turn in moved[:turns]] + moved[turns:]
    write(large, manifest)
    verdict = compare(large)
    assert verdict.kind == kind
    assert f"{turns} of 205 labels differ by more than 20 ms" in verdict.reason


def test_another_level_is_different(folder: Path) -> None:
    np.save(folder / "dev.npy", np.load(folder / "dev.npy") // 2)
    assert "levels differ" in compare(folder).reason


def test_more_items_are_different(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    write(folder, {**manifest, "items": manifest["items"] * 2})
    assert "lines of sums and items" in compare(folder).reason


def test_nothing_frozen_is_different(folder: Path) -> None:
    (folder / "CHECKSUMS").unlink()
    assert compare(folder).kind == "different"


def test_the_frozen_corpus_is_in_the_repository() -> None:
    lines = CHECKSUMS.read_text("ascii").splitlines()
    assert lines[0].startswith("sha256 texts ")
    assert sum(line.startswith(("dev-", "test-")) for line in lines) > 600
