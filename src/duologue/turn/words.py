"""The words policy: do these words end as a turn ends?"""

from __future__ import annotations

from duologue.turn import Judgement
from duologue.turn.languages import language_pack

__all__ = ["Words"]


class Words:
    """Judges a transcript by how turns end in its language; by its last mark alone in a language without a pack."""

    name = "words"

    def __init__(self, language: str | None = None) -> None:
        """`language`: a tag such as `en-US`; English if it is not set."""
        self._judge = language_pack(language).judge

    def of(self, language: str | None) -> Words:
        """Return the policy for the language of a session."""
        return self if language is None else Words(language)

    def judge(self, text: str) -> Judgement:
        """Return how finished `text` sounds."""
        return self._judge(text)
