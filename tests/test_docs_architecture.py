"""docs/architecture.md names files and functions that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "duologue"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def test_the_walk_of_a_turn_names_functions_that_exist() -> None:
    walk = PAGE[PAGE.index("## One turn in ten files") : PAGE.index("## The steps in detail")]
    rows = [[cell.strip() for cell in line.split("|")[2:4]] for line in walk.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) == 10
    for file, functions in rows:
        defined = re.findall(r"^ *(?:async )?def (\w+)", (SOURCE / file.strip("`")).read_text("utf-8"), re.MULTILINE)
        assert set(re.findall(r"`(\w+)`", functions)) - set(defined) == set(), file


def test_every_file_that_is_named_exists() -> None:
    folders = (SOURCE, SOURCE / "conversation", SOURCE / "server" / "console")
    named = set(re.findall(r"`([\w/]+\.(?:py|js))`", PAGE))
    assert len(named) > 50
    assert {name for name in named if not any((folder / name).exists() for folder in folders)} == set()
