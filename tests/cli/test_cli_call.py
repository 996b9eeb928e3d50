"""`duologue call`: what it prints, writes and exits with."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from command_line import CommandLine
from duologue.agent.booking import BookingAgent
from duologue.audio.wav import read_wav_16k, write_wav
from duologue.settings import local
from duologue.settings.languages import LanguageModels
from duologue.settings.local import LocalModels
from duologue.testing.fakes import FakeSttModel, FakeTtsModel
from duologue.testing.wer import word_errors
from voice import Voice

pytestmark = [pytest.mark.models, pytest.mark.usefixtures("loaded")]

SENTENCE = "I would like to book a table for four people."


@pytest.fixture
def recording(voice: Voice, tmp_path: Path) -> Path:
    path = tmp_path / "caller.wav"
    write_wav(path, voice.script(2.0, SENTENCE, 4.0, "Tomorrow at seven.", 0.3), 16_000)
    return path


def test_json_is_one_object_with_all_turns(recording: Path, duologue: CommandLine) -> None:
    outcome = duologue("call", recording, "--fast", "--json", "--strict", "--greeting", "Hello there.")
    assert outcome.code == 0
    assert not outcome.err
    call = outcome.json
    assert call["errors"] == []
    assert call["greeting"] == "Hello there."
    assert call["end_reason"] == "closed"
    assert call["starved_frames"] == 0
    assert call["audio_s"] > len(read_wav_16k(recording).samples) / 16_000
    assert call["wall_s"] > 0
    first, second = call["turns"]
    assert word_errors(SENTENCE, first["user"]["text"])[0] <= 1
    assert 0 < first["user"]["start_s"] < first["user"]["end_s"] < second["user"]["start_s"]
    for turn in (first, second):
        assert turn["agent"]["text"] == turn["agent"]["heard_text"] != ""
        assert turn["end_reason"] in ("words", "sound", "timeout")
        assert turn["interrupted"] is False
        latency = turn["latency"]
        assert 0 <= latency["processing_s"] < latency["voice_to_voice_s"]
        stages = [latency["stages"][name] for name in ("words", "decided", "first_text", "first_clause", "first_audio")]
        assert latency["voice_to_voice_s"] == pytest.approx(stages[-1], abs=1e-3)


def test_turns_are_shown_with_where_their_time_went(recording: Path, duologue: CommandLine) -> None:
    outcome = duologue("call", recording, "--fast", "--agent", "echo")
    assert outcome.code == 0
    assert not outcome.err
    assert "You said: I would like to book" in outcome.out
    assert outcome.out.count(" ms (") == 2
    assert "end of turn" in outcome.out


def sounds_without_words() -> dict[str, np.ndarray[tuple[int], np.dtype[np.int16]]]:
    n = np.arange(20 * 16_000)
    noise = np.random.default_rng(3).normal(0, 3000, len(n))
    return {
        "a minute of silence": np.zeros(60 * 16_000, np.int16),
        "a tone": (12_000 * np.sin(2 * np.pi * 440 / 16_000 * n)).astype(np.int16),
        "white noise": np.clip(noise, -32768, 32767).astype(np.int16),
        "clipping": np.where(n // 40 % 2, 32767, -32768).astype(np.int16),
        "one sample": np.zeros(1, np.int16),
    }


@pytest.mark.parametrize("sound", sounds_without_words())
def test_where_nothing_is_said_there_is_no_turn(sound: str, duologue: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "sound.wav"
    write_wav(file, sounds_without_words()[sound], 16_000)
    outcome = duologue("call", file, "--fast", "--json")
    assert outcome.code == 0
    assert (outcome.json["turns"], outcome.json["errors"]) == ([], [])
    assert duologue("transcribe", file, "--json").json["files"][0]["text"] == ""


def test_where_nothing_is_said_that_is_told(silence: Path, duologue: CommandLine) -> None:
    outcome = duologue("call", silence, "--fast")
    assert "No turn was taken" in outcome.out
    assert "first audio" not in outcome.out


@pytest.mark.parametrize(("given", "said"), [((), BookingAgent.greeting), (("--greeting", ""), "")])
def test_the_agent_greets(given: tuple[str, ...], said: str, silence: Path, duologue: CommandLine) -> None:
    assert duologue("call", silence, "--fast", "--json", *given).json["greeting"] == said


def test_out_holds_what_the_agent_said(recording: Path, duologue: CommandLine, tmp_path: Path) -> None:
    out = tmp_path / "agent.wav"
    call = duologue("call", recording, "--fast", "--json", "--greeting", "", "--out", out).json
    said = " ".join(turn["agent"]["heard_text"] for turn in call["turns"])
    heard = duologue("transcribe", out).out
    errors, words = word_errors(said, heard)
    assert errors <= words / 5, (said, heard)
    assert len(read_wav_16k(out).samples) / 16_000 <= call["audio_s"]


def test_every_decision_is_printed_with_its_reason(recording: Path, duologue: CommandLine) -> None:
    lines = duologue("call", recording, "--fast", "--events").out.splitlines()
    assert "CallChanged  state=live, reason=start" in lines[0]
    decided = [line for line in lines if "TurnDecided" in line]
    assert len(decided) == 2
    assert all("reason=" in line and "text=" in line for line in decided)
    assert any("CallChanged  state=ended" in line for line in lines)


def test_beside_json_events_go_to_standard_error(recording: Path, duologue: CommandLine) -> None:
    outcome = duologue("call", recording, "--fast", "--events", "--json")
    assert len(outcome.json["turns"]) == 2
    assert "TurnDecided" in outcome.err


def test_an_agent_of_this_folder_answers(recording: Path, duologue: CommandLine, tmp_path: Path) -> None:
    Path("polite_agent.py").write_text("async def answer(text):\n    return 'Thank you.'\n")
    call = duologue("call", recording, "--fast", "--json", "--agent", "polite_agent:answer").json
    assert [turn["agent"]["text"] for turn in call["turns"]] == ["Thank you."] * 2


def test_an_agent_that_cannot_be_made_from_the_call_is_told_with_its_place(
    silence: Path, duologue: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "made_from_call.py"
    file.write_text(
        "class Desk:\n    speculative = False\n"
        "    def __init__(self, call):\n        self.name = call.user_data['name']\n"
        "    async def reply(self, turn):\n        yield self.name\n"
    )
    outcome = duologue("call", silence, "--fast", "--agent", "made_from_call:Desk")
    assert outcome.code == 1
    assert f"Desk() failed to make an agent: TypeError. ({file}:4 in __init__)" in outcome.told


def test_an_agent_that_raises_does_not_end_the_call(
    recording: Path, duologue: CommandLine, caplog: pytest.LogCaptureFixture
) -> None:
    Path("broken_agent.py").write_text(
        "async def answer(text):\n    if 'book' in text:\n        raise LookupError('no such table')\n"
        "    return 'Fine.'\n"
    )
    with caplog.at_level(logging.WARNING):
        outcome = duologue("call", recording, "--fast", "--json", "--agent", "broken_agent:answer")
    assert outcome.code == 0
    call = outcome.json
    assert [turn["agent"]["text"] for turn in call["turns"]] == ["", "Fine."]
    (error,) = call["errors"]
    assert (error["code"], error["turn"]) == ("agent_error", 1)
    assert error["message"] in outcome.err
    assert "LookupError" in caplog.text
    assert "no such table" not in caplog.text, "it may be what the caller said"
    assert "broken_agent.py:3 in answer" in caplog.text
    strict = duologue("call", recording, "--fast", "--strict", "--agent", "broken_agent:answer")
    assert strict.code == 1
    assert "not answered: turn 1\n" in strict.err


class BrokenVad:
    """Raises where it should score."""

    def __init__(self, vad: object) -> None:
        self._vad = vad

    def __getattr__(self, name: str) -> object:
        return getattr(self._vad, name)

    def score(self, *_: object) -> None:
        raise RuntimeError("the model is gone")


def test_a_call_in_another_language_has_its_models(
    models: LocalModels, recording: Path, duologue: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Spanish(FakeSttModel):
        languages = frozenset(["es"])

        def run(self, items: Sequence[object]) -> list[str]:
            return ["Una mesa para dos."] * len(items)

    asked: list[object] = []
    voice = FakeTtsModel()

    def load(*_: object, languages: object = (), **__: object) -> LocalModels:
        asked.append(languages)
        spanish = {"es": LanguageModels(Spanish(), voice)}
        return LocalModels(models.vad, models.stt, models.tts, models.words, None, spanish)

    monkeypatch.setattr(local, "load_local", load)
    outcome = duologue("call", recording, "--fast", "--json", "--agent", "echo", "--language", "es-MX")
    assert asked == [("es",)]
    assert outcome.json["turns"][0]["user"]["text"] == "Una mesa para dos."
    assert "You said: Una mesa para dos." in voice.asked


def test_a_call_that_breaks_off_is_a_failure(
    models: LocalModels, silence: Path, duologue: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = LocalModels(BrokenVad(models.vad), models.stt, models.tts, models.words, None)  # type: ignore[arg-type]
    monkeypatch.setattr(local, "load_local", lambda *_, **__: broken)
    outcome = duologue("call", silence, "--fast", "--json")
    assert outcome.code == 1
    assert outcome.json["end_reason"] == "error"
    assert outcome.json["errors"]
    assert "error: " in outcome.err


def test_a_language_model_that_cannot_be_reached_is_an_error_of_the_turn(
    recording: Path,
    duologue: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    unused_port: int,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-to-be-seen")
    outcome = duologue(
        "call", recording, "--fast", "--json",
        "--llm", "openai:gpt-6-luna", "--base-url", f"http://127.0.0.1:{unused_port}/v1",
    )  # fmt: skip
    assert outcome.code == 0
    assert {error["code"] for error in outcome.json["errors"]} == {"provider_unavailable"}
    assert len(outcome.json["turns"]) == 2
    assert "cannot be reached" in outcome.err
    assert "sk-not-to-be-seen" not in outcome.out + outcome.err + caplog.text


def test_json_is_json_whatever_is_said(recording: Path, duologue: CommandLine) -> None:
    Path("odd_agent.py").write_text(
        "async def answer(text):\n    return 'Caf\\u00e9 [bold] :smile: \"quoted\"\\n\\x00.'\n"
    )
    arguments = ("call", recording, "--fast", "--agent", "odd_agent:answer")
    assert "Café [bold] :smile:" in json.loads(duologue(*arguments, "--json").out)["turns"][0]["agent"]["text"]
    assert "Café [bold] :smile:" in duologue(*arguments).out
