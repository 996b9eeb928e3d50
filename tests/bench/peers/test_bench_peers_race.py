import json
import sys
from pathlib import Path

import numpy as np
import pytest

from duologue.audio.wav import read_wav_16k, write_wav
from duologue.errors import ConfigError
from duologue_bench.peers import race
from duologue_bench.peers.picture import draw_race
from duologue_bench.peers.race import Lap, Race, per_session_mb, run_race
from duologue_bench.peers.report import report
from duologue_bench.peers.sound import write_cycles
from duologue_bench.peers.trial import Figures, Trial, pick


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that end at once are not waited for by the quarter of a second."""
    monkeypatch.setattr(race, "LOOK_S", 0.02)


class Someone:
    """A contestant whose commands print what they are told to, and who keeps up with `limit` sessions."""

    def __init__(self, name: str, folder: Path, *, limit: int, cpu: float, prints: str | None = None) -> None:
        self.name, self.title, self.start = name, name.title(), 4
        self._folder, self._limit, self._cpu, self._prints = folder, limit, cpu, prints

    def _trial(self, what: str, sessions: int = 1, planned_s: float = 1.0, **told: float) -> Trial:
        program = self._prints or f"print({json.dumps(json.dumps(told))})"
        command = (sys.executable, "-c", program)
        return Trial(what, command, self._folder, lambda told: pick(told, **{n: n for n in told}), planned_s, sessions)

    def flat_out(self) -> Trial:
        return self._trial("flat out", cpu_us=self._cpu)

    def alone(self) -> Trial:
        return self._trial("alone", processing_p50_ms=self._cpu / 100)

    def barge_in(self) -> Trial:
        return self._trial("barge-in", silenced_p50_ms=self._cpu / 200)

    def load(self, sessions: int) -> Trial:
        kept_up = float(sessions <= self._limit)
        return self._trial("load", sessions, cpu_us=self._cpu / 2, late_p99_ms=1.0 + sessions, kept_up=kept_up)


def test_all_are_measured_by_turns(tmp_path: Path) -> None:
    laps: list[Lap] = []
    us, other = Someone("duologue", tmp_path, limit=9, cpu=50.0), Someone("other", tmp_path, limit=2, cpu=600.0)
    race = run_race([us, other], rounds=2, limit_s=60.0, on_lap=laps.append)
    assert race.knees == {"duologue": 9, "other": 2}
    assert not race.unsettled
    assert race.laps == laps
    assert [lap.who for lap in laps if lap.what == "flat out"] == ["duologue", "other"] * 2
    assert {lap.what for lap in laps} == {"flat out", "alone", "barge-in", "load"}
    assert not any(lap.error for lap in laps)
    text = report(race, cores=2, rounds=2)
    assert "| **4.5x** | sessions that one process keeps up with | 9 | 2 |" in text
    assert "| **12x** | CPU a chunk, one session flat out (µs) | 50 | 600 |" in text
    assert "| Other | 4 | 0 of 2 | 300 |" in text
    assert "Medians of 2 alternated rounds on 2 cores" in text


def test_where_time_is_up_nothing_more_is_begun(tmp_path: Path) -> None:
    race = run_race([Someone("duologue", tmp_path, limit=9, cpu=1.0)], rounds=1, limit_s=0.0, on_lap=lambda _: None)
    assert not race.laps
    assert race.knees == {"duologue": 0}
    assert "| – | sessions that one process keeps up with | – |" in report(race, cores=1, rounds=1)
    with pytest.raises(ConfigError, match="0 rounds"):
        run_race([], rounds=0, limit_s=1.0, on_lap=lambda _: None)


@pytest.mark.parametrize(
    ("prints", "told"),
    [
        ("raise ValueError('no such thing')", "ValueError: no such thing"),
        ("pass", "it printed no JSON object"),
    ],
)
def test_a_command_that_fails_is_a_lap_with_a_reason(tmp_path: Path, prints: str, told: str) -> None:
    laps: list[Lap] = []
    us = Someone("duologue", tmp_path, limit=9, cpu=1.0, prints=prints)
    race = run_race([us], rounds=1, limit_s=60.0, on_lap=laps.append)
    assert {lap.error for lap in laps} == {told}
    assert not race.of("duologue", "load")
    assert race.knees == {"duologue": 0}


def test_a_command_that_goes_on_after_its_object_is_ended_and_weighed(tmp_path: Path) -> None:
    program = "import time; print('{\"cpu_us\": 7}', flush=True); time.sleep(3600)"
    race = run_race(
        [Someone("duologue", tmp_path, limit=1, cpu=1.0, prints=program)],
        rounds=1,
        limit_s=0.01,
        on_lap=lambda _: None,
    )
    assert race.laps[0].figures["cpu_us"] == 7
    assert race.laps[0].figures["private_mb"] > 0


def lap(who: str, sessions: int, **figures: float) -> Lap:
    told: Figures = {"kept_up": 1.0, **figures}
    return Lap(who, "load", sessions, told, {}, "", 1.0, 0.0)


def test_memory_is_a_slope_over_what_was_kept_up_with() -> None:
    race = Race({"duologue": "Us"})
    race.laps = [lap("duologue", 2, private_mb=100.0), lap("duologue", 102, private_mb=120.0)]
    race.laps += [lap("duologue", 102, private_mb=130.0), lap("duologue", 200, private_mb=900.0, kept_up=0.0)]
    assert per_session_mb(race, "duologue") == pytest.approx(0.25)
    assert per_session_mb(Race({"duologue": "Us"}, race.laps[:1]), "duologue") is None


def test_a_search_that_was_not_over_gives_a_lower_bound(tmp_path: Path) -> None:
    race = Race({"duologue": "Us", "other": "Other"}, [], {"duologue": 40, "other": 4}, ["duologue"])
    assert "| **10x** | sessions that one process keeps up with | ≥ 40 | 4 |" in report(race, cores=2, rounds=1)


def test_a_race_can_be_drawn(tmp_path: Path) -> None:
    race = Race({"duologue": "Us", "other": "Other"})
    race.laps = [lap("duologue", 2, private_mb=1.0, cpu_us=2.0, late_p99_ms=3.0), lap("other", 4, cpu_us=1.0)]
    draw_race(race, tmp_path / "race.svg")
    assert (tmp_path / "race.svg").stat().st_size > 1000


def test_we_hear_what_the_peers_hear(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing"):
        write_cycles(tmp_path, tmp_path)
    (tmp_path / "pipecat" / "assets").mkdir(parents=True)
    speech = np.arange(4 * 16_000, dtype=np.int16)
    write_wav(tmp_path / "pipecat" / "assets" / "beckett.wav", speech.tobytes(), 16_000)
    cycle, dense = (read_wav_16k(file).samples for file in write_cycles(tmp_path, tmp_path))
    assert (len(cycle), len(dense)) == (6 * 16_000, round(3.56 * 16_000))
    assert (cycle[:40_960] == speech[4320 : 4320 + 40_960]).all()
    assert np.abs(cycle[40_960:]).max() < 20
