"""Figures as bars."""

from pathlib import Path

import pytest

from duologue.errors import ConfigError
from duologue_bench.bars import draw_bars


def test_bars_are_drawn_to_a_picture_and_to_nothing_else(tmp_path: Path) -> None:
    draw_bars({"idle": 8.0, "used": 190.0}, tmp_path / "memory.svg", "Memory", "kB")
    assert (tmp_path / "memory.svg").read_text().startswith("<?xml")
    with pytest.raises(ConfigError, match=r"memory\.txt"):
        draw_bars({"idle": 8.0}, tmp_path / "memory.txt", "Memory", "kB")
