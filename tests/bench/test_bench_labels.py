"""Labeled recordings of your own: how they are read, cached, scored and compared."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from command_line import CommandLine
from duologue.audio.wav import write_wav
from duologue.errors import ConfigError, NotInstalledError
from duologue.settings import local
from duologue.settings.local import LocalModels
from duologue.stt.recognition import Recognition
from duologue.testing.fakes import FakeSttModel, FakeTtsModel, FakeTurnModel, PeakVad
from duologue.turn.words import Words
from duologue_bench.cache import RecognitionCache, open_cache
from duologue_bench.cached_recognition import Ears
from duologue_bench.curves import cross_validated, figures, grouped
from duologue_bench.curves_plot import draw_curves
from duologue_bench.labels import INCOMPLETE_S, load_labels
from duologue_bench.policies import settings
from duologue_bench.scoring import Decision, EndOutcome, ItemOutcome, PauseOutcome, score
from duologue_bench.turns import Run, play

RATE = 16_000


def write(folder: Path, **changes: Any) -> Path:
    """One recording of 4 s, said from 0.5 to 3 s with a pause from 1 to 2 s, and its label."""
    write_wav(folder / "one.wav", np.zeros(4 * RATE, np.int16), RATE)
    label = {
        "id": "one",
        "file": "one.wav",
        "start": RATE // 2,
        "end": 3 * RATE,
        "pauses": [[RATE, 2 * RATE]],
        "text": "Hello, it's me.",
        "category": "greeting",
        "source": "here",
        **changes,
    }
    path = folder / "labels.json"
    path.write_text(json.dumps([{k: v for k, v in label.items() if v is not None}]), "utf-8")
    return path


def speak(folder: Path, **changes: Any) -> Path:
    """The same with tones for words, and 3 s of silence after them."""
    path = write(folder, **changes)
    samples = np.zeros(6 * RATE, np.int16)
    tone = (24000 * np.sin(np.arange(RATE) / 10)).astype(np.int16)
    if changes.get("start") is None:
        samples[RATE // 2 : RATE] = tone[: RATE // 2]
    samples[2 * RATE : 3 * RATE] = tone
    write_wav(folder / "one.wav", samples, RATE)
    return path


class CountedStt(FakeSttModel):
    """Says the same of any audio, and counts how often it is asked."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.asked = text, 0

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[str]:
        self.asked += len(items)
        return [self.text for _ in items]


class BrokenVad(PeakVad):
    def open(self) -> Any:
        raise AssertionError("the detector was asked")


def test_a_label_becomes_an_item(tmp_path: Path) -> None:
    (item,) = load_labels(write(tmp_path))
    (turn,) = item.turns
    assert (item.id, item.source, item.topic, item.is_real) == ("one", "here", "greeting", True)
    assert (turn.start_s, turn.end_s, turn.text, turn.complete) == (0.5, 3.0, "Hello, it's me.", True)
    assert [(p.start_s, p.end_s, p.kind) for p in turn.pauses] == [(1.0, 2.0, "labeled")]
    assert (item.duration_s, len(item.samples())) == (4.0, 4 * RATE)


def test_only_the_place_of_the_speech_is_needed(tmp_path: Path) -> None:
    path = write(tmp_path, pauses=None, text=None, category=None, source=None)
    (item,) = load_labels(path)
    assert (item.source, item.topic, item.pauses) == ("", "", ())


def test_an_unfinished_turn_is_cut_off_by_an_early_decision_and_has_no_end(tmp_path: Path) -> None:
    (item,) = load_labels(write(tmp_path, complete=False))
    early, late = (score(item, [Decision(3.0 + s, "words")]) for s in (INCOMPLETE_S - 0.1, INCOMPLETE_S + 0.05))
    assert (early.ends, late.ends) == ((), ())
    assert early.pauses[-1].cut_after_s == pytest.approx(INCOMPLETE_S - 0.1)
    assert late.pauses[-1].cut_after_s is None
    assert early.is_cut
    assert not late.is_cut


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": None}, "Entry 0 .* is not a label"),
        ({"end": "soon"}, "is not a label"),
        ({"end": 100}, "not in order"),
        ({"pauses": [[0, RATE]]}, "not in order"),
        ({"pauses": [[2 * RATE, RATE]]}, "not in order"),
        ({"pauses": [[2 * RATE, 2 * RATE + 100], [RATE, RATE + 100]]}, "not in order"),
        ({"pauses": [[RATE, 4 * RATE]]}, "not in order"),
        ({"file": "other.wav"}, "there is no file"),
    ],
)
def test_a_label_that_cannot_be_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_labels(write(tmp_path, **changes))


@pytest.mark.parametrize(
    ("content", "message"), [("{}", "must hold a list"), ("[", "is not JSON"), ("[]", "at least one")]
)
def test_a_file_that_holds_no_labels_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=message):
        load_labels(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_labels(tmp_path / "none.json")


def test_a_label_beyond_the_end_of_its_file_is_refused(tmp_path: Path) -> None:
    (item,) = load_labels(write(tmp_path, end=4 * RATE + 1))
    with pytest.raises(ConfigError, match=r"one.wav has 64000 samples at 16 kHz, and its label ends at 64001"):
        item.samples()


def test_other_formats_are_mixed_down_and_resampled(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    tone = (8000 * np.sin(np.arange(48_000 * 4) * 2 * np.pi * 440 / 48_000)).astype(np.int16)
    soundfile.write(tmp_path / "one.flac", np.stack([tone, np.zeros_like(tone)], 1), 48_000)
    (item,) = load_labels(write(tmp_path, file="one.flac"))
    expected = 4000 * np.sin(np.arange(4 * RATE) * 2 * np.pi * 440 / RATE)
    found = item.samples()
    assert found.dtype.name == "int16"
    assert len(found) == 4 * RATE
    assert np.abs(found[RATE:-RATE] - expected[RATE:-RATE]).max() < 20


def test_a_file_that_cannot_be_decoded_or_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile = pytest.importorskip("soundfile")
    (tmp_path / "one.flac").write_bytes(b"fLaC, but no more than that")
    (item,) = load_labels(write(tmp_path, file="one.flac"))
    with pytest.raises(ConfigError, match="cannot be read"):
        item.samples()
    soundfile.write(tmp_path / "one.flac", np.zeros(4 * RATE, np.int16), RATE)
    assert len(item.samples()) == 4 * RATE
    monkeypatch.setattr("duologue_bench.labels.MAX_SECONDS", 3)
    with pytest.raises(ConfigError, match="longer than 3 s"):
        item.samples()


def test_a_missing_decoder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    (tmp_path / "one.flac").touch()
    (item,) = load_labels(write(tmp_path, file="one.flac"))
    with pytest.raises(NotInstalledError, match="needs the package 'soundfile'"):
        item.samples()


# --- the cache ---


def test_answers_are_kept_from_run_to_run(tmp_path: Path) -> None:
    sound, other = np.arange(100, dtype=np.int16), np.arange(1, 101, dtype=np.int16)
    with RecognitionCache(tmp_path / "cache.sqlite") as cache:
        assert cache.transcript("a", sound) is None
        cache.keep_transcript("a", sound, Recognition("Hello.", -0.5, 0.25))
        cache.keep_transcript("a", other, Recognition(""))
        cache.keep_scores("b", sound, np.array([0.25], np.float32))
    with RecognitionCache(tmp_path / "cache.sqlite") as cache:
        found = cache.transcript("a", sound)
        assert found is not None
        assert (str(found), found.ending_odds, found.sound_estimate) == ("Hello.", -0.5, 0.25)
        silent = cache.transcript("a", other)
        assert silent is not None
        assert (str(silent), silent.sound_estimate) == ("", None)
        assert cache.transcript("b", other) is None
        scores = cache.scores("b", sound)
        assert scores is not None
        assert scores.tolist() == [0.25]


def test_the_oldest_answers_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with RecognitionCache(path, max_bytes=2_000_000) as cache:
        for n in range(2000):
            cache.keep_scores("a", np.full(4, n, np.int16), np.zeros(1000, np.float32))
        assert cache.scores("a", np.full(4, 0, np.int16)) is None
        assert cache.scores("a", np.full(4, 1999, np.int16)) is not None
    assert path.stat().st_size < 2_000_000 + 500 * 5000  # the answers between two checks


def test_small_answers_are_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with RecognitionCache(path, max_bytes=100_000) as cache:
        for n in range(4000):
            cache.keep_scores("a", np.array([n], np.int16), np.zeros(1, np.float32))
    assert path.stat().st_size < 200_000


def test_a_cache_without_a_file_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with RecognitionCache(None) as cache:
        cache.keep_transcript("a", np.zeros(1, np.int16), Recognition("Hello."))
        assert cache.transcript("a", np.zeros(1, np.int16)) == "Hello."
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_cache_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Something else entirely. " * 100, "utf-8")
    with pytest.raises(ConfigError, match="is not a cache"):
        RecognitionCache(path)
    assert path.read_text("utf-8").startswith("Something else")
    with pytest.raises(ConfigError, match="no folder"):
        RecognitionCache(tmp_path / "none" / "cache.sqlite")


def test_no_cache_is_opened_without_a_file() -> None:
    with open_cache(None) as cache:
        assert cache is None


def test_a_model_is_not_asked_what_is_in_the_cache(tmp_path: Path) -> None:
    (item,) = load_labels(speak(tmp_path))
    chosen = settings(("ours",), sweep=False)
    stt, turn_model = CountedStt("I would like a table."), FakeTurnModel(0.9)
    with RecognitionCache(None) as cache:
        ears = Ears(PeakVad(), stt, Words(), turn_model, cache)
        first = asyncio.run(play([item], ears, chosen))
        asked = stt.asked
        again = asyncio.run(play([item], replace(ears, vad=BrokenVad()), chosen))
    assert asked > 0
    assert stt.asked == asked
    assert first == again


# --- figures ---


def outcome(source: str, wait: float | None, cut: bool, category: str = "question") -> ItemOutcome:
    pause = PauseOutcome("labeled", 1.0, 1.0, 0.5 if cut else None, "words" if cut else "")
    return ItemOutcome(f"{source}-{wait}", True, (pause,), (EndOutcome(3.0, wait, "words"),), 0, 0, 0, source, category)


def test_figures_count_waits_and_cut_offs() -> None:
    found = figures([outcome("a", 0.4, True), outcome("a", 1.6, False), outcome("b", None, False)])
    assert (found.turns, found.pauses, found.clips) == (3, 3, 3)
    assert found.mean_s == pytest.approx((0.4 + 1.6 + 3.0) / 3)
    assert (found.p50_s, found.p90_s) == (1.6, 3.0)
    assert (found.long, found.cut, found.cut_clips) == (2 / 3, 1 / 3, 1 / 3)
    assert json.dumps(figures([]).as_dict())


def test_figures_are_grouped_by_what_is_asked_for() -> None:
    items = [outcome("a", 0.4, True), outcome("b", 1.6, False)]
    assert {name: f.turns for name, f in grouped(items, lambda i: i.source).items()} == {"a": 1, "b": 1}


def test_no_source_is_judged_by_a_setting_that_it_chose() -> None:
    """On `a` the first setting is better, on `b` the second; each is judged under the other's."""
    setting = settings(("ours",), sweep=False)[0]
    first = Run(setting, (outcome("a", 0.1, False), outcome("b", 0.9, False)))
    second = Run(replace(setting, sound_threshold=0.5), (outcome("a", 0.8, False), outcome("b", 0.2, False)))
    found = cross_validated([first, second], 0.1)
    assert [(i.source, i.ends[0].latency_s) for i in found] == [("a", 0.8), ("b", 0.9)]


def test_a_single_source_is_judged_by_the_first_setting() -> None:
    setting = settings(("ours",), sweep=False)[0]
    first = Run(setting, (outcome("a", 0.9, True),))
    second = Run(replace(setting, sound_threshold=0.5), (outcome("a", 0.1, False),))
    assert cross_validated([first, second], 0.1) == list(first.items)


def test_a_setting_that_cuts_off_too_many_is_not_chosen() -> None:
    setting = settings(("ours",), sweep=False)[0]
    quick = Run(setting, tuple(outcome(s, 0.1, True) for s in "ab"))
    slow = Run(replace(setting, sound_threshold=0.5), tuple(outcome(s, 0.9, False) for s in "ab"))
    assert figures(cross_validated([quick, slow], 0.1)).mean_s == pytest.approx(0.9)
    assert figures(cross_validated([quick, slow], 1.0)).mean_s == pytest.approx(0.1)


def test_curves_are_drawn(tmp_path: Path) -> None:
    points = {"at most 5%": figures([outcome("a", 0.4, False)])}
    draw_curves({"ours": points}, tmp_path / "curves.svg", "Turns")
    assert (tmp_path / "curves.svg").stat().st_size > 1000


# --- the command ---


def test_the_first_turn_of_a_call_waits_longer_than_a_later_one(tmp_path: Path) -> None:
    (item,) = load_labels(speak(tmp_path, pauses=None, start=2 * RATE))
    text = "I have lost my ticket. Can you help me?"
    ears = Ears(PeakVad(), CountedStt(text), Words(), FakeTurnModel(0.9))
    chosen = settings(("words",), sweep=False)
    first, later = (asyncio.run(play([item], ears, chosen, is_later=is_later))[0] for is_later in (False, True))
    assert [e.text for e in first.items[0].ends] == [e.text for e in later.items[0].ends] == [text]
    assert first.end_of_turn().value > later.end_of_turn().value + 0.1
    (early,), (late,) = first.items[0].probabilities, later.items[0].probabilities
    assert (early.is_end, late.is_end) == (True, True)
    assert early.probability < late.probability


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> LocalModels:
    found = LocalModels(PeakVad(), FakeSttModel(), FakeTtsModel(), Words(), FakeTurnModel(0.9))
    monkeypatch.setattr(local, "load_local", lambda: found)
    return found


@pytest.mark.usefixtures("models")
def test_the_command_compares_the_policies(tmp_path: Path, duologue: CommandLine) -> None:
    path = speak(tmp_path)
    told = duologue("bench", "turns", "--labels", path, "--cache", "kept.sqlite", "--raw", "raw.jsonl", "--json")
    assert told.code == 0
    assert (tmp_path / "kept.sqlite").stat().st_size > 0
    for place in ("first turn", "later turn"):
        assert told.json["by category"][place]["greeting"]["turns"] == 1
        assert told.json["by source"][place]["here"]["pauses"] == 1
        assert told.json["policies"][place]["silence, 0.96 s"]["cut"] == 1.0
        assert told.json["policies"][place]["silence, 1.28 s"]["cut"] == 0.0
        assert told.json["reliability"][place] == []  # this recognizer knows no words, so no silence is judged
    assert told.json["cost curve"]["VAD alone"]["at most 10% cut"]["turns"] == 2
    rows = [json.loads(line) for line in (tmp_path / "raw.jsonl").read_text("utf-8").splitlines()]
    assert {row["place"] for row in rows} == {"first turn", "later turn"}


@pytest.mark.usefixtures("models")
def test_the_command_prints_and_draws(tmp_path: Path, duologue: CommandLine) -> None:
    told = duologue(
        "bench", "turns", "--labels", speak(tmp_path), "--plot", "curve.png", "--reliability", "reliability.png"
    )
    assert told.code == 0
    for title in ("policies, first turn", "by category, later turn", "by source, first turn", "cost curve, VAD alone"):
        assert title in told.out
    assert "reliability of the probability, later turn" in told.out
    for picture in ("curve.png", "reliability.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


def test_the_command_does_without_smart_turn(
    tmp_path: Path, duologue: CommandLine, models: LocalModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "load_local", lambda: replace(models, turn_model=None))
    told = duologue("bench", "turns", "--labels", speak(tmp_path), "--json")
    assert "words alone" in told.json["policies"]["first turn"]
    assert "Smart Turn alone" not in told.json["policies"]["first turn"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--labels", "none.json"), "none.json cannot be read"),
        (("--labels", "labels.json", "--version", "all"), "One version at a time"),
        (("--reliability", "reliability.png"), "Name them with --labels"),
        (("--labels", "labels.json", "--reliability", "reliability.doc"), "reliability.doc"),
        (("--labels", "labels.json", "--cache", "nowhere/kept.sqlite"), "no folder nowhere"),
    ],
)
def test_mistakes_are_reported_before_any_work(
    tmp_path: Path, duologue: CommandLine, unloadable: None, arguments: tuple[str, ...], message: str
) -> None:
    write(tmp_path)
    told = duologue("bench", "turns", *arguments)
    assert told.code == 1
    assert message in told.told
