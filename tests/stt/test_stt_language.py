from __future__ import annotations

from dataclasses import dataclass

import pytest

from duologue.errors import UnsupportedLanguageError
from duologue.stt.language import check_language


@dataclass
class Model:
    name: str = "ears"
    languages: frozenset[str] = frozenset({"en", "de"})


@pytest.mark.parametrize(
    ("asked", "given"), [("en", "en"), ("EN", "en"), ("en-US", "en"), ("de_AT", "de"), (None, "en"), (" en ", "en")]
)
def test_a_known_language_is_given_as_its_code(asked: str | None, given: str) -> None:
    assert check_language(Model(), asked) == given


def test_without_english_the_first_is_its_own() -> None:
    assert check_language(Model(languages=frozenset({"fr", "de"})), None) == "de"


@pytest.mark.parametrize("asked", ["fr", "", "english", "e", "xx-EN"])
def test_an_unknown_language_is_refused_with_those_that_are_known(asked: str) -> None:
    with pytest.raises(UnsupportedLanguageError, match="ears knows de, en") as refusal:
        check_language(Model(), asked)
    assert refusal.value.provider == "ears"
