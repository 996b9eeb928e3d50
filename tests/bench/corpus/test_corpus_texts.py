import re
from collections import Counter
from itertools import pairwise

import pytest

from duologue_bench.corpus import HALVES, Half
from duologue_bench.corpus.texts import KINDS, Marked, parse_marked, parse_recorded, read_lines

REAL = "_recordings"


def said(half: Half) -> list[str]:
    turns = [turn.text for _, line in read_lines(half) for turn in parse_marked(line)]
    turns += [turn.text for _, line in read_lines(half + REAL) for turn in parse_recorded(line)]
    return turns + [line for heading, line in read_lines(f"{half}_barge_in") if heading != "backchannel"]


def sentences(texts: list[str]) -> set[str]:
    found = (re.sub(r"[^a-z ]", "", part.lower()).strip() for text in texts for part in re.split(r"(?<=[.?!])\s", text))
    return {sentence for sentence in found if sentence}


def recordings(half: Half) -> set[str]:
    lines = (line for _, line in read_lines(half + REAL))
    return {part.name for line in lines for turn in parse_recorded(line) for part in turn.parts}


def test_no_sentence_and_no_recording_is_in_both_halves() -> None:
    assert not sentences(said("dev")) & sentences(said("test"))
    assert not recordings("dev") & recordings("test")


def test_both_halves_have_the_same_kinds_of_dialogue_and_pause() -> None:
    topics = [Counter(topic for topic, _ in read_lines(half)) for half in HALVES]
    assert topics[0] == topics[1]
    kinds = [
        Counter(kind for _, line in read_lines(half) for turn in parse_marked(line) for kind in turn.pauses.values())
        for half in HALVES
    ]
    assert all(abs(kinds[0][kind] - kinds[1][kind]) <= 10 for kind in KINDS.values())
    assert min(sum(count.values()) for count in kinds) >= 200


def test_the_test_half_has_two_hundred_turns_of_callers() -> None:
    assert sum(len(parse_marked(line)) for _, line in read_lines("test")) >= 200


def test_a_pause_belongs_to_the_word_before_it() -> None:
    first, second = parse_marked("I'd like {h} a table, {c} please. / Yes.")
    assert first == Marked(("I'd", "like", "a", "table,", "please."), {1: "hesitation", 3: "clause"})
    assert first.text == "I'd like a table, please."
    assert first.spoken == "I'd like... a table, please."
    assert second == Marked(("Yes.",), {})


@pytest.mark.parametrize("line", ["{h} hello", "hello {x} you", "hello {} you"])
def test_a_mark_that_cannot_be_read_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match="is not a pause after a word"):
        parse_marked(line)


def test_recordings_are_named_joined_and_cut() -> None:
    (turn,) = parse_recorded("> digits/5 ~ digits/0 {d} vm-and + two_cities[0.9:42.3]: Five zero, and so on: yes.")
    assert turn.text == "Five zero, and so on: yes."
    assert turn.stretched
    assert [(part.name, part.join) for part in turn.parts] == [
        ("digits/5", ""), ("digits/0", "~"), ("vm-and", "d"), ("two_cities", "+")
    ]  # fmt: skip
    assert (turn.parts[3].start_s, turn.parts[3].end_s) == (0.9, 42.3)
    (cut,) = parse_recorded("prompt[7.25:]: And the rest.")
    assert (cut.parts[0].start_s, cut.parts[0].end_s, cut.stretched) == (7.25, None, False)


def test_a_recording_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match="neither a recording nor a way to join two"):
        parse_recorded("prompt[-1:]: No.")


def test_no_turn_is_marked_to_end_in_a_pause() -> None:
    for half in HALVES:
        for _, line in read_lines(half):
            for turn in parse_marked(line):
                assert max(turn.pauses, default=-1) < len(turn.words) - 1, turn.text
                assert all(a < b for a, b in pairwise(sorted(turn.pauses)))
