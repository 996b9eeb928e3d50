"""Chaos and kill, small: what is measured, and which limits are held against it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from served_here import served_here

from duologue.callers.chaos_result import ChaosResult
from duologue_bench.soak import chaos as soaking
from duologue_bench.soak.chaos import Chaotic, chaos
from duologue_bench.soak.held import Sample
from duologue_bench.soak.kill import Killed
from duologue_bench.soak.kill import check as check_kill

pytestmark = pytest.mark.anyio


async def test_both_halves_are_counted_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue_bench.soak.held._STEADY", 2)
    async with served_here() as server:
        found = await chaos(server, 2, 0.2, seed=4, said=(), pause=0.0)
    assert found.violations == []
    assert found.total("calls") >= 4
    assert [sample.connections for sample in found.samples] == [0, 0, 0]
    idle, _, last = found.samples
    assert last.tasks == idle.tasks
    assert found.as_dict()["halves"][1]["seed"] == 5


def sample(**changes: Any) -> Sample:
    return replace(Sample(10, 400_000_000, 8, 5, 10, 0, 0), **changes)


def chaotic(**changes: Any) -> Chaotic:
    result = ChaosResult(1, calls=60, turns=900, resumed=300, faults=Counter(reset=300))
    providers = {"calls": {"stt": 3000, "tts": 2000}, "faults": {"stall": 700, "reset": 400}}
    found = Chaotic(50, 600.0, (sample(), sample(), sample()), result, replace(result), [], 0, providers)
    return replace(found, **changes)


BROKEN: dict[str, dict[str, Any]] = {
    "lost": {"second": ChaosResult(2, turns=50, resumed=1, lost=1)},
    "violations": {"second": ChaosResult(2, turns=50, resumed=1, violations=["it heard what belongs to another call"])},
    "fault_share": {"providers": {"calls": {"stt": 10}, "faults": {"stall": 1}}},
    "faults_in_log": {"faults_in_log": ["Traceback (most recent call last):"]},
    "exit_status": {"status": None},
    "tasks": {"samples": (sample(), sample(), sample(tasks=6))},
    "memory_growth": {"samples": (sample(), sample(), sample(private_bytes=500_000_000))},
}


@pytest.mark.parametrize("name", [None, *BROKEN])
def test_a_limit_that_does_not_hold_is_found(name: str | None) -> None:
    found = soaking.check(chaotic(**BROKEN.get(name or "", {})))
    assert [held.name for held in found if not held.ok] == ([] if name is None else [name])


def killed(**changes: Any) -> Killed:
    result = ChaosResult(1, calls=30, turns=300, restored=40)
    return replace(Killed(30, result, 10, 10, 0.4, 2, 0, 8.0, 6.0, 30, 4, 0), **changes)


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, []),
        ({"taken_over": 9}, ["taken_over"]),
        ({"resumed_within_s": None}, ["resumed_within_s"]),
        ({"status": -15}, ["exit_status"]),
        ({"interrupted_after_term": 1}, ["interrupted_after_term"]),
        ({"handed_over": 29}, ["handed_over"]),
    ],
)
def test_what_a_killed_worker_may_cost(changes: dict[str, Any], broken: list[str]) -> None:
    found = killed(**changes)
    assert [held.name for held in check_kill(found) if not held.ok] == broken
    assert found.as_dict()["result"]["turns"] == 300
