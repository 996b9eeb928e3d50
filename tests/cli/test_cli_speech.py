"""`duologue say` and `duologue transcribe`."""

from pathlib import Path

import pytest

from command_line import CommandLine
from duologue.audio.wav import read_wav, write_wav
from duologue.cli.speech import _local_recognizer
from duologue.testing.wer import word_errors
from voice import Voice

TEXT = "The quick brown fox jumps over the lazy dog. It was a bright cold day in April."


@pytest.mark.models
@pytest.mark.usefixtures("loaded")
class TestRealVoice:
    def test_what_is_said_is_transcribed_back(self, duologue: CommandLine, tmp_path: Path) -> None:
        said = duologue("say", TEXT, "--out", "fox.wav", "--json", "--seed", "1")
        assert (said.code, said.err) == (0, "")
        wav = read_wav(tmp_path / "fox.wav")
        assert said.json["file"] == "fox.wav"
        assert said.json["rate"] == wav.rate
        assert said.json["audio_s"] == pytest.approx(wav.duration, abs=1e-3)
        assert said.json["first_s"] > 0
        assert [word["text"] for word in said.json["words"]] == TEXT.split()
        ends = [at for word in said.json["words"] for at in (word["start_s"], word["end_s"])]
        assert ends == sorted(ends)
        assert ends[-1] <= wav.duration
        assert said.json["timings"] in ("exact", "estimated")
        heard = duologue("transcribe", "fox.wav")
        assert (heard.code, heard.err) == (0, "")
        assert word_errors(TEXT, heard.out)[0] <= 2

    def test_a_seed_makes_the_same_sound(self, duologue: CommandLine, tmp_path: Path) -> None:
        for name in ("one.wav", "two.wav"):
            duologue("say", "Good morning.", "--out", name, "--seed", "5")
        assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()

    def test_text_comes_from_standard_input(self, duologue: CommandLine, tmp_path: Path) -> None:
        outcome = duologue("say", "-", stdin=b"Good morning, everyone.\n")
        assert outcome.code == 0
        assert outcome.out.startswith("speech.wav: ")
        assert "Good morning, everyone" in duologue("transcribe", tmp_path / "speech.wav").out

    @pytest.mark.parametrize("text", ["", "...", " \n", "你好", "\x00"])
    def test_where_nothing_can_be_spoken_nothing_is_written(
        self, text: str, duologue: CommandLine, tmp_path: Path
    ) -> None:
        outcome = duologue("say", "--json", "-", stdin=text.encode())
        assert outcome.code == 1
        assert "Nothing in this text can be spoken." in outcome.err
        assert outcome.json["error"]["code"] == "error"
        assert not (tmp_path / "speech.wav").exists()

    def test_several_files_are_named(self, voice: Voice, duologue: CommandLine, tmp_path: Path) -> None:
        for name in ("one", "two"):
            write_wav(tmp_path / f"{name}.wav", voice.script(f"This is number {name}."), 16_000)
        outcome = duologue("transcribe", "one.wav", "two.wav")
        first, second = outcome.out.splitlines()
        assert first.startswith("one.wav: This is number")
        assert second.startswith("two.wav: This is number")
        files = duologue("transcribe", "one.wav", "two.wav", "--json").json["files"]
        assert [file["file"] for file in files] == ["one.wav", "two.wav"]

    def test_what_was_understood_before_a_bad_file_is_shown(
        self, silence: Path, duologue: CommandLine, tmp_path: Path
    ) -> None:
        (tmp_path / "bad.wav").write_bytes(b"no sound")
        outcome = duologue("transcribe", silence, "bad.wav")
        assert outcome.code == 1
        assert outcome.out.startswith(f"{silence}: ")
        assert "bad.wav: The file is not a WAV" in outcome.err

    def test_a_language_that_nobody_understands_is_refused(self, voice: Voice, duologue: CommandLine) -> None:
        write_wav("speech.wav", voice.speak("Good morning."), 16_000)
        outcome = duologue("transcribe", "speech.wav", "--stt", "moonshine", "--language", "de", "--json")
        assert outcome.code == 1
        assert outcome.json["error"]["code"] == "unsupported_language"
        assert duologue("transcribe", "speech.wav", "--language", "en").code == 0

    def test_the_language_counts_even_if_there_is_no_speech(self, silence: Path, duologue: CommandLine) -> None:
        for arguments in (("--language", "xx"), ("--language", "de", "--stt", "moonshine")):
            outcome = duologue("transcribe", silence, *arguments, "--json")
            assert outcome.code == 1
            assert outcome.json["error"]["code"] == "unsupported_language"

    @pytest.mark.parametrize(("language", "name"), [(None, "moonshine"), ("en-GB", "moonshine"), ("es", "whisper")])
    def test_the_language_chooses_the_local_recognizer(self, language: str | None, name: str) -> None:
        assert _local_recognizer(language) == name

    def test_words_are_shown_as_they_come(self, voice: Voice, duologue: CommandLine) -> None:
        write_wav("speech.wav", voice.speak("Please tell me whether you have a table tomorrow."), 16_000)
        outcome = duologue("transcribe", "speech.wav", "--partials")
        assert "table tomorrow" in outcome.out
        *partials, final = [line.removeprefix("… ") for line in outcome.err.splitlines()]
        assert partials
        assert final == outcome.out.strip()


@pytest.mark.usefixtures("unloadable")
class TestBadText:
    def test_sound_and_json_are_not_mixed(self, duologue: CommandLine) -> None:
        outcome = duologue("say", "Hello.", "--out", "/dev/stdout", "--json")
        assert outcome.code == 1
        assert "/dev/stdout and --json would both write to standard output" in outcome.err

    def test_a_result_is_not_mixed_with_what_is_written_to_a_file(self, silence: Path, duologue: CommandLine) -> None:
        outcome = duologue("call", silence, "--out", "/dev/stdout")
        assert outcome.code == 2
        assert "is standard output" in outcome.told
        assert "is standard output" in duologue("callers", "--url", "ws://127.0.0.1:1", "--raw", "/dev/stdout").told

    def test_what_is_not_text_is_refused(self, duologue: CommandLine) -> None:
        outcome = duologue("say", "-", stdin=b"\xff\xfe\x00")
        assert outcome.code == 1
        assert "Standard input is not UTF-8 text." in outcome.err

    @pytest.mark.parametrize("endless", [b"word " * 20_000, "é".encode() * 60_000])
    def test_a_text_without_end_is_refused(self, endless: bytes, duologue: CommandLine) -> None:
        outcome = duologue("say", "-", stdin=endless)
        assert outcome.code == 1
        assert "more than 50000 characters" in outcome.err

    def test_where_standard_input_is_cut_is_no_matter(self, duologue: CommandLine) -> None:
        outcome = duologue("say", "-", stdin=b"a" + "é".encode() * 200_000)
        assert outcome.code == 1
        assert "more than 50000 characters" in outcome.err
