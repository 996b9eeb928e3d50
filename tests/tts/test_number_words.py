from __future__ import annotations

import pytest

from duologue.tts.number_words import cardinal, decimal, digits, ordinal, plural_ordinal, year


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (7, "seven"),
        (13, "thirteen"),
        (20, "twenty"),
        (42, "forty-two"),
        (100, "one hundred"),
        (101, "one hundred one"),
        (999, "nine hundred ninety-nine"),
        (1000, "one thousand"),
        (1234, "one thousand two hundred thirty-four"),
        (1_000_000, "one million"),
        (2_000_017, "two million seventeen"),
        (10**14, "one hundred trillion"),
        (-5, "minus five"),
        (10**15, "one" + " zero" * 15),
    ],
)
def test_counts(number: int, words: str) -> None:
    assert cardinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "first"),
        (2, "second"),
        (3, "third"),
        (5, "fifth"),
        (8, "eighth"),
        (12, "twelfth"),
        (20, "twentieth"),
        (21, "twenty-first"),
        (100, "one hundredth"),
        (111, "one hundred eleventh"),
        (1000, "one thousandth"),
    ],
)
def test_ranks(number: int, words: str) -> None:
    assert ordinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1066, "ten sixty-six"),
        (1900, "nineteen hundred"),
        (1905, "nineteen oh five"),
        (1999, "nineteen ninety-nine"),
        (2000, "two thousand"),
        (2005, "two thousand five"),
        (2010, "twenty ten"),
        (2026, "twenty twenty-six"),
    ],
)
def test_years(number: int, words: str) -> None:
    assert year(number) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3.5", "three point five"),
        ("3.50", "three point five zero"),
        ("0.05", "zero point zero five"),
        (".5", "zero point five"),
        ("12", "twelve"),
        ("1" * 20 + ".5", "one " * 20 + "point five"),
    ],
)
def test_decimals_keep_every_digit(text: str, words: str) -> None:
    assert decimal(text) == words


def test_digits_leave_out_all_else() -> None:
    assert digits("+1 (40)") == "one four zero"
    assert digits("") == ""


@pytest.mark.parametrize(("number", "words"), [(2, "halves"), (3, "thirds"), (4, "quarters"), (5, "fifths")])
def test_parts(number: int, words: str) -> None:
    assert plural_ordinal(number) == words
