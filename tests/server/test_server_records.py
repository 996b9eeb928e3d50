"""Records of calls on disk: whole lines, bounded files, and a full disk that ends nothing."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from duologue.agent import CallInfo
from duologue.conversation.history import Message
from duologue.errors import ConfigError
from duologue.server.records import CallRecords, call_entry
from duologue.session import CallRecord, ToolCalled
from duologue.session.record import TurnRecord


def lines(folder: Path) -> list[dict[str, Any]]:
    """All entries, oldest file first."""
    files = sorted(folder.glob("calls-*.jsonl"), key=lambda path: int(path.stem.rpartition("-")[2]))
    return [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines()]


def entry(n: int) -> Callable[[], dict[str, Any]]:
    return lambda: {"n": n, "text": "x" * 80}


def test_an_entry_holds_the_whole_call_and_no_secret() -> None:
    info = CallInfo(
        id="c1", agent="desk", language="en", client="10.0.0.9", metadata={"order": 7},
        headers={"x-one": "s3cret"}, claims={"sub": "s3cret"}, query={"token": "s3cret"},
    )  # fmt: skip
    record = CallRecord("c1", reason="client_end", audio=4.0)
    record.agents.append("desk")
    tool = ToolCalled(0, 0.0, 1, 1, "find", 0.1, 0.25, "done")
    record.turns.append(TurnRecord(1, "Hello.", 0.5, 1.25, "words", "Hi there.", "Hi", True, tools=[tool]))
    shown = call_entry(info, record, [Message("user", "Hello."), Message("agent", "Hi", "Hi there.", True)], 5.0)
    json.dumps(shown)
    assert "s3cret" not in str(shown)
    assert shown["transcript"] == [
        {"role": "user", "text": "Hello.", "interrupted": False},
        {"role": "agent", "text": "Hi", "interrupted": True},
    ]
    (turn,) = shown["turns"]
    assert turn["tools"] == [{"name": "find", "started_s": 0.1, "finished_s": 0.25, "outcome": "done"}]
    assert (shown["call"], shown["agents"], shown["metadata"], shown["reason"]) == (
        "c1", ["desk"], {"order": 7}, "client_end",
    )  # fmt: skip
    assert shown["started_at"] < shown["ended_at"]


def test_records_are_written_in_their_order_and_are_the_owners_alone(tmp_path: Path) -> None:
    records = CallRecords(tmp_path / "calls")
    for n in range(20):
        records.put(entry(n))
    records.close()
    assert [each["n"] for each in lines(tmp_path / "calls")] == list(range(20))
    assert records.counters() == {"records_written": 20, "records_failed": 0, "records_dropped": 0}
    (file,) = (tmp_path / "calls").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_files_are_bounded_in_size_and_number(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    records = CallRecords(tmp_path, max_bytes=300, max_files=3)
    for n in range(20):
        records.put(entry(n))
    records.close()
    files = list(tmp_path.glob("calls-*.jsonl"))
    assert len(files) == 3
    assert all(file.stat().st_size <= 300 for file in files)
    assert [each["n"] for each in lines(tmp_path)][-1] == 19
    assert (tmp_path / "notes.txt").exists()


def test_a_full_disk_is_one_line_in_the_log_and_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = threading.Event()
    write = os.write

    def limited(file: int, data: Any) -> int:
        if full.is_set():
            write(file, bytes(data)[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    def wait(records: CallRecords, count: int) -> None:
        done = threading.Event()
        while records.written + records.failed < count and not done.wait(0.001):
            pass

    monkeypatch.setattr(os, "write", limited)
    with caplog.at_level(logging.WARNING):
        records = CallRecords(tmp_path)
        records.put(entry(0))
        wait(records, 1)
        full.set()
        for n in range(1, 4):
            records.put(entry(n))
        wait(records, 4)
        full.clear()
        records.put(entry(4))
        records.close()
    assert [each["n"] for each in lines(tmp_path)] == [0, 4]
    assert (records.written, records.failed) == (2, 3)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        f"A record of a call cannot be written to {tmp_path}: the disk is full.",
        "Records of calls are written again; 3 were lost.",
    ]


def test_what_does_not_fit_the_queue_is_dropped_and_counted(tmp_path: Path) -> None:
    release = threading.Event()

    def slow() -> dict[str, Any]:
        release.wait(10)
        return {"n": -1}

    records = CallRecords(tmp_path, max_waiting=2)
    for _ in range(10):
        records.put(slow)
    assert records.dropped >= 7
    release.set()
    records.close()
    assert records.written + records.dropped == 10


def test_a_folder_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be kept in .*file/calls: Not a directory"):
        CallRecords(tmp_path / "file" / "calls")
