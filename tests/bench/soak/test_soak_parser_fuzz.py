"""The targets of guided fuzzing take whatever comes, and let through what is a fault."""

from __future__ import annotations

import pytest

from duologue_bench.soak import parser_fuzz

SEEDS = [
    b"",
    b'\x00{"type":"ping","id":1}',
    b"\x00\xed\xa0\x80",
    b"\x01" + bytes(19) + b"ab",
    b"\x02RIFF\x00\x00\x00\x00WAVEfmt ",
    b"\x03[server]\nport = -1",
    b"\x03\xff\xfe",
    b'\x04{"start": 1}',
    b"\x04" + b"[" * 100_000,
]


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_what_cannot_be_parsed_is_no_fault(seed: int) -> None:
    parser_fuzz.parse(SEEDS[seed])


def test_a_fault_of_a_parser_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: bytes) -> None:
        raise KeyError("size")

    monkeypatch.setattr(parser_fuzz, "read_wav", broken)
    with pytest.raises(KeyError):
        parser_fuzz.parse(b"\x02RIFF")
