"""A regression test made of a recorded call: its recording without audio, and a test that replays all in the folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from duologue.errors import ConfigError
from duologue.recording.export import check_target
from duologue.recording.file import SUFFIX, open_blocks, pack_block, preamble
from duologue.recording.recording import Recording

__all__ = ["TEST_NAME", "save_test"]

TEST_NAME: Final = "test_recorded_calls.py"
TEST: Final = '''\
"""Recorded calls are decided as they were when they were saved: `duologue replay CALL --save-test FOLDER`."""

from pathlib import Path

import pytest

from duologue.recording.replay import verify

CALLS = sorted(Path(__file__).parent.glob("*.call"))


@pytest.mark.parametrize("call", CALLS, ids=lambda path: path.stem)
def test_a_recorded_call_is_decided_alike(call: Path) -> None:
    verify(call)
'''


def save_test(recording: Recording, folder: Path) -> Path:
    """Save a recording without its audio to a folder of tests, and the test if it is missing; returns the recording.

    It holds what was said. Raises ConfigError if the folder cannot be written to, or holds this very file.
    """
    target = folder / f"{re.sub(r'[^A-Za-z0-9_-]', '-', recording.call)[:64]}{SUFFIX}"
    unfinished = target.with_suffix(".part")
    check_target(recording, target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("wb") as file:
                file.write(preamble())
                for block in open_blocks(recording.path, audio=False):
                    file.write(pack_block(block.kind, block.content))
            os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)  # of a full disk
        test = folder / TEST_NAME
        if not test.exists():
            test.write_text(TEST, "utf-8")
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to: {error.strerror}.", hint="Choose another folder.") from None
    return target
