from __future__ import annotations

from pathlib import Path

import pytest

from duologue.stt.tokens import TokenTable


def table(folder: Path, *pieces: bytes) -> TokenTable:
    path = folder / "tokenizer.bin"
    path.write_bytes(b"".join(length(len(piece)) + piece for piece in pieces))
    return TokenTable(path)


def length(count: int) -> bytes:
    return bytes([count]) if count < 128 else bytes([count % 128 + 128, count // 128])


@pytest.mark.parametrize("size", [1, 127, 128, 129, 300, 1000])
def test_pieces_of_every_length_are_read(tmp_path: Path, size: int) -> None:
    read = table(tmp_path, b"a" * size, b"end")
    assert len(read) == 2
    assert read.text([0, 1]) == "a" * size + "end"


def test_a_low_line_block_is_a_space_and_marks_are_left_out(tmp_path: Path) -> None:
    read = table(tmp_path, b"<s>", "▁Hello".encode(), "▁you".encode(), b".", b"</s>")
    assert read.text([0, 1, 2, 3, 4]) == "Hello you."


def test_byte_tokens_are_joined_to_a_character(tmp_path: Path) -> None:
    read = table(tmp_path, b"<0xC3>", b"<0xA9>")
    assert read.text([0, 1]) == "é"
    assert read.text([0]) == ""


def test_an_empty_piece_is_nothing(tmp_path: Path) -> None:
    assert table(tmp_path, b"", b"a").text([0, 1, 0]) == "a"
