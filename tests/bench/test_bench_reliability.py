"""How far the probability of the end of a turn can be trusted: groups, intervals, the picture, and the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from duologue.errors import ConfigError
from duologue_bench.corpus import Item, Pause, Turn
from duologue_bench.labels import RecordedFile
from duologue_bench.reliability import draw_reliability, mean_gap, reliability
from duologue_bench.scoring import ItemOutcome, Judged, ProbabilityOutcome, score


def outcome(*pairs: tuple[float, bool]) -> ItemOutcome:
    return ItemOutcome("a", True, (), (), 0, 0, probabilities=tuple(ProbabilityOutcome(*pair) for pair in pairs))


def item(*turns: Turn) -> Item:
    return Item("a", "labels", "", "", "", None, 0.0, turns, 0, RecordedFile(Path("none.wav"), 1))


def test_groups_are_of_the_same_size_and_in_order() -> None:
    low, high = [(0.1, False)] * 9 + [(0.1, True)], [(0.9, True)] * 9 + [(0.9, False)]
    bins = reliability([outcome(*high), outcome(*low)], 2)
    assert [b.count for b in bins] == [10, 10]
    assert [b.probability for b in bins] == pytest.approx([0.1, 0.9])
    assert [b.ends for b in bins] == pytest.approx([0.1, 0.9])
    assert mean_gap(bins) == pytest.approx(0.0)
    assert [bins[0].low, bins[0].high] == pytest.approx([0.018, 0.404], abs=1e-3)


def test_the_distance_from_the_diagonal_is_weighted_by_silences() -> None:
    bins = reliability([outcome((0.5, True), (0.5, True), (1.0, True))], 3)
    assert mean_gap(bins) == pytest.approx(1 / 3)
    assert all(b.low <= b.ends <= b.high for b in bins)


def test_without_silences_there_are_no_groups(tmp_path: Path) -> None:
    assert (reliability([outcome()]), mean_gap([])) == ([], 0.0)
    draw_reliability({"first turn": []}, tmp_path / "empty.svg", "Nothing")


@pytest.mark.parametrize(("silent_from", "is_end"), [(1.0, False), (2.9, True), (3.1, True), (5.0, False), (7.0, True)])
def test_a_silence_is_an_end_if_it_follows_the_last_word_of_a_turn(silent_from: float, is_end: bool) -> None:
    turns = (Turn(0.5, 3.0, "", (Pause(1.0, 1.5, "labeled"),)), Turn(4.0, 7.0, "", ()))
    (found,) = score(item(*turns), [], 0, [Judged(silent_from, 0.7)]).probabilities
    assert found == ProbabilityOutcome(0.7, is_end)


def test_the_silence_after_an_incomplete_turn_is_no_end() -> None:
    (found,) = score(item(Turn(0.5, 3.0, "", (), complete=False)), [], 0, [Judged(3.0, 0.7)]).probabilities
    assert not found.is_end


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    bins = reliability([outcome((0.2, False), (0.4, True), (0.9, True))], 3)
    draw_reliability({"first turn": bins}, tmp_path / "reliability.svg", "Test")
    assert "points from the diagonal" in (tmp_path / "reliability.svg").read_text()
    with pytest.raises(ConfigError):
        draw_reliability({}, tmp_path / "reliability.doc", "Test")
