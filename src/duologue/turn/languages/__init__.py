"""Language packs: what short responses mean, and what counts as a question. The rules themselves know no language."""

from __future__ import annotations

import re
from typing import Protocol

from duologue.conversation.inputs import Response
from duologue.turn.languages.en import English

__all__ = ["LanguagePack", "language_pack", "question_start"]

SENTENCE_END = re.compile(r"[.!?…][\"')\]”’»]*\s+")


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


def question_start(text: str, duration: float, pack: LanguagePack) -> float | None:
    """Return where in `text`, which sounds for `duration` seconds, its last sentence begins if that asks; else None."""
    start = max((end.end() for end in SENTENCE_END.finditer(text)), default=0)
    return duration * start / len(text) if pack.asks(text[start:]) else None


PACKS: dict[str, LanguagePack] = {"en": English()}
UNKNOWN = Unknown()


def language_pack(language: str | None) -> LanguagePack:
    """Return the pack for a language tag such as `en-US`; English if the language is not set."""
    return PACKS.get((language or "en").lower().replace("_", "-").partition("-")[0], UNKNOWN)
