"""The texts of the corpus: what is said, and where the speaker pauses.

A line is one item; ` / ` parts its turns. `{h}` is a pause after the word before it, of the kind that the letter names;
its length is drawn when the corpus is built. In the files of recordings a turn is `what is played: what is said`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from duologue_bench.corpus.dataset import PauseKind

__all__ = ["KINDS", "Marked", "Part", "Recorded", "parse_marked", "parse_recorded", "read_lines"]

_FOLDER = Path(__file__).parent / "texts"

KINDS: dict[str, PauseKind] = {
    "h": "hesitation",
    "f": "filler",
    "c": "clause",
    "l": "list",
    "s": "spelling",
    "d": "digits",
}
"""The letter of each kind of pause."""

_PART = re.compile(r"(?P<name>[\w/-]+)(?:\[(?P<from>[\d.]+):(?P<to>[\d.]*)\])?")


@dataclass(frozen=True, slots=True)
class Marked:
    """A turn for the synthesiser."""

    words: tuple[str, ...]
    pauses: dict[int, PauseKind]
    """The kind of the pause after each word that has one, by the word's index."""

    @property
    def text(self) -> str:
        """What is said."""
        return " ".join(self.words)

    @property
    def spoken(self) -> str:
        """What the synthesiser is given: where no mark asks for the pause, an ellipsis does."""
        return " ".join(
            word + "..." if i in self.pauses and word[-1].isalnum() else word for i, word in enumerate(self.words)
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A recording, or some of it, and how it is joined to the part before."""

    name: str
    start_s: float
    end_s: float | None
    """None for the recording's own end. Both lie in a silence of the recording."""
    join: str
    """Empty for the first; `+` as it was recorded, `~` close together, or the letter of a pause."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A turn made of recordings."""

    parts: tuple[Part, ...]
    text: str
    stretched: bool
    """Whether its pauses are made longer than they were recorded."""


def read_lines(name: str) -> Iterator[tuple[str, str]]:
    """The lines of one file of texts, each with the heading above it."""
    heading = ""
    for line in (_FOLDER / f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("# "):
            heading = line[2:]
        elif line:
            yield heading, line


def parse_marked(line: str) -> list[Marked]:
    """The turns of a line of marked text. Raises ValueError for a mark that is not known or has no word before it."""
    turns = []
    for turn in line.split(" / "):
        words: list[str] = []
        pauses: dict[int, PauseKind] = {}
        for token in turn.split():
            if not token.startswith("{"):
                words.append(token)
            elif token[1:-1] in KINDS and words:
                pauses[len(words) - 1] = KINDS[token[1:-1]]
            else:
                raise ValueError(f"{token!r} in {turn!r} is not a pause after a word; there are {', '.join(KINDS)}.")
        turns.append(Marked(tuple(words), pauses))
    return turns


def parse_recorded(line: str) -> list[Recorded]:
    """The turns of a line of recordings. Raises ValueError for a part that cannot be read."""
    stretched = line.startswith("> ")
    turns = []
    for turn in line.removeprefix("> ").split(" / "):
        played, _, text = turn.partition(": ")
        parts: list[Part] = []
        join = ""
        for token in played.split():
            if token in ("+", "~") or token[1:-1] in KINDS:
                join = token.strip("{}")
            elif match := _PART.fullmatch(token):
                end_s = float(match["to"]) if match["to"] else None
                parts.append(Part(match["name"], float(match["from"] or 0), end_s, join))
            else:
                raise ValueError(f"{token!r} in {turn!r} is neither a recording nor a way to join two.")
        turns.append(Recorded(tuple(parts), text, stretched))
    return turns
