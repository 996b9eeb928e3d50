"""Overload, small: who is refused is told all of it, and everybody is accounted for. No latency is asserted."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from served_here import Voice, served_here

from duologue.callers.load import NORMAL
from duologue.callers.log import Log, Refusal
from duologue.callers.plan import Plan
from duologue.callers.result import Percentiles, Result
from duologue_bench.soak.overload import Overload, Step, check, overload
from duologue_bench.soak.plot import draw_overload

DEADLINE = 60.0
"""Seconds after which a test that waits has failed."""


@pytest.mark.anyio
async def test_who_is_refused_is_told_and_all_are_accounted_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    offered: set[float] = set()
    async with served_here(max_sessions=2) as server:
        found = await overload(
            server, 2, NORMAL, 1.0, factors=(1.0, 2.0), make_voice=Voice, on_progress=lambda _, x: offered.add(x)
        )  # fmt: skip
        shown = (await server.ops())["sum"]
    assert offered == {1.0, 2.0}
    assert [(step.factor, step.offered) for step in found.steps] == [(1.0, 2), (2.0, 4), (1.0, 2)]
    result = found.result
    assert set(result.refusals) == {"overloaded"}
    assert result.refusals["overloaded"] == shown["refused"] == shown["refused_sessions"] > 0
    assert result.retry_after_s == 0.2
    assert result.unclear_refusals == found.uncounted == 0
    assert result.lost == {}
    assert result.calls == sum(result.bookings.values()) >= 2
    assert set(found.steps[1].refusals) == {"sessions"}
    assert found.steps[0].carried > 0
    assert found.as_dict()["steps"][1]["refusals"] == found.steps[1].refusals
    picture = tmp_path / "overload.svg"
    draw_overload(found, picture)
    assert "sessions" in picture.read_text()


@pytest.mark.anyio
async def test_where_it_is_broken_off_all_hang_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    async with served_here(max_sessions=2) as server:
        calling = asyncio.create_task(overload(server, 2, NORMAL, 60.0, factors=(1.0, 2.0), make_voice=Voice))
        async with asyncio.timeout(DEADLINE):
            while not (await server.ops())["sum"]["sessions"]:
                await asyncio.sleep(0.01)
        calling.cancel()
        await asyncio.wait([calling])
        assert calling.cancelled()
        assert not (await server.ops())["sum"]["sessions"]


def step(factor: float, **changes: Any) -> Step:
    usual = Step(
        factor=factor, offered=round(10 * factor), carried=10.0, calls=20, refusals={}, stayed_away=0, turns=200,
        processing_s=Percentiles.of([0.1] * 20), voice_to_voice_s=Percentiles.of([0.6] * 20), starved_frames=0,
        dropped_s=0.0, booked=20, not_booked=0, lost=0, private_bytes=400_000_000, lateness_s=0.05,
    )  # fmt: skip
    return replace(usual, **changes)


def found(
    worse: dict[str, Any] | None = None, *, late: float = 0.001, log: Log | None = None, **whole: Any
) -> Overload:
    plan = Plan("ws://127.0.0.1:1/v1/stream", 10, 60.0, "booking", NORMAL, 1, 10.0)
    result = Result.of(log or Log(), plan, lines="none", elapsed=70.0, cpu=1.0, lateness=[late], interrupted=False)
    good = Overload(10, (step(1.0), step(3.0, **(worse or {})), step(1.0)), 0.5, 1.0, 0, result)
    return replace(good, **whole)


def broken(overload: Overload) -> set[str]:
    return {held.name for held in check(overload) if not held.ok}


def test_a_server_that_sheds_what_it_cannot_carry_holds_every_limit() -> None:
    assert broken(found()) == set()


@pytest.mark.parametrize(
    ("overload", "name"),
    [
        (found({"processing_s": Percentiles.of([0.16])}), "processing_p95_ratio_at_3x"),
        (found({"voice_to_voice_s": Percentiles.of([0.95])}), "voice_to_voice_p95_ratio_at_3x"),
        (found({"voice_to_voice_s": Percentiles.of([])}), "voice_to_voice_p95_ratio_at_3x"),
        (found({"not_booked": 4}), "bookings"),
        (found(log=Log(lost=Counter({"1011 error": 1}))), "lost"),
        (found(log=Log(refused=Counter({Refusal("overloaded", 1013, None, True): 1}))), "unclear_refusals"),
        (found(uncounted=1), "uncounted"),
        (found(admitted_after_s=None), "admitted_after_s"),
        (found(relaxed_after_s=11.0), "relaxed_after_s"),
        (found(late=0.1), "callers_in_time"),
    ],
)
def test_each_limit_is_broken_by_what_it_is_about(overload: Overload, name: str) -> None:
    assert broken(overload) == {name}


def test_what_stays_worse_after_the_load_has_fallen_is_told() -> None:
    good = found()
    stuck = replace(good.steps[-1], processing_s=Percentiles.of([0.4]))
    assert broken(replace(good, steps=(*good.steps[:-1], stuck))) == {"processing_p95_ratio_at_the_end"}
