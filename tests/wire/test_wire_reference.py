from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from duologue.errors import DuologueError
from duologue.server import close_codes
from duologue.wire.frames import MAX_MESSAGE_BYTES
from duologue.wire.reference import message_tables

DOCUMENT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()


@pytest.mark.parametrize("name", message_tables())
def test_the_document_holds_the_table_of_each_message(name: str) -> None:
    assert message_tables()[name] in DOCUMENT, (
        f"docs/protocol.md does not tell of {name!r} as the code does: run `python -m duologue.wire.reference`"
    )


def test_the_document_holds_no_message_that_is_gone() -> None:
    assert set(re.findall(r"^#### `?([\w.]+)`?$", DOCUMENT, re.MULTILINE)) == set(message_tables())


def tree(kind: type[DuologueError]) -> Iterator[type[DuologueError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == "duologue.errors":
            yield from tree(below)


def test_the_document_names_each_error_code() -> None:
    codes = {kind.code for kind in tree(DuologueError)}
    assert set(re.findall(r"^\| `(\w+)` \| (?:yes|no) \|", DOCUMENT, re.MULTILINE)) == codes
    for kind in tree(DuologueError):
        assert f"| `{kind.code}` | {'yes' if kind.retryable else 'no'} |" in DOCUMENT


def test_the_document_names_each_close_code() -> None:
    for code in (
        close_codes.NORMAL,
        close_codes.GOING_AWAY,
        close_codes.POLICY,
        close_codes.SERVER_ERROR,
        close_codes.TRY_AGAIN,
        1009,
        1012,
    ):
        assert f"| {code} |" in DOCUMENT


def test_the_document_states_the_limit_of_a_message() -> None:
    assert f"{MAX_MESSAGE_BYTES:,}" in DOCUMENT
