import pytest

from duologue.agent.text import TextRepair, repaired


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Hello\tthere.\n", "Hello\tthere.\n"),
        ("a \ud83d\ude00 b", "a 😀 b"),
        ("a \ud83d b", "a � b"),
        ("\ude00 b", "� b"),
        ("a \ud83d", "a �"),
        ("\ud83d\ud83d\ude00", "�😀"),
        ("nul \x00 bell \x07 del \x7f", "nul  bell  del "),
        ("\ud83d\x00\ude00", "😀"),
    ],
)
def test_a_text_is_repaired_wherever_it_is_cut(text: str, right: str) -> None:
    assert repaired(text) == right
    for n in range(len(text) + 1):
        for m in range(n, len(text) + 1):
            repair = TextRepair()
            pieces = [repair.push(piece) for piece in (text[:n], text[n:m], text[m:])]
            assert "".join(pieces) + repair.end() == right
            "".join(pieces).encode()
