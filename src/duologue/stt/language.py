"""Which languages a recogniser knows."""

from __future__ import annotations

from typing import Protocol

from duologue.errors import UnsupportedLanguageError

__all__ = ["check_language"]


class _Speaks(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def languages(self) -> frozenset[str]: ...


def check_language(model: _Speaks, language: str | None) -> str:
    """The language that `model` will write, as a bare code such as "en"; None asks for its own.

    A region is allowed and left out: "en-US" asks for "en". Raises UnsupportedLanguageError for one that it does not
    know.
    """
    if language is None:
        return min(model.languages)
    code = language.replace("_", "-").partition("-")[0].strip().lower()
    if code not in model.languages:
        known = ", ".join(sorted(model.languages))
        raise UnsupportedLanguageError(
            f"The language {language!r} was asked for; {model.name} knows {known}.", provider=model.name
        )
    return code
