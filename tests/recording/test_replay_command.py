"""`duologue replay` and `duologue recordings`, and `serve --record`, as a user has them."""

import os
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from duologue.recording.config import DAY
from duologue.recording.file import Kind, open_blocks, pack_block, preamble
from duologue.server import run
from duologue.server.configured import options_of
from recorded_call import SECRET


def test_a_replay_shows_the_turns_and_that_they_are_identical(recorded: Path, duologue: CommandLine) -> None:
    outcome = duologue("replay", recorded)
    assert outcome.code == 0
    assert f"A table for {SECRET} please." in outcome.out
    assert "There is room at seven, at eight, (interrupted)" in outcome.out
    assert "0.35 s of silence, words (0.74)" in outcome.out
    assert "identical: 6" in outcome.out
    shown = duologue("replay", recorded, "--json").json
    assert (shown["identical"], shown["difference"], shown["whole"]) == (True, None, True)
    assert [turn["turn"] for turn in shown["turns"]] == [1, 2, 3, 4, 5]
    assert shown["turns"][1]["interrupted"] is True
    assert shown["versions"]["python"]


def test_a_difference_is_shown_and_is_a_failure(recorded: Path, tmp_path: Path, duologue: CommandLine) -> None:
    """The recording says that its call had another setting: as if the code decided otherwise."""
    other = tmp_path / "other.call"
    header, *blocks = open_blocks(recorded)
    content = header.content.replace(b'"action_delay":0.352', b'"action_delay":0.5')
    assert content != header.content
    other.write_bytes(
        preamble()
        + pack_block(Kind.HEADER, content)
        + b"".join(pack_block(block.kind, block.content) for block in blocks if block.kind != Kind.END)
    )
    outcome = duologue("replay", other)
    assert outcome.code == 1
    assert "different from 4.032 s on" in outcome.out
    assert "recorded TurnDecided(turn=1, reason=words); now nothing" in outcome.out
    assert "note: the recording breaks off" in outcome.err
    outcome = duologue("replay", other, "--json")
    assert outcome.code == 1
    assert outcome.json["difference"]["at_s"] == 4.032
    assert "its test would fail" in duologue("replay", other, "--save-test", "tests").err


def test_other_settings_show_each_turn(recorded: Path, duologue: CommandLine) -> None:
    setting = ("--set", "endpointing.threshold=0.75", "--set", "endpointing.likely_delay=0.6")
    outcome = duologue("replay", recorded, *setting)
    assert outcome.code == 0
    assert "first divergence at 4.032 s" in outcome.out
    assert "1 of 5 turns are decided differently" in outcome.out
    shown = duologue("replay", recorded, *setting, "--json").json
    first = shown["turns"][0]
    assert (first["changed"], first["counterfactual"]) == (True, True)
    assert (first["recorded"]["silence_s"], first["now"]["silence_s"]) == (0.352, 0.608)
    assert "Leave out --set" in duologue("replay", recorded, *setting, "--save-test", "tests").err
    assert "no decision differs" in duologue("replay", recorded, "--set", "max_history=9").out
    wrong = duologue("replay", recorded, "--set", "endpointing.treshold=0.9", "--json")
    assert (wrong.code, wrong.json["error"]["code"]) == (1, "invalid_config")


def test_a_call_is_found_by_its_id(recorded: Path, duologue: CommandLine) -> None:
    call = duologue("recordings", "list", "--folder", recorded.parent, "--json").json["calls"][0]["call"]
    assert duologue("replay", call, "--folder", recorded.parent).code == 0
    assert "There is no recording" in duologue("replay", call).err
    assert f"A table for {SECRET} please." in duologue("recordings", "export", recorded).out
    lines = duologue("recordings", "export", recorded, "--json").json["lines"]
    assert [line["who"] for line in lines][:3] == ["agent", "user", "agent"]
    assert "0 deleted" in duologue("recordings", "prune", "--folder", recorded.parent).out
    assert "0 calls, 0.0 MB" in duologue("recordings", "list").out


def test_a_recording_that_cannot_be_deleted_is_told_of(tmp_path: Path, duologue: CommandLine) -> None:
    (tmp_path / "20260101T000000Z-a.call").mkdir()
    os.utime(tmp_path / "20260101T000000Z-a.call", (0, 0))
    failed = duologue("recordings", "prune", "--folder", tmp_path)
    assert (failed.code, "a.call cannot be deleted" in failed.err.replace("\n", "")) == (1, True)
    assert "0 deleted" in duologue("recordings", "prune", "--folder", tmp_path, "--days", "1e9", "--gb", "inf").out


def test_serve_records_with_consent_alone(duologue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[dict[str, Any]] = []
    monkeypatch.setattr(run, "serve", lambda *, settings, **_: served.append(options_of(settings)))
    refused = duologue("serve", "--record", "calls", "--port", "0")
    assert refused.code == 1
    assert "--record-consent" in refused.told
    outcome = duologue(
        "serve", "--record", "calls", "--record-consent", "--record-days", "7", "--record-gb", "2.5",
        "--record-no-audio", "--port", "0",
    )  # fmt: skip
    assert outcome.code == 0
    (options,) = served
    recording = options["recording"]
    assert (recording.folder, recording.consent, recording.audio) == (Path("calls"), True, False)
    assert (recording.max_age, recording.max_bytes) == (7 * DAY, 2_500_000_000)
    assert duologue("serve", "--port", "0").code == 0
    assert served[1]["recording"] is None


def test_a_file_that_is_no_recording_is_left_alone(recorded: Path, tmp_path: Path, duologue: CommandLine) -> None:
    for name in ("notes.txt", "one.call", "other.call"):
        (tmp_path / name).write_bytes(b"mine" if name == "notes.txt" else recorded.read_bytes())
    refused = duologue("recordings", "delete", "one.call", "notes.txt")
    assert (refused.code, refused.out) == (1, "")
    assert "notes.txt is no recorded call" in refused.told
    assert (tmp_path / "one.call").exists(), "nothing is deleted unless all can be"
    assert duologue("recordings", "delete", "one.call", "other.call", "--json").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert "recordings cannot be read: Not a directory" not in duologue("recordings", "list").told
    told = duologue("recordings", "list", "--folder", "notes.txt").told
    assert "The folder notes.txt cannot be read: Not a directory." in told
