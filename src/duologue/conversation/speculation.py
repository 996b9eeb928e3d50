"""Speculation: a reply prepared before its turn is decided."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

__all__ = ["keeps"]

SIMILAR = 0.9
LONGEST_COMPARED = 2000


def keeps(strategy: str, prepared_for: str, text: str) -> bool:
    """True where a reply prepared for one text may answer another, by the strategy."""
    if strategy == "always_use":
        return True
    a, b = (re.sub(r"\W+", " ", t.lower()).strip() for t in (prepared_for, text))
    if strategy == "discard" or max(len(a), len(b)) > LONGEST_COMPARED:
        return a == b
    return SequenceMatcher(None, a, b, autojunk=False).ratio() >= SIMILAR
