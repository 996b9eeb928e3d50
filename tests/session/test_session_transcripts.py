"""Words of finals and partials become the words of spans: each once, whatever the provider's cuts are."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.session.transcripts import MAX_TEXTS, MAX_WORDS, SLACK, Span, TranscriptBuffer, spread
from duologue.stt import Final, Partial, Word


def words(*spoken: tuple[str, int, int]) -> tuple[Word, ...]:
    return tuple(Word(*each) for each in spoken)


def span(start: int, end: int) -> Span:
    return Span.after(None, start, end)


def test_words_belong_to_the_span_in_which_their_middle_is() -> None:
    buffer = TranscriptBuffer()
    buffer.add(
        Final("one two three", 0, 60_000, words(("one", 0, 9000), ("two", 20_000, 29_000), ("three", 40_000, 50_000)))
    )
    assert buffer.text(span(0, 30_000)) == "one two"
    assert buffer.text(span(18_000, 60_000)) == "two three"
    assert buffer.text(span(100_000, 200_000)) == ""


def test_a_word_in_the_silence_between_two_parts_belongs_to_one_of_them() -> None:
    first = Span.after(None, 0, 16_000)
    second = Span.after(first, 17_000, 40_000)
    for middle in range(15_000, 20_000, 250):
        buffer = TranscriptBuffer()
        buffer.add(Final("word", 0, 40_000, words(("word", middle - 100, middle + 100))))
        assert [buffer.text(first), buffer.text(second)].count("word") == 1, middle


def test_a_word_that_comes_when_its_part_was_answered_belongs_to_the_next() -> None:
    first = Span.after(None, 0, 16_000)
    second = Span.after(first, 16_000, 40_000)
    buffer = TranscriptBuffer()
    buffer.add(Final("one", 0, 16_000, words(("one", 8_000, 12_000))))
    assert buffer.text(first) == "one"
    buffer.claim(first, so_far=False)
    buffer.add(Final("so on", 16_000, 40_000, words(("so", 16_100, 17_100), ("on", 30_000, 32_000))))
    assert buffer.text(second) == "so on"


def test_a_longer_version_of_a_part_has_all_its_words() -> None:
    first = Span.after(None, 0, 16_000)
    part = Span.after(first, 20_000, 30_000)
    longer = Span.after(part, 20_000, 60_000)
    assert (longer.lower, longer.upper) == (part.lower, 60_000 + SLACK)
    assert Span.after(longer, 10_000, 20_000).lower == 10_000 - SLACK, "a span that goes back has its own"


def test_words_without_times_go_to_the_parts_that_ask_for_them() -> None:
    """Finals begin long before the speech; the words of one that lies in two parts are divided."""
    first = Span.after(None, 50_000, 70_000)
    second = Span.after(first, 75_000, 95_000)
    buffer = TranscriptBuffer()
    buffer.add(Final("one two", 0, 70_000))
    assert buffer.text(first) == "one two"
    buffer.claim(first, so_far=False)
    buffer.add(Final("three", 70_000, 95_000))
    assert (buffer.text(first), buffer.text(second)) == ("one two", "three")

    buffer = TranscriptBuffer()
    buffer.show(Partial("one two", 0, 70_000))
    assert buffer.text(first, so_far=True) == "one two"
    buffer.claim(first, so_far=True)
    buffer.show(Partial("one two three", 0, 95_000))
    assert buffer.text(second, so_far=True) == "three"
    buffer.add(Final("one two three", 0, 95_000))
    assert buffer.text(second) == "three"


def test_finals_come_in_any_order_and_repeat_themselves() -> None:
    buffer = TranscriptBuffer()
    one, two = Final("one", 0, 10_000), Final("two", 10_000, 20_000)
    for final in (two, one, two, one):
        buffer.add(final)
    assert buffer.text(span(0, 20_000)) == "one two"
    assert buffer.covered == 20_000


def test_an_overlapping_final_adds_its_new_words() -> None:
    buffer = TranscriptBuffer()
    buffer.add(Final("one two", 0, 20_000, words(("one", 0, 9_000), ("two", 10_500, 19_000))))
    buffer.add(Final("two three", 10_000, 30_000, words(("two", 10_500, 19_500), ("three", 21_000, 29_000))))
    assert buffer.text(span(0, 30_000)) == "one two three"


def test_a_partial_counts_until_a_final_covers_it() -> None:
    buffer = TranscriptBuffer()
    buffer.add(Final("one", 0, 10_000))
    buffer.show(Partial("two three", 10_000, 30_000))
    assert buffer.text(span(0, 30_000)) == "one"
    assert buffer.text(span(0, 30_000), so_far=True) == "one two three"
    assert buffer.reaches(30_000, so_far=True)
    assert not buffer.reaches(30_000)
    buffer.add(Final("two", 10_000, 30_000))
    assert buffer.text(span(0, 30_000), so_far=True) == "one two"
    buffer.show(Partial("late", 0, 20_000))
    assert buffer.partial is None


def test_overlapping_finals_without_times_are_divided_by_proportion() -> None:
    buffer = TranscriptBuffer()
    buffer.add(Final("one two", 0, 20_000))
    buffer.add(Final("two three", 10_000, 30_000))
    buffer.add(Final("zero", 12_000, 18_000))
    assert buffer.text(span(0, 30_000)) == "one two three"


def test_what_no_span_reaches_is_forgotten() -> None:
    buffer = TranscriptBuffer()
    for i in range(100):
        buffer.add(Final(f"w{i}", i * 16_000, (i + 1) * 16_000))
    buffer.forget(90 * 16_000)
    assert buffer.text(span(0, 100 * 16_000)).split() == [f"w{i}" for i in range(89, 100)]
    for i in range(100, 100 + 2 * MAX_WORDS, 100):
        buffer.add(Final("x " * 100, i * 16_000, (i + 100) * 16_000))
    assert len(buffer.text(span(0, 10**9)).split()) <= 100 * MAX_TEXTS
    timed = TranscriptBuffer()
    for i in range(2 * MAX_WORDS):
        timed.add(Final("x", 10 * i, 10 * i + 10, words(("x", 10 * i, 10 * i + 10))))
    assert len(timed.text(span(0, 10**9)).split()) == MAX_WORDS


@given(st.lists(st.text(st.characters(categories=["L"]), min_size=1, max_size=12), max_size=20), st.integers(0, 10**6))
@pytest.mark.no_cover
def test_words_without_times_share_their_span(said: list[str], length: int) -> None:
    shares = list(spread(said, 1000, 1000 + length))
    assert [w.text for w in shares] == said
    assert all(a.end == b.start for a, b in pairwise(shares))
    if shares:
        assert (shares[0].start, shares[-1].end) == (1000, 1000 + length)


@given(st.data())
@pytest.mark.no_cover
def test_parts_divide_words_without_loss_or_repetition(data: st.DataObject) -> None:
    """Finals cut anywhere, given in any order; spans follow each other with gaps in which nobody speaks."""
    spoken, parts, at = [], [], 4000
    for part in range(data.draw(st.integers(1, 4))):
        start = at
        for word in range(data.draw(st.integers(1, 5))):
            length = data.draw(st.integers(1000, 8000))
            spoken.append(Word(f"{part}-{word}", at, at + length))
            at += length + data.draw(st.integers(0, 1500))
        parts.append((start - data.draw(st.integers(0, 1500)), at + 1500))
        at += 1500 + data.draw(st.integers(4800, 20_000))
    finals, first = [], 0
    while first < len(spoken):
        last = data.draw(st.integers(first + 1, len(spoken)))
        chosen = tuple(spoken[first:last])
        finals.append(Final(" ".join(w.text for w in chosen), chosen[0].start, chosen[-1].end, chosen))
        first = last
    buffer = TranscriptBuffer()
    for final in data.draw(st.permutations(finals)):
        buffer.add(final)
    previous, found = None, []
    for start, end in parts:
        previous = Span.after(previous, start, end)
        found += buffer.text(previous).split()
        if data.draw(st.booleans()):
            buffer.claim(previous, so_far=False)
    assert found == [w.text for w in spoken]


def test_finals_without_times_are_bounded() -> None:
    buffer = TranscriptBuffer()
    for number in range(MAX_TEXTS + 1):
        buffer.add(Final(f"w{number}", number * 16_000, (number + 1) * 16_000))
    assert buffer.text(span(0, 16_000)) == "", "the oldest is gone"
    assert buffer.text(span(MAX_TEXTS * 16_000 + 4_000, (MAX_TEXTS + 1) * 16_000)) == f"w{MAX_TEXTS}"
