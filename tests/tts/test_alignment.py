from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.tts import WordTiming
from duologue.tts.alignment import align


def said(text: str) -> list[WordTiming]:
    """A second a word."""
    return [WordTiming(word, float(at), at + 0.5) for at, word in enumerate(text.split())]


def test_the_same_words_keep_their_times() -> None:
    words, exact = align("Hello, dear Anna!", said("Hello, dear Anna!"))
    assert [(word.text, word.start, word.end) for word in words] == [
        ("Hello,", 0.0, 0.5),
        ("dear", 1.0, 1.5),
        ("Anna!", 2.0, 2.5),
    ]
    assert exact


def test_a_word_that_became_several_spans_them() -> None:
    words, exact = align("It costs $5.50 now", said("It costs five dollars and fifty cents now"))
    assert words[2] == WordTiming("$5.50", 2.0, 6.5)
    assert words[3] == WordTiming("now", 7.0, 7.5)
    assert exact


def test_several_words_that_became_others_share_their_time_by_length() -> None:
    words, exact = align("on 5 Dec. now", said("on the fifth of December now"))
    assert words[1:3] == (WordTiming("5", 1.0, 1.7), WordTiming("Dec.", 1.7, 4.5))
    assert words[3].start == 5.0
    assert not exact


def test_a_word_that_nobody_says_takes_no_time() -> None:
    words, exact = align("😀 Fine 😀", said("Fine"))
    assert [(word.start, word.end) for word in words] == [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5)]
    assert exact


def test_what_is_said_beside_the_text_belongs_to_the_word_before() -> None:
    words, _ = align("salt pepper", said("salt and pepper"))
    assert words[0].end == 1.5


@pytest.mark.parametrize(("text", "spoken"), [("", ""), ("", "hello"), ("😀", "")])
def test_nothing_is_aligned_with_nothing(text: str, spoken: str) -> None:
    words, exact = align(text, said(spoken))
    assert [word.text for word in words] == text.split()
    assert exact


TEXTS = st.lists(st.sampled_from(["a", "b", "c", "dd", "ee", "1", "22", "😀"]), max_size=12).map(" ".join)


@given(TEXTS, TEXTS)
def test_every_word_has_a_time_and_time_never_goes_back(text: str, spoken: str) -> None:
    words, _ = align(text, said(spoken))
    assert [word.text for word in words] == text.split()
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
