"""Spelling, numbers and addresses at the end of a transcript: turns that people dictate in pieces."""

from __future__ import annotations

import re

from duologue.turn.languages.en import vocabulary as v
from duologue.turn.languages.en.tail import Tail

__all__ = [
    "count_digits",
    "count_letters",
    "has_address_end",
    "has_open_address",
    "has_open_number",
    "is_full_number",
    "is_number",
    "is_spelling",
]

_DIGITS = re.compile(r"\+?[o\d]*\d[o\d]*")
_ADDRESS = re.compile(r"\S+@\S+\.\w{2,}|\S+\.(?:com|org|net|edu|gov|io|co|uk|de)")


def is_spelling(tail: Tail) -> bool:
    """Whether the words end in letters read out one by one, with digits among them or not, or in "b as in bravo"."""
    words = tail.words
    if len(words) > 3 and words[-3] in ("as", "is") and words[-2] == "in" and _is_letter(words[-4]):
        return True
    if len(words) > 2 and words[-2] in ("for", "like") and _is_letter(words[-3]) and words[-1][0] == words[-3]:
        return True
    if tail.last in v.ALPHABET and tail.before in v.ALPHABET:
        return True
    letters: list[str] = []
    for word in reversed(words):
        if _is_letter(word):
            letters.append(word)
        elif not (len(word) == 1 and word.isdigit()) and word not in v.REPEATERS:
            break
    if len(letters) == 1 and len(words) > 1:
        return letters[0] not in ("a", "i", "o", "u") and words[-1] == letters[0]
    return len(letters) > 1 and (len(letters) > 2 or not set(letters) <= {"a", "i"})


def is_number(tail: Tail) -> bool:
    """Whether the words end in digits that are read out: a telephone number, a code, a card, in part or in full."""
    run = _number_run(tail)
    digits = "".join(run)
    earlier = tail.words[: len(tail.words) - len(run)]
    if not run or ("?" in digits and len(run) < 4):
        return False  # one or two spoken numbers are a quantity, a time or a year: "twenty five", "seven thirty"
    if earlier and earlier[-1] in v.TIME_CONTEXT and len(run) < 4 and len(digits) < 5:
        return False
    read_out = len(run) > 1 and all(len(group) == 1 for group in run)
    padded = run[0].startswith("0") and len(digits) > 1
    expected = len(digits) > 1 and not v.NUMBER_CONTEXT.isdisjoint(earlier[-6:])
    return read_out or padded or expected or len(run) > 3 or len(digits) > 4


def is_full_number(tail: Tail) -> bool:
    """Whether the digits are as many as a telephone number (10, or 11 after 0 or 1) or a payment card (16) has."""
    digits = "".join(_number_run(tail))
    return len(digits) == 16 or len(digits) == (11 if digits[:1] in ("0", "1") else 10)


def count_digits(tail: Tail) -> tuple[int, str]:
    """How many digits all words together have, and the first one; 0 and "" for none. Other words are passed over."""
    digits, repeated, is_tens = "", 1, False
    for word in tail.words:
        if word in v.REPEATERS:
            repeated = 2 if word == "double" else 3
            continue
        if word in v.DIGIT_WORDS:
            digit = str(v.DIGIT_WORDS[word])
            digits = digits[:-1] + digit if is_tens else digits + digit * repeated
        elif word in v.TWO_DIGIT_WORDS:
            digits += "1?" if word.endswith(("teen", "ten")) or word in ("eleven", "twelve") else "?0"
        elif _DIGITS.fullmatch(word):
            digits += word.lstrip("+").replace("o", "0") * repeated
        repeated, is_tens = 1, word in v.TWO_DIGIT_WORDS and digits.endswith("?0")
    return len(digits), digits[:1]


def count_letters(tail: Tail) -> int:
    """How many letters are spelled at the end, one by one or by the radio alphabet."""
    count = 0
    for word in reversed(tail.words):
        if _is_letter(word) or word in v.ALPHABET:
            count += 1
        elif word not in v.REPEATERS and word not in ("as", "in", "for", "and") and not word.isdigit():
            break
    return count


def has_open_number(tail: Tail) -> bool:
    """Whether a digit or a letter must follow: after "double", or after a dash."""
    return tail.last in v.REPEATERS or (tail.mark == "-" and _DIGITS.fullmatch(tail.last) is not None)


def has_open_address(tail: Tail) -> bool:
    """Whether an e-mail or web address breaks off: "anna dot", "at gmail"."""
    return tail.last in v.ADDRESS_OPEN and not has_address_end(tail)


def has_address_end(tail: Tail) -> bool:
    """Whether an e-mail or web address is complete: "at gmail dot com", "anna@example.org"."""
    return tail.length_at_end(v.ADDRESS_END) > 0 or _ADDRESS.fullmatch(tail.last) is not None


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word.isalpha()


def _number_run(tail: Tail) -> list[str]:
    """The digits of each number word at the end, in order; `??` for two that are said as one word ("twenty")."""
    run: list[str] = []
    words = tail.words
    for position in range(len(words) - 1, -1, -1):
        word = words[position]
        if word in v.DIGIT_WORDS:
            digits = str(v.DIGIT_WORDS[word])
        elif word in v.TWO_DIGIT_WORDS:
            digits = "??"
        elif word in v.REPEATERS and run:
            run[:0] = run[:1] * (1 if word == "double" else 2)
            continue
        elif _DIGITS.fullmatch(word):
            digits = word.lstrip("+").replace("o", "0")
        else:
            break
        run.insert(0, digits)
    return run
