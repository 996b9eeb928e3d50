"""The table that turns Moonshine's token numbers into text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["TokenTable"]


class TokenTable:
    """Token numbers to text, read from a `tokenizer.bin`.

    The file is a row of byte strings, each after its length: one byte below 128, or two (low seven bits with the top
    bit set, then the high bits). "▁" stands for a space; a token in angle brackets is a byte ("<0x41>") or a mark.
    """

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        self._pieces: list[bytes] = []
        at = 0
        while at < len(data):
            length = data[at]
            at += 1
            if length >= 128:
                length += 128 * (data[at] - 1)
                at += 1
            self._pieces.append(self._plain(data[at : at + length]))
            at += length

    def __len__(self) -> int:
        return len(self._pieces)

    def text(self, tokens: Iterable[int]) -> str:
        """The text of the tokens; bytes that are not UTF-8 are left out."""
        joined = b"".join(self._pieces[token] for token in tokens)
        return joined.decode("utf-8", "ignore").replace("▁", " ").strip()

    @staticmethod
    def _plain(piece: bytes) -> bytes:
        if len(piece) > 2 and piece.startswith(b"<") and piece.endswith(b">"):
            return bytes([int(piece[3:5], 16)]) if piece.startswith(b"<0x") else b""
        return piece
