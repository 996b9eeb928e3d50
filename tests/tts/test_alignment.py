from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.tts import WordTiming
from duologue.tts.alignment import align
from duologue.tts.speakable import speakable


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
    words, exact = align("on 5 Dept. now", said("on the odd parts of it now"))
    assert words[1:3] == (WordTiming("5", 1.0, 1.75), WordTiming("Dept.", 1.75, 5.5))
    assert words[3].start == 6.0
    assert not exact


READ = [
    ("Ring 020 7946 0958.", "020", 3, "0958.", 4),
    ("Room 204, two people.", "204,", 3, "two", 1),
    ("It is 204 two times", "204", 3, "two", 1),
    ("Your postcode is SW1A 1AA.", "SW1A", 4, "1AA.", 3),
    ("It is on 5 Dec. now", "5", 3, "Dec.", 1),
    ("The FBI and 2 PDFs", "FBI", 3, "PDFs", 3),
    ("It starts at 7 a.m. EST", "7", 1, "EST", 3),
    ("The code is A4F-92K, two times", "A4F-92K,", 6, "two", 1),
    ("It is US$20, then $-45.10", "US$20,", 3, "$-45.10", 6),
    ("A cup, 2 1/2 cups", "2", 1, "1/2", 3),
    ("King Henry VIII had 6 wives", "VIII", 2, "6", 1),
    ("**Bold** text at 8:30pm 😀", "8:30pm", 3, "😀", 0),
]


@pytest.mark.parametrize(("text", "first", "first_words", "second", "second_words"), READ)
def test_each_word_has_the_time_of_its_reading(
    text: str, first: str, first_words: int, second: str, second_words: int
) -> None:
    words, exact = align(text, [WordTiming(word, at, at + 1) for at, word in enumerate(speakable(text).split())])
    lengths = {word.text: word.end - word.start for word in words}
    assert (lengths[first], lengths[second]) == (first_words, second_words)
    assert exact


@pytest.mark.parametrize("text", ["12 and " * 700, "a " * 2_500, "1 " * 2_500, "it is 7 or " * 450])
def test_a_long_text_has_a_time_for_each_word(text: str) -> None:
    words, _ = align(text, said(speakable(text)))
    assert [word.text for word in words] == text.split()


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
