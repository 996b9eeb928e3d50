"""The tables of readings: `readings/*.txt` has a line for each, what is written => what is spoken."""

from __future__ import annotations

from pathlib import Path

import pytest

from duologue.tts.clauses import ClauseSplitter
from duologue.tts.speakable import speakable

ACROSS_CLAUSES = {"In the UK call 999, in the EU 112."}
"""What is read in another way if the words that decide are in another clause."""
SIZES = (1, 7, 1_000)
"""Characters of the pieces in which a text comes."""


def table() -> list[tuple[str, str]]:
    rows = []
    for path in sorted((Path(__file__).parent / "readings").glob("*.txt")):
        for line in path.read_text("utf-8").splitlines():
            if line and not line.startswith("# "):
                written, arrow, spoken = line.partition(" => ")
                assert arrow, f"{path.name}: {line}"
                rows.append((written, spoken))
    return rows


TABLE = table()


def test_the_table_is_whole() -> None:
    assert len(TABLE) > 400
    assert len(dict(TABLE)) == len(TABLE)


@pytest.mark.parametrize(("written", "spoken"), TABLE)
def test_text_is_read_as_people_say_it(written: str, spoken: str) -> None:
    assert speakable(written) == spoken
    assert speakable(spoken) == spoken, "a reading is read as it is"
    if written not in ACROSS_CLAUSES:
        assert {size: read_in_pieces(written, size) for size in SIZES} == dict.fromkeys(SIZES, spoken)


def read_in_pieces(written: str, size: int) -> str:
    splitter = ClauseSplitter()
    clauses = [clause for at in range(0, len(written), size) for clause in splitter.push(written[at : at + size])]
    return " ".join(map(speakable, clauses + splitter.flush()))
