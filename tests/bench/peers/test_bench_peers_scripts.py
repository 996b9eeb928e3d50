import json
import sys
from pathlib import Path
from typing import Any

import pytest

from duologue.errors import NotInstalledError
from duologue_bench.peers import environment, peers_in
from duologue_bench.peers.duologue_peer import Duologue
from duologue_bench.peers.environment import ENVIRONMENTS, SCRIPTS, Environment, prepare
from duologue_bench.peers.livekit import LiveKit
from duologue_bench.peers.pipecat import Pipecat
from duologue_bench.peers.trial import ServicesWork, Trial, last_object

# As the scripts print them, with what they say besides.
PIPECAT_FLAT_OUT = """{"mode": "vad", "observers": true, "uvloop": false, "content": "speech", "chunks": 1060,
 "chunks_per_s": 263, "x_realtime": 5.3, "cpu_us_per_chunk": 1380.8, "asyncio_tasks": 41, "threads": 2}"""
PIPECAT_ALONE = """{"cfg": {"smart_turn": false, "turns": 2}, "clip": [10.6, 12.82], "turns": 2, "ok": 2,
 "raw": {"p50": 927.19, "p95": 943.24}, "turn_to_first_audio": {"p50": 103.8, "p95": 125.49, "min": 79.69}}"""
PIPECAT_NO_TURN = '{"cfg": {"turns": 1}, "turns": 1, "ok": 0, "rows": "[None]"}'
PIPECAT_BARGE_IN = '{"turns": 2, "onset_to_vad_ms": [428.9, 430.5], "vad_to_output_flushed_ms": [14.08, 16.01]}'
PIPECAT_LOAD: dict[str, Any] = {
    "n": 3, "cpu_pct": 39.9, "cpu_us_per_chunk": 2652.5, "chunks_in": 602, "chunks_out": 602, "expected": 600,
    "backlog": 0, "lag_ms": {"p50": 1.65, "p95": 10.77, "p99": 15.68, "max": 37.6},
    "e2e_ms": {"p50": 5.05, "p95": 62.22, "p99": 80.71, "max": 98.8}, "rss_per_session_mb": 8.13,
    "tasks_per_session": 36.7, "create_ms_per_session": 141.1,
}  # fmt: skip
LIVEKIT_FLAT_OUT = """{'vad': 'livekit.agents.inference.vad', 'turn_detection': 'vad'}
{"bench": "a", "kind": "litevad", "frames": 3000, "chunks_per_s": 519, "cpu_us_per_chunk": 420.3, "rss_mb": 133.8}
"""
LIVEKIT_ALONE = """{"bench": "c", "cfg": "litevad", "turns": 3, "raw_ms_p50": 496.8, "raw_p95": 499.2,
 "turn_commit_to_first_frame_ms_p50": 21.41, "c2f_max": 25.57, "raw": [497, 493, 499]}"""
LIVEKIT_BARGE_IN = '{"bench": "bargein", "cfg": "min005", "n": 2, "of": 2, "ms": [111, 112], "p50": 111.4}'
LIVEKIT_LOAD: dict[str, Any] = {
    "bench": "b", "N": 4, "cpu_pct": 16.3, "cpu_us_per_chunk": 813.8, "pushed_ratio": 0.999, "vad_done_ratio": 1.0,
    "input_late_ms_p50": 0.92, "p99": 8.68, "vad_backlog_s_max": 0.05, "start_ms_per_session": 21.56,
    "tasks_per_session": 11.2, "eos_to_first_ms_p50": 501.5, "eos_to_first_p99": 542.6,
}  # fmt: skip
DUOLOGUE = """{
  "sessions": 1,
  "kept_up": true,
  "cpu_us_per_chunk": 219.72,
  "core_share": 0.2197,
  "windows_scored": 1.0,
  "lateness": {
    "p50_ms": 0.721,
    "p99_ms": 4.222
  },
  "processing": {
    "p50_ms": null,
    "p95_ms": 1.502
  },
  "creation": {
    "mean_ms": 0.408
  }
}
"""


PROVIDERS: dict[str, Any] = {
    "sessions": 2, "cores": 0.31, "pushed": 0.998, "scored": 1.0, "late_p50_ms": 0.5, "late_p99_ms": 6.1, "turns": 4,
    "errors": 0, "replies_ms": [402.1, 380.5, 391.0],
}  # fmt: skip
WORK = ServicesWork(
    Path("line.wav"), 30.0, 5.0, {"stt": "http://127.0.0.1:1", "llm": "http://127.0.0.1:2", "tts": "ws://127.0.0.1:3"}
)


def read(trial: Trial, text: str) -> dict[str, float]:
    told = last_object(text)
    assert told is not None
    return trial.read(told)


def test_what_pipecat_prints_is_understood(tmp_path: Path) -> None:
    peer = Pipecat(tmp_path)
    assert read(peer.flat_out(), PIPECAT_FLAT_OUT) == {"cpu_us": 1380.8}
    alone = read(peer.alone(), PIPECAT_ALONE)
    assert alone == {"processing_p50_ms": 103.8, "processing_p95_ms": 125.49, "answered_p50_ms": 927.19}
    assert read(peer.alone(), PIPECAT_NO_TURN) == {}
    assert read(peer.barge_in(), PIPECAT_BARGE_IN) == {"silenced_p50_ms": 14.08}
    load = read(peer.load(3), json.dumps(PIPECAT_LOAD))
    assert load["processed"] == pytest.approx(602 / 600)
    assert load["core_share"] == pytest.approx(0.399)
    assert (load["created_ms"], load["tasks"], load["kept_up"]) == (141.1, 36.7, 1.0)


def test_what_livekit_prints_is_understood(tmp_path: Path) -> None:
    peer = LiveKit(tmp_path)
    assert read(peer.flat_out(), LIVEKIT_FLAT_OUT) == {"cpu_us": 420.3}
    assert read(peer.alone(), LIVEKIT_ALONE) == {"processing_p50_ms": 21.41, "answered_p50_ms": 496.8}
    assert read(peer.barge_in(), LIVEKIT_BARGE_IN) == {"onset_p50_ms": 111.4}
    load = read(peer.load(4), json.dumps(LIVEKIT_LOAD))
    assert load["processed"] == pytest.approx(0.999)
    assert (load["late_p99_ms"], load["answered_p50_ms"], load["kept_up"]) == (8.68, 501.5, 1.0)


def test_what_we_print_is_understood(tmp_path: Path) -> None:
    us = Duologue(tmp_path / "cycle.wav", tmp_path / "dense.wav")
    told = read(us.load(1), DUOLOGUE)
    assert told["kept_up"] == 1.0
    assert (told["cpu_us"], told["late_p99_ms"], told["created_ms"]) == (219.72, 4.222, 0.408)
    assert "processing_p50_ms" not in told  # null: there was no turn


@pytest.mark.parametrize(
    ("change", "kept_up"),
    [
        ({}, 1.0),
        ({"chunks_out": 590}, 0.0),
        ({"lag_ms": {"p50": 1.0, "p99": 20.0}}, 0.0),
        ({"lag_ms": {"p50": float("nan"), "p99": float("nan")}}, 0.0),
        ({"lag_ms": "none"}, 0.0),
        ({"expected": 0}, 1.0),
    ],
)
def test_all_are_judged_by_lateness_and_by_what_came_through(
    tmp_path: Path, change: dict[str, Any], kept_up: float
) -> None:
    assert read(Pipecat(tmp_path).load(3), json.dumps(PIPECAT_LOAD | change))["kept_up"] == kept_up


def test_what_they_print_of_sessions_on_services_is_understood(tmp_path: Path) -> None:
    for peer in (Pipecat(tmp_path), LiveKit(tmp_path)):
        trial = peer.providers(WORK, 2)
        told = read(trial, json.dumps(PROVIDERS))
        assert (told["cores"], told["turns"], told["kept_up"]) == (0.31, 4, 1.0)
        assert told["processed"] == pytest.approx(0.998)
        assert read(trial, json.dumps(PROVIDERS | {"errors": 1}))["kept_up"] == 0.0
        assert read(trial, json.dumps(PROVIDERS | {"late_p99_ms": 21.0}))["kept_up"] == 0.0
        assert read(trial, json.dumps(PROVIDERS | {"scored": 0.9}))["kept_up"] == 0.0


def test_audio_that_did_not_come_through_is_not_kept_up_with(tmp_path: Path) -> None:
    told = read(LiveKit(tmp_path).load(4), json.dumps(LIVEKIT_LOAD | {"vad_done_ratio": 0.75}))
    assert told["kept_up"] == 0.0


@pytest.mark.parametrize("text", ["", "no object\n", '{"cut": ', " {}\n", "[1]\n"])
def test_output_without_a_whole_object_has_none(text: str) -> None:
    assert last_object(text) is None


def test_the_last_object_counts() -> None:
    assert last_object('{"a": 1}\nnoise\n{"a": {\n"b": [{"c": 2}]}}\ntrailing') == {"a": {"b": [{"c": 2}]}}


def test_commands_name_the_size_and_run_where_the_scripts_lie(tmp_path: Path) -> None:
    for peer in (Pipecat(tmp_path), LiveKit(tmp_path)):
        trial = peer.load(37)
        assert "37" in trial.command
        assert trial.sessions == 37
        assert trial.folder == tmp_path / peer.name
        assert trial.command[0] == str(tmp_path / peer.name / "venv" / "bin" / "python")
        assert trial.limit_s > trial.planned_s


def test_the_scripts_that_the_commands_name_come_with_us() -> None:
    for peer in (Pipecat(SCRIPTS), LiveKit(SCRIPTS)):
        for trial in (peer.flat_out(), peer.alone(), peer.barge_in(), peer.load(3), peer.providers(WORK, 3)):
            script = (trial.folder / trial.command[1]).read_text()
            compile(script, trial.command[1], "exec")
            for option in trial.command[2::2]:
                assert f'add_argument("{option}"' in script
    for one in ENVIRONMENTS:
        assert all("==" in requirement for requirement in one.requirements)
        assert not one.first or (SCRIPTS / one.name / one.first).is_file()


def test_a_peer_that_is_not_there_is_named(tmp_path: Path) -> None:
    python = tmp_path / "livekit" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 9.9.9\n")
    python.chmod(0o755)
    (tmp_path / "livekit" / "bench_load.py").touch()
    found, told = peers_in(tmp_path)
    assert [peer.title for peer in found] == ["LiveKit Agents 9.9.9"]
    assert len(told) == 1
    assert "Pipecat is left out" in told[0]


def test_an_environment_is_made_once_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path / "cache"))
    told: list[str] = []
    one = Environment("some", ("some-peer==1.0",), ("beckett.wav",), "make_wav.py")
    scripts = tmp_path / "scripts"
    assert prepare(scripts, told.append, (one,)) == scripts  # nothing to be made
    (scripts / "some").mkdir(parents=True)
    (scripts / "some" / "bench_a.py").write_text("pass")
    runs: list[tuple[str, ...]] = []
    monkeypatch.setattr(environment, "_run", lambda *command, folder: runs.append(command))
    for _ in range(2):
        assert prepare(scripts, told.append, (one,)) == tmp_path / "cache" / "peers"
    assert len(told) == 1
    assert [command[1:3] for command in runs] == [("-m", "venv"), ("-m", "pip"), ("make_wav.py",), ("make_wav.py",)]
    made = tmp_path / "cache" / "peers" / "some"
    assert {path.name for path in made.rglob("*.*")} == {"bench_a.py", "beckett.wav", "installed.txt"}


def test_an_environment_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotInstalledError, match="cannot be installed: no such luck"):
        environment._run(sys.executable, "-c", "import sys; sys.exit('no such luck')", folder=tmp_path)
