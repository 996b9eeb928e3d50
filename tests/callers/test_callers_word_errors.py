from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.callers.word_errors import scoring_words, word_error_rate, word_errors

SAME = [
    ("Hello, World!", "hello world"),
    ("It's ten o'clock.", "it is ten oclock"),
    ("I don't know", "I do not know"),
    ("We can't; we won't.", "we cannot we will not"),
    ("I’ll", "I will"),
    ("ill-disposed", "ill disposed"),
    ("Mr. Dashwood", "mister dashwood"),
    ("Dr. Smith", "doctor smith"),
    ("OK", "okay"),
    ("I'm gonna go", "I am going to go"),
    ("33 people", "thirty-three people"),
    ("1,250", "one thousand two hundred and fifty"),
    ("3.50", "three point five zero"),
    ("the 21st", "the twenty first"),
    ("At 7:30", "at seven thirty"),
    ("7:05", "seven oh five"),
    ("9:00", "nine"),
    ("$5", "five dollars"),
    ("$1", "one dollar"),
    ("$12.50", "twelve dollars fifty cents"),
    ("50%", "fifty percent"),
    ("in 1905", "in nineteen oh five"),
    ("in 2026", "in twenty twenty-six"),
    ("007", "zero zero seven"),
    ("café", "cafe"),
    ("salt & pepper", "salt and pepper"),
    ("the Smith's dog", "the smiths dog"),
    ("'quoted'", "quoted"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_the_same_words_in_another_spelling_are_no_error(left: str, right: str) -> None:
    assert word_errors(left, right) == (0, len(scoring_words(right)))


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors", "words"),
    [
        ("one two three", "one two three", 0, 3),
        ("one two three", "one three", 1, 3),
        ("one two three", "one two and three", 1, 3),
        ("one two three", "one too three", 1, 3),
        ("one two three", "", 3, 3),
        ("", "one two", 2, 0),
        ("", "", 0, 0),
        ("a b c d", "d c b a", 4, 4),
        ("!!!", "?", 0, 0),
    ],
)
def test_errors_are_substitutions_insertions_and_deletions(
    reference: str, hypothesis: str, errors: int, words: int
) -> None:
    assert word_errors(reference, hypothesis) == (errors, words)


def test_the_rate_is_over_all_words_and_not_over_the_rates() -> None:
    assert word_error_rate([("one two three four", "one two three four"), ("five", "six")]) == pytest.approx(0.2)
    assert word_error_rate([]) == 0.0
    assert word_error_rate([("", "noise")]) == 1.0


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_can_be_scored(left: str, right: str) -> None:
    errors, words = word_errors(left, right)
    assert 0 <= errors <= max(words, len(scoring_words(right)))
    assert word_errors(left, left)[0] == 0


WORDS = st.lists(st.sampled_from(["red", "green", "blue"]), max_size=8)


@given(WORDS, WORDS)
def test_errors_are_the_fewest_changes_there_are(wanted: list[str], got: list[str]) -> None:
    @cache
    def fewest(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        changed = fewest(i - 1, j - 1) + (wanted[i - 1] != got[j - 1])
        return min(changed, fewest(i - 1, j) + 1, fewest(i, j - 1) + 1)

    assert word_errors(" ".join(wanted), " ".join(got)) == (fewest(len(wanted), len(got)), len(wanted))


def test_a_text_with_many_errors_is_compared_as_a_short_one_is() -> None:
    said = "one two three four five " * 60
    assert word_errors(said, said.replace("three", "tree")) == (60, 300)
    assert word_errors(said, said.replace("three", "tree").replace("five", "")) == (120, 300)
    assert word_errors(said, "") == (300, 300)
