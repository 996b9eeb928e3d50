"""Labelled interruptions through real sessions: with fakes for ears, what the rules do is known."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.errors import ConfigError, ProviderError
from duologue.testing.fakes import FakeSttModel, PeakVad, SentenceEnd
from duologue_bench.barge_in import DELAYS, LAST_DELAY, Ears, Echo, Play, play, plays
from duologue_bench.barge_in_plot import draw_barge_in
from duologue_bench.corpus import BargeIn, Sound
from duologue_bench.yield_figures import summary

pytestmark = pytest.mark.anyio
RATE = 16_000


class Knows:
    """An SttModel that always understands the same."""

    name = "knows"
    languages = frozenset(["en"])
    max_batch = 1
    min_partial_s = 0.5

    def __init__(self, text: str) -> None:
        self.text = text

    def size(self, item: NDArray[np.float32]) -> float:
        return len(item) / RATE

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[str]:
        return [self.text for _ in items]


def noise(seconds: float, peak: float, seed: int) -> NDArray[np.int16]:
    samples: NDArray[np.int16] = (
        np.random.default_rng(seed).uniform(-peak, peak, round(seconds * RATE)) * 32767
    ).astype(np.int16)
    return samples


@pytest.fixture
def item(tmp_path: Path) -> BargeIn:
    """The agent speaks for 4 s; the user from 2 s on, for half a second."""
    agent, user = noise(4.0, 0.5, 1), np.zeros(6 * RATE, np.int16)
    user[2 * RATE : round(2.5 * RATE)] = noise(0.5, 0.9, 2)
    sounds = []
    for name, samples in (("agent", agent), ("user", user)):
        np.save(tmp_path / f"{name}.npy", samples)
        sounds.append(Sound(tmp_path / f"{name}.npy", 0, len(samples)))
    return BargeIn("a", "dev", "barge_in", "Stop.", 2.0, 2.5, "Well, this is long.", sounds[0], sounds[1], 1)


def ears(text: str = "Stop.") -> Ears:
    return Ears(PeakVad(), Knows(text), SentenceEnd())


async def test_an_interruption_is_yielded_to_and_takes_the_floor(item: BargeIn) -> None:
    progress: list[float] = []
    (outcome,) = await play([Play(item, None)], ears(), on_progress=progress.append)
    assert outcome.taken
    assert outcome.yielded_s is not None
    assert outcome.ducked_s is not None
    assert outcome.yielded_s == pytest.approx(0.064, abs=0.04)  # two windows, and a frame of 20 ms
    assert outcome.ducked_s <= outcome.yielded_s
    assert outcome.words == ("Stop.",)
    assert progress == [1.0]


async def test_a_backchannel_is_paused_for_and_goes_on(item: BargeIn) -> None:
    (outcome,) = await play([Play(replace(item, kind="backchannel"), None)], ears("Uh-huh."))
    assert not outcome.taken
    (pause,) = outcome.users
    assert pause.resumed_s is not None
    assert pause.at_s + 0.4 < pause.resumed_s < pause.at_s + 1.0
    assert [m.what for m in outcome.moments][-2:] == ["paused", "resumed"]


async def test_the_agents_own_voice_is_not_yielded_to(item: BargeIn) -> None:
    silent = replace(item, kind="nothing", onset_s=0.0, end_s=0.0, sound=replace(item.sound, length=RATE))
    (outcome,) = await play([Play(silent, Echo(0, 0.15, 0.15))], ears())
    assert (outcome.own, outcome.own_ducks, outcome.words) == ((), 0, ())
    assert (outcome.level_db, outcome.delay_s) == (0, 0.15)


async def test_a_user_over_an_echo_is(item: BargeIn) -> None:
    (outcome,) = await play([Play(item, Echo(-10, 0.15, 0.15))], ears())
    assert outcome.taken
    assert outcome.own == ()


async def test_nothing_to_play_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no interruptions"):
        await play([], ears())


async def test_figures_of_broken_sessions_are_none(item: BargeIn) -> None:
    broken = Ears(PeakVad(), FakeSttModel(faults=[RuntimeError("broken")] * 9), SentenceEnd())
    with pytest.raises(ProviderError, match="A session reported"):
        await play([Play(item, None)], broken)


def test_each_is_played_at_each_level_and_silence_with_every_delay(item: BargeIn) -> None:
    silent = replace(item, id="b", kind="nothing")
    found = plays([item, silent])
    of_item = [p.echo for p in found if p.item is item]
    assert [e and e.level_db for e in of_item] == [None, -10, -20, -30]
    of_silent = [p.echo for p in found if p.item is silent and p.echo and p.echo.level_db == -20]
    steps = sorted(int(e.delay_s * 20) / 20 for e in of_silent if e)
    assert len(of_silent) == len(DELAYS)
    assert all(0.05 <= e.delay_s <= LAST_DELAY for e in of_silent if e)
    assert steps[0] == 0.05
    assert steps[-1] == 0.3
    assert found == plays([item, silent])


async def test_it_is_drawn_and_kept(item: BargeIn, tmp_path: Path) -> None:
    outcomes = await play([Play(item, None), Play(item, Echo(-10, 0.1, 0.2))], ears())
    found = summary(outcomes)
    assert found["none"]["missed"]["value"] == 0.0
    draw_barge_in(outcomes, found, tmp_path / "plot.svg", "Barge-in")
    assert (tmp_path / "plot.svg").read_text("utf-8").count("<path") > 10
    kept = json.loads(json.dumps([o.as_dict() for o in outcomes]))
    assert [(o["id"], o["level_db"]) for o in kept] == [("a", None), ("a", -10)]
