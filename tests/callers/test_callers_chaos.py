"""Callers whose network breaks are resumed, and a server that mixes calls up is found out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from duologue.callers.chaos import ChaosResult, run_chaos
from duologue.errors import StreamError
from serving import serving, use_fakes

pytestmark = pytest.mark.anyio


async def echo(text: str) -> str:
    return text.removeprefix("This is ")


async def test_every_call_is_resumed_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    async with serving(echo, store=str(tmp_path), resume_window=4.0) as url:
        result = await run_chaos(url, callers=8, seconds=2.5, seed=5)
        assert result.violations == []
        assert result.holds
        assert result.turns > 0
        assert result.resumed > 0
        assert result.as_dict()["faults"]
        async with asyncio.timeout(30):
            while any(tmp_path.iterdir()):
                await asyncio.sleep(0.01)


async def test_a_server_that_mixes_calls_up_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def confused(text: str) -> str:
        return "caller 99x"

    use_fakes(monkeypatch)
    async with serving(confused) as url:
        result = await run_chaos(url, callers=1, seconds=0.5, seed=1)
    assert not result.holds
    assert "another call" in result.violations[0]


async def test_a_server_that_is_not_there_is_told(unused_port: int) -> None:
    with pytest.raises(StreamError):
        await run_chaos(f"ws://127.0.0.1:{unused_port}/v1/stream", callers=1, seconds=0.1, seed=1)


def test_what_is_violated_is_bounded() -> None:
    result = ChaosResult(1)
    for number in range(1000):
        result.violated(str(number))
    assert len(result.violations) == 100
