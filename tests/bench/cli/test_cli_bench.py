"""Benchmarks as a user runs them, tiny: that they run and what they print, not how fast anything is."""

from pathlib import Path

import numpy as np
import pytest

from command_line import CommandLine
from duologue.audio.wav import write_wav
from duologue_bench.figures import Spread
from duologue_bench.sockets import SocketRun

pytestmark = pytest.mark.models


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    file = tmp_path / "hum.wav"
    hum = 8000 * np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
    write_wav(file, np.concatenate([hum, np.zeros(8000)]).astype("<i2").tobytes(), 16_000)
    return file


def test_sessions_are_measured(duologue: CommandLine, sound: Path) -> None:
    told = duologue("bench", "sessions", "--sessions", 2, "--seconds", 1, "--warm", 0, "--sound", sound, "--json").json
    assert (told["sessions"], told["chunks"], told["errors"]) == (2, 100, 0)
    text = duologue("bench", "sessions", "--sessions", 1, "--seconds", 1, "--warm", 0, "--sound", sound)
    assert text.code == 0
    assert text.out.startswith("1 sessions, 1 s of audio each: ")
    assert "private a session" in text.out


def test_a_climb_ends_where_it_may_go_no_further(duologue: CommandLine, sound: Path, tmp_path: Path) -> None:
    size = ("--sessions", 1, "--most", 1, "--seconds", 0.5, "--warm", 0)
    plot = tmp_path / "climb.svg"
    outcome = duologue("bench", "sessions", "--find-capacity", *size, "--sound", sound, "--plot", plot, "--json")
    assert outcome.json["knee"] in (0, 1)
    assert {run["sessions"] for run in outcome.json["runs"]} == {1}
    assert "1 sessions: " in outcome.err
    assert plot.stat().st_size > 1000


def test_memory_and_chunks_are_measured(duologue: CommandLine, sound: Path) -> None:
    told = duologue("bench", "memory", "--sessions", 2, "--seconds", 1, "--sound", sound, "--json").json
    assert told["tasks_per_session"] == 0
    text = duologue("bench", "memory", "--sessions", 1, "--seconds", 1, "--sound", sound).out
    assert "private memory a session" in text
    told = duologue("bench", "chunk", "--seconds", 1, "--sound", sound, "--json").json
    assert (told["chunks"], told["processing"]["count"]) == (50, 0)
    told = duologue("bench", "chunk", "--flat-out", "--seconds", 2, "--sound", sound, "--json").json
    assert told["chunks"] == 100
    assert "flat out" in duologue("bench", "chunk", "--flat-out", "--seconds", 1, "--sound", sound).out


def test_sockets_are_measured_one_after_another(duologue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue_bench.sockets.WARM_S", 0.1)
    size = ("--clients", 1, "--clients", 2, "--seconds", 1)
    told = duologue("bench", "sockets", *size, "--listener", "uvicorn", "--json").json["runs"]
    assert [(run["listener"], run["clients"]) for run in told] == [("uvicorn", 1), ("uvicorn", 2)]
    assert all(run["sent"] >= 40 * run["clients"] for run in told)


def test_clients_that_were_too_slow_end_with_an_error(duologue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def measure(listener: str, *, clients: int, on_progress: object, **_: object) -> SocketRun:
        late = Spread.of([0.03])
        return SocketRun(listener, clients, 20, 1.0, 1000, 1000, 0.05, 0.9, Spread.of([0.002]), late)

    monkeypatch.setattr("duologue_bench.sockets.measure", measure)
    outcome = duologue("bench", "sockets", "--clients", 20)
    assert outcome.code == 1
    assert "25.0" in outcome.out
    assert "20 clients of uvicorn say nothing: the clients were 30 ms late at p99" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["sessions", "--plot", "climb.svg"], 2, "--find-capacity"),
        (["sessions", "--find-capacity", "--plot", "climb.txt"], 1, ".png"),
        (["chunk", "--flat-out", "--sessions", 2], 2, "one session"),
        (["sessions", "--sound", "none.wav"], 1, "none.wav"),
        (["barge-in", "--half", "train"], 1, "no half 'train'"),
        (["barge-in", "--plot", "plot.txt"], 1, ".png"),
        (["conversations", "--plot", "plot.txt"], 1, ".png"),
        (["conversations", "--write", __file__], 1, "no place for the results"),
        (["conversations", "--load", "loud"], 1, "no load 'loud'"),
        (["sockets", "--listener", "tornado"], 1, "no listener 'tornado'"),
        (["sockets", "--chunk-ms", 30], 1, "20 or 40 ms"),
        (["barge-in", "--raw", "nowhere/raw.json"], 1, "no folder nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[object], code: int, told: str, duologue: CommandLine) -> None:
    outcome = duologue("bench", *arguments)
    assert outcome.code == code
    assert told in outcome.told


def test_peers_on_services_that_are_not_there_are_left_out(
    duologue: CommandLine, monkeypatch: pytest.MonkeyPatch, sound: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("duologue_bench.peers.environment.prepare", lambda scripts, tell: tmp_path)
    size = ("--sessions", 1, "--seconds", 1, "--warm", 0, "--sound", sound)
    outcome = duologue("bench", "providers", "--peers", *size, "--json")
    assert set(outcome.json["titles"]) == {"duologue"}
    assert {(lap["who"], lap["sessions"], lap["error"]) for lap in outcome.json["attempts"]} == {("duologue", 1, "")}
    assert "Pipecat is left out" in outcome.err
    assert "duologue, 1 sessions: " in outcome.err
    assert "added to a reply, p50 / p95 (ms)" in duologue("bench", "providers", "--peers", *size).out


def test_peers_that_are_not_there_are_named(duologue: CommandLine, tmp_path: Path) -> None:
    outcome = duologue("bench", "peers", "--dir", tmp_path)
    assert outcome.code == 1
    assert "Pipecat is left out" in outcome.told
    assert "LiveKit Agents is left out" in outcome.told
    assert "recording that all are to hear is missing" in outcome.told
    assert duologue("bench", "peers", "--dir", tmp_path / "none").code == 2
    page = tmp_path / "page.md"
    page.write_text("no markers")
    assert "no place for the results" in duologue("bench", "peers", "--dir", tmp_path, "--write", page).told
    cores = duologue("bench", "peers", "--dir", tmp_path, "--cores", "0,x")
    assert (cores.code, "expected numbers" in cores.told) == (2, True)
