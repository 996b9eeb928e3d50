"""The tables of docs/corpus.md, written from the manifest so that they cannot be wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from duologue.audio.format import RATE
from duologue_bench.corpus.dataset import HALVES

__all__ = ["CARD", "write_tables"]

CARD = Path(__file__).parents[4] / "docs" / "corpus.md"

_BEGIN, _END = (
    "<!-- counted: `python -m duologue_bench.corpus --freeze` writes what is between these marks -->\n",
    "<!-- /counted -->",
)

Entries = list[Mapping[str, Any]]


def write_tables(folder: Path) -> None:
    """Put the counts of a built corpus into the card."""
    before, _, rest = CARD.read_text("utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    tables = "\n".join(_tables(manifest["items"], manifest["barge_ins"]))
    CARD.write_text(f"{before}{_BEGIN}\n{tables}\n\n{_END}{after}", "utf-8")


def _tables(items: Entries, barge_ins: Entries) -> Iterator[str]:
    yield from _table(
        ("turns", *HALVES, "items, minutes"),
        (
            (_SOURCES[source], *(str(sum(len(item["turns"]) for item in of[half])) for half in HALVES), _extent(of))
            for source in (*_SOURCES,)
            for of in [_by_half([item for item in items if source in (item["source"], "all")])]
        ),
    )
    yield ""
    pauses = [(item["half"], end - start, kind) for item in items for start, end, kind in _pauses(item)]
    yield from _table(
        ("pauses", *HALVES, "shortest, median, longest in s"),
        (
            (f"{kind}", *(str(sum(h == half for h, _ in chosen)) for half in HALVES), _lengths(n for _, n in chosen))
            for kind in (*sorted({kind for *_, kind in pauses}), "all")
            for chosen in [[(half, length) for half, length, k in pauses if kind in (k, "all")]]
        ),
    )
    yield ""
    yield from _table(
        ("interruptions", *HALVES),
        (
            (kind, *(str(sum(one["half"] == half and one["kind"] == kind for one in barge_ins)) for half in HALVES))
            for kind in dict.fromkeys(one["kind"] for one in barge_ins)
        ),
    )


_SOURCES = {
    "synthetic": "synthetic callers",
    "prompts": "prompts: real, whole sentences",
    "assembled": "assembled: real words put together",
    "readings": "readings: real, of several speakers",
    "all": "all",
}


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _by_half(items: Entries) -> dict[str, Entries]:
    return {half: [item for item in items if item["half"] == half] for half in HALVES}


def _extent(of: Mapping[str, Entries]) -> str:
    items = [item for half in HALVES for item in of[half]]
    return f"{len(items)}, {sum(item['sound'][2] for item in items) / RATE / 60:.1f}"


def _pauses(item: Mapping[str, Any]) -> list[tuple[int, int, str]]:
    return [tuple(pause) for turn in item["turns"] for pause in turn["pauses"]]


def _lengths(samples: Iterable[int]) -> str:
    seconds = [n / RATE for n in samples]
    return f"{min(seconds):.2f}, {median(seconds):.2f}, {max(seconds):.2f}"
