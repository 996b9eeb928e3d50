"""Callers whose network breaks are resumed, and a server that mixes calls up is found out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from duologue.callers.chaos import run_chaos
from duologue.callers.chaos_result import ChaosResult
from duologue.callers.voice import Utterance
from duologue.errors import StreamError
from duologue.resilience import BreakerRegistry, resilient_stt, resilient_tts
from duologue.testing.chaos import ProviderChaos
from duologue.testing.fakes import FakeSttModel, FakeTtsModel
from duologue.testing.spoken import speak
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


SAID = ("Blue bicycles.", "Heavy snow.")


def utterance(text: str) -> Utterance:
    sound = speak(text)
    frames = tuple(sound[at : at + 640].ljust(640, b"\0") for at in range(0, len(sound), 640))
    return Utterance(text, frames, 0, len(sound) // 2, ())


async def test_callers_who_speak_bear_faults_of_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    chaos = ProviderChaos(3, share=0.5, kinds=("refuse", "reset", "error_burst", "garble"))
    providers = {"stt": lambda: chaos.stt(FakeSttModel()), "tts": lambda: chaos.tts(FakeTtsModel())}
    async with serving(echo, **providers) as url:
        said = [utterance(text) for text in SAID]
        result = await run_chaos(url, callers=8, seconds=1.0, seed=2, said=said, faults=("reset",))
    assert result.violations == []
    assert result.holds
    assert result.spoken > 0
    assert result.apologies == 0
    counts = chaos.counts()
    assert sum(counts["faults"].values()) > 0
    assert counts["calls"]["stt"] >= result.spoken


async def test_who_speaks_and_hears_the_words_of_another_notes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def confused(text: str) -> str:
        return SAID[1]

    use_fakes(monkeypatch)
    async with serving(confused) as url:
        said = [utterance(text) for text in SAID]
        result = await run_chaos(url, callers=1, seconds=0.1, seed=1, said=said, faults=())
    assert "another call" in result.violations[0]


async def test_a_list_of_models_alone_can_be_made_ready_and_closed() -> None:
    registry = BreakerRegistry()
    stt = resilient_stt([FakeSttModel()], breakers=registry)
    tts = resilient_tts([FakeTtsModel()], breakers=registry)
    for provider in (stt, tts):
        await provider.warm()
        await provider.aclose()
    assert [status.failures for status in registry.states()] == [0, 0]


async def test_a_server_that_is_not_there_is_told(unused_port: int) -> None:
    with pytest.raises(StreamError):
        await run_chaos(f"ws://127.0.0.1:{unused_port}/v1/stream", callers=1, seconds=0.1, seed=1)


def test_what_is_violated_is_bounded() -> None:
    result = ChaosResult(1)
    for number in range(1000):
        result.violated(str(number))
    assert len(result.violations) == 100
