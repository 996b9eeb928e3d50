"""Labelled turns through a whole session: what is answered after the label is measured, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from duologue.clock import VirtualClock
from duologue.engine import Engine
from duologue.errors import ConfigError, ProviderError
from duologue.stt import SpeechToText
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText, FakeTextToSpeech, PeakVad
from duologue.turn.silence import Silence
from duologue_bench.corpus import Item, Sound, Turn
from duologue_bench.distribution import draw_latencies
from duologue_bench.latency import Answered, measure, summary

RATE = 16_000


@pytest.fixture
def item(tmp_path: Path) -> Item:
    """Two turns of a second each, with room for an answer between them."""
    samples = np.zeros(7 * RATE, np.int16)
    tone = (24000 * np.sin(np.arange(RATE) / 10)).astype(np.int16)
    for start in (0.5, 3.5):
        samples[int(start * RATE) : int(start * RATE) + RATE] = tone
    np.save(tmp_path / "dev.npy", samples)
    turns = (Turn(0.5, 1.5, "Yes.", ()), Turn(3.5, 4.5, "Yes.", ()))
    sound = Sound(tmp_path / "dev.npy", 0, len(samples))
    return Item("dev-1", "dev", "synthetic", "booking", "tone", -20.0, 0.0, turns, 1, sound)


def engine(clock: VirtualClock) -> Engine:
    return Engine(vad=PeakVad(), words=Silence(), clock=clock, paced=False)


async def play(items: list[Item], stt: SpeechToText | None = None, turns: int = 2) -> list[Answered]:
    return await measure(
        items,
        engine,
        stt or FakeSpeechToText("yes"),
        FakeTextToSpeech(),
        lambda: ScriptedAgent("A table for four."),
        turns=turns,
    )


@pytest.mark.anyio
async def test_each_labelled_turn_has_its_answer(item: Item) -> None:
    answered = await play([item])
    assert [a.end_s for a in answered] == [1.5, 4.5]
    for a in answered:
        assert 0 < a.decided_s < a.voice_to_voice_s
        assert a.voice_to_voice_s == a.decided_s + a.processing_s
        assert a.as_dict()["speculation"] == "none"
    found = summary(answered)
    assert (found["turns"], found["speculation_hits"]) == (2, 0)
    assert found["processing_hit_s"]["p50"]["value"] is None
    assert found["processing_s"]["p50"]["count"] == 2


@pytest.mark.anyio
async def test_no_more_turns_are_measured_than_were_asked_for(item: Item) -> None:
    assert len(await play([item, item], turns=1)) == 1


@pytest.mark.anyio
async def test_a_session_that_reports_an_error_has_no_figures(item: Item) -> None:
    with pytest.raises(ProviderError, match="A session reported"):
        await play([item], FakeSpeechToText(faults=[ValueError("broken")] * 9))


@pytest.mark.anyio
async def test_nothing_to_play_is_refused() -> None:
    with pytest.raises(ConfigError):
        await play([])


def test_the_distribution_is_drawn(tmp_path: Path) -> None:
    target = tmp_path / "latency.svg"
    draw_latencies({"processing": [0.001, 0.02, 0.3], "none": []}, target, "Three turns")
    assert target.read_text().startswith("<?xml")
    with pytest.raises(ConfigError):
        draw_latencies({}, tmp_path / "latency.txt", "No turns")
