"""Which files `call` and `transcribe` take, and what they say of the others."""

from pathlib import Path

import numpy as np
import pytest
from recordings import FORMATS, wav

from command_line import CommandLine
from duologue.testing.wer import word_errors
from voice import Voice

SENTENCE = "I would like a table for four people, please."

COMMANDS = [["call", "--fast", "--agent", "echo"], ["transcribe"]]


@pytest.mark.models
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.usefixtures("loaded")
def test_what_is_said_in_any_common_file_is_understood(
    kind: str, voice: Voice, duologue: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "recording.wav"
    file.write_bytes(FORMATS[kind](voice.script(0.3, SENTENCE, 0.3)))

    transcribed = duologue("transcribe", file, "--json")
    called = duologue("call", file, "--fast", "--agent", "echo", "--json")

    assert transcribed.code == called.code == 0
    (transcript,) = transcribed.json["files"]
    (turn,) = called.json["turns"]
    for text in (transcript["text"], turn["user"]["text"]):
        assert word_errors(SENTENCE, text)[0] <= 1, text
    assert transcript["file"] == str(file)
    assert not transcribed.err + called.err


@pytest.mark.models
@pytest.mark.usefixtures("loaded")
def test_a_file_that_breaks_off_is_read_as_far_as_it_goes(voice: Voice, duologue: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "recording.wav"
    whole = wav(voice.script(SENTENCE, 10.0).tobytes())
    file.write_bytes(whole[: len(whole) - 2 * 16_000 * 9 - 1])
    for command in COMMANDS:
        outcome = duologue(*command, file, "--json")
        assert outcome.code == 0
        assert "table" in outcome.out
        assert f"{file} ends before its header says" in outcome.err


@pytest.mark.parametrize("command", COMMANDS, ids=["call", "transcribe"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "The file is empty."),
        (b"ID3\x03 this is an MP3", "The file is not a WAV"),
        (b"RIFF\x04\0\0\0WAVE", "no data chunk"),
        (wav(b""), "no sound in it"),
        (wav(bytes(320), bits=12), "12 bits"),
        (wav(bytes(3200), rate=12_345), "12345 Hz"),
        (wav(np.full(100, np.nan, "<f4").tobytes(), tag=3, bits=32), "not a number"),
    ],
    ids=["empty", "mp3", "header", "no sound", "12 bits", "odd rate", "nan"],
)
@pytest.mark.usefixtures("unloadable")
def test_what_is_no_recording_is_refused_by_name(
    content: bytes, told: str, command: list[str], duologue: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "odd [1].wav"
    file.write_bytes(content)

    outcome = duologue(*command, file)
    assert outcome.code == 1
    assert outcome.err.startswith(f"error: {file}: ")
    assert told in outcome.err
    assert not outcome.out

    outcome = duologue(*command, file, "--json")
    assert outcome.code == 1
    assert outcome.json["error"]["code"] == "invalid_audio"
    assert told in outcome.json["error"]["message"]
    assert outcome.json["error"]["message"] in outcome.err
