"""The frozen corpus of labeled speech. docs/corpus.md describes it.

`dataset` loads it; the other modules build it from packages: `python -m duologue_bench.corpus`, or `make corpus`.
"""

from __future__ import annotations

from duologue_bench.corpus.dataset import (
    HALVES,
    NOMINAL_DBFS,
    BargeIn,
    Half,
    Item,
    Pause,
    PauseKind,
    Sound,
    Turn,
    corpus_dir,
    load,
    load_barge_ins,
    version,
)

__all__ = [
    "HALVES",
    "NOMINAL_DBFS",
    "BargeIn",
    "Half",
    "Item",
    "Pause",
    "PauseKind",
    "Sound",
    "Turn",
    "corpus_dir",
    "load",
    "load_barge_ins",
    "version",
]
