"""Which languages a recogniser knows."""

from __future__ import annotations

from typing import Final, Protocol

from duologue.errors import UnsupportedLanguageError

__all__ = ["check_language", "code_of", "language_code"]


DEFAULT: Final = "en"
"""What a recognizer writes that knows English among others, if nothing else is asked for."""


class _Speaks(Protocol):
    """A provider with a name and languages."""

    @property
    def name(self) -> str: ...

    @property
    def languages(self) -> frozenset[str]: ...


def check_language(model: _Speaks, language: str | None) -> str:
    """The language that `model` will write, as a bare code such as "en"; None asks for its own.

    A region is allowed and left out: "en-US" asks for "en". Raises UnsupportedLanguageError for one that it does not
    know.
    """
    return language_code(model.name, model.languages, language)


def code_of(language: str) -> str:
    """The bare code of a language, without its region: "en" of "en-US"."""
    return language.replace("_", "-").partition("-")[0].strip().lower()


def language_code(name: str, languages: frozenset[str], language: str | None) -> str:
    """The same for the provider `name`, which knows `languages`."""
    if language is None:
        return DEFAULT if DEFAULT in languages else min(languages)
    code = code_of(language)
    if code not in languages:
        known = ", ".join(sorted(languages))
        raise UnsupportedLanguageError(f"The language {language!r} was asked for; {name} knows {known}.", provider=name)
    return code
