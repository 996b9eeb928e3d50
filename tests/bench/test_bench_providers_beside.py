"""`bench providers --peers`: sizes tried by turns; the peers themselves are commands that print what they are told."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from duologue.audio.wav import read_wav_16k
from duologue_bench.load import heard_line
from duologue_bench.peers import race
from duologue_bench.peers.trial import Figures, ServicesWork, Trial, pick
from duologue_bench.providers.beside import Attempt, Duologue, compare, report
from duologue_bench.providers.script import Latencies

LINE = heard_line(np.zeros(16_000, np.int16))
OURS = """{"turns": 7, "errors": 0, "kept_up": true, "server_cores": 0.2, "lateness": {"p50_ms": 0.1, "p99_ms": 2.0},
 "added_reply": {"count": 7, "p50_ms": 27.0, "p95_ms": 34.0}}"""


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that end at once are not waited for by the quarter of a second."""
    monkeypatch.setattr(race, "LOOK_S", 0.02)


class Peer:
    """Keeps up with `limit` sessions; its replies take half a second."""

    def __init__(self, name: str, limit: int) -> None:
        self.name, self.title, self._limit = name, name.title(), limit
        self.works: list[ServicesWork] = []

    def providers(self, work: ServicesWork, sessions: int) -> Trial:
        assert len(read_wav_16k(work.sound).samples) == 16_000
        self.works.append(work)
        told = {"cores": 0.1, "kept_up": float(sessions <= self._limit), "replies_ms": [500.0, 520.0]}
        command = (sys.executable, "-c", f"print({json.dumps(json.dumps(told))})")

        def read(told: Any) -> Figures:
            return pick(told, cores="cores", kept_up="kept_up")

        return Trial("providers", command, work.sound.parent, read, 1.0, sessions)


def test_sizes_are_doubled_by_turns_until_one_is_not_kept_up_with_twice() -> None:
    told: list[Attempt] = []
    peers = [Peer("one", 1), Peer("two", 8)]
    latencies = Latencies(llm=0.3, tts=0.1)
    attempts = asyncio.run(
        compare(peers, LINE, most=4, seconds=1.0, warm=0.0, latencies=latencies, on_attempt=told.append)
    )
    assert told == attempts
    sizes = [(attempt.lap.who, attempt.lap.sessions) for attempt in attempts]
    assert sizes == [("one", 1), ("two", 1), ("one", 2), ("one", 2), ("two", 2), ("two", 4)]
    assert set(peers[0].works[0].addresses) == {"stt", "llm", "tts"}
    first = attempts[0].lap.figures
    assert first["reply_p50_ms"] == pytest.approx(100.0)
    assert first["reply_count"] == 2
    assert json.loads(json.dumps(attempts[0].as_dict()))["stand_ins"]["completions"] == 0
    text = report({peer.name: peer.title for peer in peers}, attempts, latencies)
    assert "| One | 2 | no | 100 / " in text
    assert "| Two | 4 | yes | 100 / " in text
    assert "The services take stt 150 ms, llm 300 ms, tts 100 ms." in text


def test_we_are_measured_in_a_process_of_our_own() -> None:
    work = ServicesWork(Path("/tmp/line.wav"), 30.0, 5.0, {})
    trial = Duologue(Latencies(llm=0.3)).providers(work, 16)
    command = " ".join(trial.command)
    assert "bench providers --sessions 16 --seconds 30.0 --warm 5.0 --stt 0.15 --llm 0.3 --tts 0.1" in command
    figures = trial.read(json.loads(OURS))
    assert figures["reply_p50_ms"] == 27.0
    assert (figures["cores"], figures["late_p99_ms"], figures["kept_up"]) == (0.2, 2.0, 1.0)
