"""Churn, small: every kind of caller comes and goes as it should, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from served_here import Voice, served_here

from duologue_bench.soak.churn import Churned, Sample, check, churn
from duologue_bench.soak.churn_callers import KINDS
from duologue_bench.soak.plot import draw_churn

CALLS = 20
DEADLINE = 20.0
"""Seconds after which a test that waits has failed."""


@pytest.mark.anyio
async def test_callers_of_every_kind_end_as_they_should_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    monkeypatch.setattr("duologue_bench.soak.held._STEADY", 2)  # nothing is spoken ahead here
    told: list[int] = []
    async with served_here(max_sessions=6) as server:
        # More than are let in, so that some are refused and come again.
        churned = await churn(
            server, CALLS, 10, every=10, warm_up=10, make_voice=Voice, on_progress=lambda done, _: told.append(done)
        )  # fmt: skip
    assert told == list(range(1, CALLS + 1))
    assert churned.visits == {"brief": 7, "answered": 5, "greeting": 2, "vanishes": 3, "nonsense": 3}
    assert set(churned.visits) == set(KINDS)
    assert churned.otherwise == {}
    assert churned.refused == churned.counted_refusals > 0
    assert churned.unclear_refusals == 0
    assert [sample.sessions for sample in churned.samples] == [0, 10, 20]
    idle, _, last = churned.samples
    assert (last.tasks, last.connections) == (idle.tasks, 0)
    assert last.descriptors <= idle.descriptors
    assert churned.as_dict()["samples"][2]["sessions"] == CALLS
    picture = tmp_path / "churn.svg"
    draw_churn(churned, picture)
    assert "file descriptors" in picture.read_text()


@pytest.mark.anyio
async def test_where_it_is_broken_off_nobody_stays_connected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    monkeypatch.setattr("duologue_bench.soak.held._STEADY", 2)
    async with served_here() as server:
        calling = asyncio.create_task(churn(server, 1000, 5, make_voice=Voice))
        async with asyncio.timeout(DEADLINE):
            while not (await server.ops())["sum"]["sessions"]:
                await asyncio.sleep(0.01)
        calling.cancel()
        await asyncio.wait([calling])
        assert calling.cancelled()
        async with asyncio.timeout(DEADLINE):
            while (await server.ops())["sum"]["connections"]:
                await asyncio.sleep(0.01)


def sample(sessions: int, **changes: Any) -> Sample:
    return replace(Sample(sessions, 400_000_000, 8, 5, 10, 0, 3_000_000), **changes)


def churned(last: dict[str, Any] | None = None, **changes: Any) -> Churned:
    samples = (sample(0), sample(1000), sample(2000), sample(3000, **(last or {})))
    good = Churned(3000, samples, 1000, {"brief": 2000, "nonsense": 1000}, {}, 5, 0, 5, 300.0)
    return replace(good, **changes)


LEAKING = tuple(sample(n, private_bytes=2000 * n) for n in range(0, 3500, 500))


def broken(churned: Churned) -> set[str]:
    return {held.name for held in check(churned) if not held.ok}


def test_a_server_that_keeps_nothing_holds_every_limit() -> None:
    assert broken(churned()) == set()
    assert churned().memory_per_1000 == 0


def test_what_the_allocator_keeps_for_once_is_no_growth() -> None:
    samples = tuple(sample(n, private_bytes=400_000_000 - 30_000_000 * (n == 5000)) for n in range(0, 9000, 500))
    assert churned(samples=samples, visits={"brief": 8500}).memory_per_1000 == 0


@pytest.mark.parametrize(
    ("churned", "name"),
    [
        (churned(visits={"brief": 2999}), "sessions"),
        (churned(otherwise={"brief: None": 1}), "ended_otherwise"),
        (churned(unclear_refusals=1), "unclear_refusals"),
        (churned(counted_refusals=6), "refusals_not_counted"),
        (churned({"connections": 1}), "connections_left"),
        (churned({"tasks": 6}), "tasks"),
        (churned({"descriptors": 11}), "descriptors"),
        (churned({"threads": 9}), "threads"),
        (churned(samples=LEAKING), "memory_per_1000_sessions"),
        (churned(warm_up=3000), "memory_per_1000_sessions"),
    ],
)
def test_each_limit_is_broken_by_what_it_is_about(churned: Churned, name: str) -> None:
    assert broken(churned) == {name}
