from __future__ import annotations

from pathlib import Path

import pytest

from duologue.stt.hallucination import Decoded, believable
from duologue.stt.tokens import TokenTable

END = 2
SURE, DOUBTFUL = -0.1, -1.5


class Words:
    """A table of whole words, made as they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pieces = [b"", b"", b""]

    def hear(self, text: str, *, ended: bool = True, limit: int = 1_000, confidence: float = SURE) -> str:
        decoded = Decoded(limit=limit)
        for word in text.split():
            piece = ("▁" + word).encode()
            if piece not in self.pieces:
                self.pieces.append(piece)
            if not decoded.add(self.pieces.index(piece), confidence):
                break
        else:
            if ended:
                decoded.add(END, confidence)
        path = self.folder / "tokenizer.bin"
        path.write_bytes(b"".join(bytes([len(piece)]) + piece for piece in self.pieces))
        return believable(decoded, TokenTable(path))


@pytest.fixture
def words(tmp_path: Path) -> Words:
    return Words(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["Hello there.", "You.", "you", "You are.", "Mm-hmm,", "Thank you.", "No. no. no. no.", "7", "Café au lait."],
)
def test_what_people_say_is_kept(words: Words, text: str) -> None:
    assert words.hear(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "You",
        "Mm-Hmm",
        "Mm-H",
        "Thank you for watching!",
        "Thank you for watching.",
        "♪♪♪♪",
        ".",
        "2-3 ตวบนลาง",
        "你好",
    ],
)
def test_what_it_writes_for_noise_is_no_words(words: Words, text: str) -> None:
    assert words.hear(text) == ""


def test_words_among_notes_are_kept(words: Words) -> None:
    assert words.hear("♪ Happy birthday ♪") == "Happy birthday"


def test_words_that_the_decoder_doubts_are_dropped(words: Words) -> None:
    assert words.hear("So the other", confidence=DOUBTFUL) == ""


def test_a_phrase_that_it_was_stopped_in_repeating_is_kept_once(words: Words) -> None:
    looping = "Well then " + "the first is " * 4
    assert words.hear(looping, limit=14) == "Well then the first is"
    assert words.hear("no " * 5, limit=5) == "no"


def test_a_repetition_that_ends_by_itself_is_kept(words: Words) -> None:
    assert words.hear("no " * 7) == " ".join(["no"] * 7)


def test_two_rounds_are_no_loop(words: Words) -> None:
    assert words.hear("five five", limit=2) == "five five"


def test_decoding_stops_in_a_loop_long_before_its_limit() -> None:
    decoded = Decoded(limit=10_000)
    phrase = [10, 11, 12, 13]
    count = 0
    while decoded.add(phrase[count % 4], SURE):
        count += 1
    assert count < 40
    assert not decoded.ended


def test_different_words_run_to_the_limit() -> None:
    decoded = Decoded(limit=200)
    assert sum(decoded.add(10 + token, SURE) for token in range(200)) == 199
