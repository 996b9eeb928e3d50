"""Names and phrases that readers had to decode stay out of code and documents."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACES = {"src": (".py", ".js", ".html"), "benchmarks/src": (".py",), "examples": (".py",), "docs": (".md",)}
NAMES = (
    "AskPartial|AskSound|AskWords|Audience|Debts|EchoExplainer|Joint|Mouth|ReplyRun|Stepwise|Stocked|Strain|Unfinished|"
    "Visitors|Yardstick|forget_why|hungry|ripe|stirring"
)
"""Names that have plain ones now, as they were written."""
PHRASES = (
    "aloud|of late|ourselves|patience|where there is none|is told|are told|knows nothing|"
    "for want of|none where|error where"
)
WRONG = re.compile(rf"\b({NAMES}|(?i:{PHRASES}))\b")


def test_no_name_or_phrase_that_has_to_be_decoded() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group(0)}"
        for folder, kinds in PLACES.items()
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in kinds
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if (match := WRONG.search(line))
    ]
    assert found == []
