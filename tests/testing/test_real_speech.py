from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from duologue.audio.wav import read_wav
from duologue.errors import NotInstalledError
from duologue.testing.speech import Clip, real_speech
from duologue.testing.wer import scoring_words


@pytest.mark.models
def test_every_clip_is_16_khz_speech_with_its_words() -> None:
    clips = real_speech()
    assert len({clip.name for clip in clips}) == len(clips) > 20
    for clip in clips:
        assert read_wav(clip.path).rate == 16_000
        samples = clip.samples()
        assert samples.dtype == np.float32
        assert 0.1 < np.abs(samples).max() <= 1
        assert 0.5 < len(scoring_words(clip.text)) / (len(samples) / 16_000) < 6


@pytest.mark.models
def test_clips_that_are_missing_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = real_speech()
    shutil.copytree(clips[0].path.parent, tmp_path / "real_speech")
    (tmp_path / "real_speech" / "dickens-1.wav").unlink()
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    again = real_speech()
    assert [clip.path.read_bytes() for clip in again] == [clip.path.read_bytes() for clip in clips]
    assert again[0].path.parent == tmp_path / "real_speech"


def test_where_the_recordings_cannot_be_fetched_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert command[0] == sys.executable
        return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution found\n")

    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", offline)
    with pytest.raises(NotInstalledError, match="No matching distribution found"):
        real_speech()
    assert not list((tmp_path / "real_speech").iterdir())


def test_another_archive_than_the_expected_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        Path(command[command.index("--dest") + 1], "pocketsphinx-5.1.1.tar.gz").write_bytes(b"something else")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", other)
    with pytest.raises(NotInstalledError, match="checksum"):
        real_speech()


def test_every_source_is_pinned_by_its_checksum() -> None:
    sources = json.loads(resources.files("duologue.testing").joinpath("real_speech.json").read_text("utf-8"))
    recordings = [sources["archive"], *sources["archive"]["clips"].values(), *sources["package"]["recordings"].values()]
    assert all(len(recording["sha256"]) == hashlib.sha256().digest_size * 2 for recording in recordings)


def test_a_clip_is_a_plain_value(tmp_path: Path) -> None:
    assert Clip("a", tmp_path, "words") == Clip("a", tmp_path, "words")
