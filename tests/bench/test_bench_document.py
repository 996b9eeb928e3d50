"""Results are put between the markers of a document, and nothing else of it is touched."""

from pathlib import Path

import pytest

from duologue.errors import ConfigError
from duologue_bench.document import markers, table, write_between


def test_the_results_are_put_between_the_markers(tmp_path: Path) -> None:
    begin, end = markers("peers")
    document = tmp_path / "page.md"
    document.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    for text in ("first", "second"):
        write_between(document, "peers", text)
        assert document.read_text() == f"before\n{begin}\n\n{text}\n{end}\nafter\n"
    with pytest.raises(ConfigError, match="no place for the results"):
        write_between(document, "conversations", "third")
    with pytest.raises(ConfigError, match="cannot be read"):
        write_between(tmp_path / "none.md", "peers", "third")


def test_a_table_has_one_column_of_words() -> None:
    assert table(["", "n"], [["turns", "4"]], left=0) == "|  | n |\n| --- | ---: |\n| turns | 4 |"
