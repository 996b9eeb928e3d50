"""Turn-taking against the labels, with fakes that hear a tiny corpus: tones for words, silence between them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from command_line import CommandLine
from duologue.agent.booking import BookingAgent
from duologue.clock import VirtualClock
from duologue.conversation.config import Endpointing
from duologue.conversation.events import Event, TurnDecided
from duologue.engine import Engine
from duologue.errors import ConfigError
from duologue.recording.replayer import Replayer
from duologue.session import SessionConfig, VoiceSession
from duologue.settings import local
from duologue.settings.local import LocalModels
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeTextToSpeech, FakeTtsModel, FakeTurnModel, PeakVad
from duologue.turn import Judgement
from duologue.turn.words import Words
from duologue_bench.answers import Voice
from duologue_bench.bootstrap import quantile_of, rate_of
from duologue_bench.cached_recognition import Ears
from duologue_bench.corpus import Item, Pause, Sound, Turn
from duologue_bench.plot import draw
from duologue_bench.policies import POLICIES, settings
from duologue_bench.scoring import Decision, score
from duologue_bench.turns import best, frontier, play, raw, summary

RATE = 16_000
HALF_S, WHOLE_S = 1.0, 3.0
"""Speech up to the pause, and to the end of the turn."""


class Halves:
    """Speech to text that hears the first half of a turn where the sound is loud, and the second where it is softer."""

    name = "halves"
    languages = frozenset({"en"})
    max_batch = 1
    min_partial_s = 1.0

    def __init__(self) -> None:
        self.asked = 0

    def size(self, item: NDArray[np.float32]) -> float:
        return len(item) / RATE

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[str]:
        self.asked += len(items)
        return ["I would like to" if item.max() > 0.65 else "book a table. It is for me." for item in items]


class Undecided:
    """Words that leave it open."""

    name = "undecided"

    def judge(self, text: str) -> Judgement:
        return Judgement(0.78, "open")


@pytest.fixture
def item(tmp_path: Path) -> Item:
    """A turn from 0.5 to 3.5 s, whose second second is a pause."""
    samples = np.zeros(8 * RATE, np.int16)
    tone = (24000 * np.sin(np.arange(RATE) / 10)).astype(np.int16)
    samples[RATE // 2 : RATE // 2 + RATE] = tone
    samples[5 * RATE // 2 : 7 * RATE // 2] = tone * 0.8
    np.save(tmp_path / "dev.npy", samples)
    turn = Turn(0.5, 3.5, "I would like to book a table.", (Pause(1.5, 2.5, "hesitation"),))
    sound = Sound(tmp_path / "dev.npy", 0, len(samples))
    return Item("dev-1", "dev", "synthetic", "booking", "tone", -20.0, 0.0, (turn,), 1, sound)


def ears(stt: Halves | None = None, *probabilities: float) -> Ears:
    return Ears(PeakVad(), stt or Halves(), Words(), FakeTurnModel(*(probabilities or (0.97,))))


@pytest.mark.anyio
async def test_words_keep_a_pause_that_silence_takes_for_the_end(item: Item) -> None:
    judged, vad = await play([item], ears(), settings(("judged", "vad"), sweep=False))
    assert judged.point[0] == 0.0
    assert judged.point[1] == pytest.approx(Endpointing().action_delay, abs=0.05)
    assert vad.point[0] == 1.0
    assert judged.asked == 1.0
    assert vad.asked == 0.0
    row = raw(vad)[0]
    assert row["pauses"][0]["cut_after_s"] == pytest.approx(Endpointing().action_delay, abs=0.05)
    assert row["setting"]["policy"] == "vad"


@pytest.mark.anyio
async def test_where_models_are_busy_the_sound_is_judged_only_where_words_leave_it_open(item: Item) -> None:
    hearing = ears()
    (busy,) = await play([item], hearing, settings(("busy",), sweep=True))
    assert (busy.asked, busy.point[0]) == (0.0, 0.0)
    hearing = replace(hearing, words=Undecided())
    (busy,) = await play([item], hearing, settings(("busy",), sweep=True))
    assert busy.asked > 0


@pytest.mark.anyio
async def test_smart_turn_alone_decides_by_its_own_threshold(item: Item) -> None:
    chosen = settings(("smart_turn",), sweep=True)
    runs = await play([item], ears(None, 0.7), chosen)
    for run in runs:
        early = run.setting.sound_threshold <= 0.7
        expected = run.setting.endpointing.action_delay if early else run.setting.endpointing.timeout
        assert run.point[1] == pytest.approx(expected, abs=0.05)


@pytest.mark.anyio
async def test_a_sound_is_heard_once_for_all_settings(item: Item) -> None:
    stt = Halves()
    progress: list[float] = []
    await play([item, item], ears(stt), settings(("ours", "words"), sweep=True), on_progress=progress.append)
    assert stt.asked == 4
    assert progress == [0.5, 1.0]


@pytest.mark.anyio
async def test_the_rules_alone_decide_as_a_session_does(item: Item) -> None:
    """What the benchmark tells the rules is what a session in audio time tells them."""
    hearing = ears()
    (run,) = await play([item], hearing, settings(("judged",), sweep=False))
    decided: list[float] = []

    def watch(event: Event) -> None:
        if isinstance(event, TurnDecided):
            decided.append(event.pos / RATE)

    engine = Engine(
        vad=hearing.vad, words=hearing.words, turn_model=hearing.turn_model, clock=VirtualClock(), paced=False
    )
    async with engine:
        session = VoiceSession(
            engine=engine,
            stt=hearing.stt,
            tts=FakeTextToSpeech(),
            agent=ScriptedAgent([]),
            config=SessionConfig(echo="none"),
        )
        session.watch(watch, lambda _: None)
        async with session:
            await Replayer(session).play(item.samples().tobytes(), max_tail=0.0)
    assert decided == [pytest.approx(3.5 + run.point[1])]


@pytest.mark.anyio
async def test_answers_are_timed_less_the_head_start_of_speculation(item: Item) -> None:
    voice = Voice(BookingAgent, FakeTtsModel())
    first, second = await voice.timed([Decision(1.0, "words", "Hello."), Decision(2.0, "words", "For two.", 9.0)])
    assert first.processing_s is not None
    assert first.processing_s > 0
    assert second.processing_s == 0.0
    (run,) = await play([item], ears(), settings(("ours",), sweep=False), voice=voice)
    assert run.processing().count == 1
    assert run.voice_to_voice().value == pytest.approx(run.end_of_turn().value + run.processing().value)


@pytest.mark.anyio
async def test_an_agent_that_says_nothing_has_no_latency() -> None:
    voice = Voice(lambda: ScriptedAgent([]), FakeTtsModel())
    assert (await voice.timed([Decision(1.0, "words", "Hello.")]))[0].processing_s is None


@pytest.mark.anyio
async def test_no_items_are_refused() -> None:
    with pytest.raises(ConfigError, match="no items"):
        await play([], ears(), settings(("vad",), sweep=False))


@pytest.mark.anyio
async def test_the_frontier_and_the_best_within_a_share_of_cut_offs(item: Item, tmp_path: Path) -> None:
    runs = await play([item], ears(), settings(POLICIES, sweep=True))
    vad = [run for run in runs if run.setting.policy == "vad"]
    assert [run.point[0] for run in frontier(vad)] == [0.0, 1.0]
    found = best(vad, 0.1)
    assert found is not None
    assert found.setting.endpointing.action_delay == 1.12
    assert best([], 0.1) is None
    draw({"clean": runs}, tmp_path / "curve.svg", "One turn")
    assert "VAD alone" in (tmp_path / "curve.svg").read_text("utf-8") or (tmp_path / "curve.svg").stat().st_size > 1000
    told = summary(runs[0])
    assert json.loads(json.dumps(told))["false_cut_offs"]["all"] == {"value": 0.0, "low": 0.0, "high": 0.0, "count": 1}
    assert told["voice_to_voice_s"]["real"]["p50"]["value"] is None


def test_each_policy_comes_first_as_it_is() -> None:
    found = settings(POLICIES, sweep=True)
    assert [setting.policy for setting in found[: len(POLICIES)]] == list(POLICIES)
    assert found[0].endpointing == Endpointing()
    assert len(found) == len(set(found))
    assert len(settings(POLICIES, sweep=False)) == len(POLICIES)


def test_decisions_are_held_against_the_labels(item: Item) -> None:
    decisions = [Decision(t, "words", "text") for t in (1.0, 1.7, 1.9, 3.9, 5.0)]
    found = score(item, decisions, asked=3)
    (pause,), (end,) = found.pauses, found.ends
    assert pause.cut_after_s == pytest.approx(0.2)
    assert end.latency_s == pytest.approx(0.4)
    assert (end.text, found.in_speech, found.extra, found.asked) == ("text", 1, 1, 3)
    nothing = score(item, [])
    assert nothing.pauses[0].cut_after_s is None
    assert nothing.ends[0].latency_s is None


def test_a_decision_just_after_a_pause_cut_it_off(item: Item) -> None:
    assert score(item, [Decision(2.6, "words")]).pauses[0].cut_after_s == pytest.approx(1.1)
    assert score(item, [Decision(2.7, "words")]).pauses[0].cut_after_s is None


def test_a_rate_has_an_interval_by_items() -> None:
    found = rate_of([(1, 2)] * 50)
    assert (found.value, found.low, found.high, found.count) == (0.5, 0.5, 0.5, 100)
    spread = rate_of([(0, 2), (2, 2)] * 25)
    assert spread.low < 0.45
    assert spread.high > 0.55
    assert math.isnan(rate_of([(0, 0)]).value)


def test_a_quantile_counts_what_never_came_as_longest() -> None:
    found = quantile_of([[0.1, 0.2], [], [0.3, None]], 0.5)
    assert (found.value, found.count) == (0.2, 4)
    assert quantile_of([[0.1], [None]], 0.9).value == math.inf
    assert math.isnan(quantile_of([[]], 0.5).value)
    many = quantile_of([[n / 100] for n in range(100)], 0.5)
    assert 0.3 < many.low < many.value < many.high < 0.7


class TestCommand:
    @pytest.fixture(autouse=True)
    def fakes(self, item: Item, monkeypatch: pytest.MonkeyPatch) -> None:
        models = LocalModels(PeakVad(), Halves(), FakeTtsModel(), Words(), FakeTurnModel(0.9))
        monkeypatch.setattr(local, "load_local", lambda: models)
        monkeypatch.setattr("duologue_bench.corpus.load", lambda half: [item])

    def test_it_prints_a_line_for_each_policy(self, duologue: CommandLine) -> None:
        told = duologue("bench", "turns")
        assert told.code == 0
        assert "test half, clean" in told.out
        assert "VAD alone, at most 10%" in " ".join(told.out.split())
        assert "Voice to voice" in told.told

    def test_json_raw_and_plot(self, duologue: CommandLine, tmp_path: Path) -> None:
        told = duologue("bench", "turns", "--json", "--raw", "turns.jsonl", "--plot", "curve.png", "--limit", 1)
        (version,) = told.json["versions"]
        assert version["version"] == "clean"
        assert {row["policy"] for row in version["curve"]} == set(POLICIES)
        rows = [json.loads(line) for line in (tmp_path / "turns.jsonl").read_text("utf-8").splitlines()]
        assert {row["id"] for row in rows} == {"dev-1"}
        assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("--version", "loud"), "no version 'loud'"),
            (("--raw", "nowhere/turns.jsonl"), "no folder nowhere"),
            (("--plot", "curve.gif"), "none of them"),
            (("--plot", "nowhere/curve.png"), "no folder nowhere"),
        ],
    )
    def test_mistakes_are_told_before_any_work(
        self, duologue: CommandLine, unloadable: None, arguments: tuple[str, str], told: str
    ) -> None:
        found = duologue("bench", "turns", *arguments)
        assert found.code == 1
        assert told in found.told
