"""Old recordings are deleted, whatever else lies in the folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from duologue.recording.retention import remove_old


def test_one_that_cannot_be_deleted_keeps_no_other(tmp_path: Path) -> None:
    (tmp_path / "20260101T000000Z-a.call").mkdir()  # as good as a file of somebody else
    for name in ("b", "c"):
        (tmp_path / f"20260101T000000Z-{name}.call").write_bytes(b"audio")
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    with pytest.raises(OSError, match=r"directory|permitted"):
        remove_old(tmp_path, max_age=60.0, max_bytes=10**9)
    assert [path.name for path in tmp_path.iterdir()] == ["20260101T000000Z-a.call"]
