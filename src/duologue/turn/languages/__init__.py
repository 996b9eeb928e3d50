"""Language packs: what short responses mean, and what counts as a question. The rules themselves know no language."""

from __future__ import annotations

from typing import Protocol

from duologue.conversation.inputs import Response
from duologue.turn.languages.en import English

__all__ = ["LanguagePack", "language_pack"]


class LanguagePack(Protocol):
    """One language's lexicon of turn-taking. Pure and cheap: called once for each transcript and each clause."""

    code: str
    """ISO 639-1."""

    def response(self, text: str) -> Response:
        """Classify an utterance that consists of nothing but a short response; `""` for anything else."""
        ...

    def asks(self, clause: str) -> bool:
        """Return True if the clause asks for an answer."""
        ...


class Unknown:
    """Pack for languages without one: every word is a word, and a question mark asks."""

    code = ""

    def response(self, text: str) -> Response:
        """Classify nothing."""
        return ""

    def asks(self, clause: str) -> bool:
        """Return True if the clause ends in a question mark of any script."""
        return clause.rstrip(" \"'»”’)").endswith(("?", "？", "؟", ";", "՞"))


PACKS: dict[str, LanguagePack] = {"en": English()}
UNKNOWN = Unknown()


def language_pack(language: str | None) -> LanguagePack:
    """Return the pack for a language tag such as `en-US`; English if the language is not set."""
    return PACKS.get((language or "en").lower().replace("_", "-").partition("-")[0], UNKNOWN)
