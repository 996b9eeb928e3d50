"""Language packs: the words of a language that turn-taking depends on. The rules themselves know no language.

A pack is a module of this package, named after its language, that defines `PACK`. To add one, add `de.py`; nothing else
changes. A language without a pack has no short responses and no words that ask, and its turns are judged by the mark at
their end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import NamedTuple

from duologue.conversation.inputs import Response
from duologue.conversation.question import AnswerState, Expected
from duologue.conversation.utterance import RESPONSES
from duologue.turn import Judgement

__all__ = ["SENTENCE_END", "LanguagePack", "Question", "find_question", "language_pack"]

DEFAULT = "en"
"""The language if none is set."""
MAX_WORDS = 10
"""A longer utterance is more than a short response."""
NEVER = re.compile(r"(?!)")
"""Matches nothing."""

SENTENCE_END = re.compile(r"[.!?…][\"')\]”’»]*\s+")
CLOSING_MARKS = " \"'»”’)"
QUESTION_MARKS = ("?", "？", "؟", ";", "՞")
"""Of any script; the Greek one is a semicolon."""


def judge_by_mark(text: str) -> Judgement:
    """Judge by its last mark how finished a transcript in any language sounds."""
    text = text.rstrip(CLOSING_MARKS)
    if not text:
        return Judgement(0.0, "empty")
    if text.endswith(("...", "…", "-", "–", "—")):
        return Judgement(0.1, "ellipsis", 1.2)
    if text.endswith(QUESTION_MARKS):
        return Judgement(0.85, "question")
    if text.endswith((".", "!", "。", "！", "।", "۔")):
        return Judgement(0.78, "sentence")
    return Judgement(0.35, "comma") if text.endswith((",", "，", "、", "،")) else Judgement(0.5, "unmarked")


def _expect_anything(_: str) -> Expected:
    return Expected()


def _cannot_tell(_text: str, _expected: Expected) -> AnswerState:
    return ""


class Question(NamedTuple):
    """The question that ends a text of the agent."""

    start: float
    """Seconds from the start of the text's audio."""
    expects: Expected


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguagePack:
    """The lexicon of turn-taking in one language. Its methods are pure, and called once for each transcript or clause.

    All words are in lower case, without punctuation or hyphens; an apostrophe separates two words.
    """

    code: str
    """ISO 639-1."""
    apology: str = ""
    """Spoken when the user was not understood, or not answered, because something failed."""
    not_understood: str = ""
    """Asked when the user was heard and no words were recognized."""
    fillers: tuple[str, ...] = ()
    """Spoken, in turn, while the user waits for an answer that is late."""
    responses: Mapping[Response, frozenset[str]] = field(default_factory=dict)
    """The words of each kind of short response."""
    laughter: re.Pattern[str] = NEVER
    """A word that is laughter."""
    phrases: tuple[tuple[re.Pattern[str], str], ...] = ()
    """Short responses of several words, and the word of `responses` that stands for each."""
    question_marks: tuple[str, ...] = QUESTION_MARKS
    requests: re.Pattern[str] = NEVER
    """What asks for an answer without a question mark."""
    subjects: frozenset[str] = frozenset()
    """Words that begin a clause."""
    numerals: frozenset[str] = frozenset()
    """Numbers in words."""
    date_words: frozenset[str] = frozenset()
    """Words that dates consist of: people give dates in pieces."""
    judge: Callable[[str], Judgement] = judge_by_mark
    """How finished a transcript sounds; `Words` calls it."""
    read_question: Callable[[str], Expected] = _expect_anything
    """What a sentence of the agent that asks something asks for."""
    answers: Callable[[str, Expected], AnswerState] = _cannot_tell
    """Whether the transcript of the turn so far answers that."""

    def response(self, text: str) -> Response:
        """Classify an utterance that consists of nothing but short responses; `""` for anything else."""
        words = _words(text)
        if not 0 < len(words) <= MAX_WORDS:
            return ""
        joined = " ".join(words)
        for phrase, word in self.phrases:
            joined = phrase.sub(word, joined)
        kinds = {self._kind(word) for word in joined.split()}
        return "" if "" in kinds else next(kind for kind in RESPONSES if kind in kinds)

    def asks(self, clause: str) -> bool:
        """Return True if the clause ends in a question mark, or asks in the words of a request."""
        text = clause.rstrip(CLOSING_MARKS)
        return text.endswith(self.question_marks) or self.requests.search(" ".join(_words(text))) is not None

    def may_be_part(self, words: Sequence[str]) -> bool:
        """Return True if more may follow: a clause with a subject, a number, or a part of a date.

        `words`: those of an utterance, at least one, in lower case.
        """
        last = words[-1]
        is_number = last[-1].isdigit() or last in self.numerals
        return words[0].partition("'")[0] in self.subjects or last in self.date_words or is_number

    def _kind(self, word: str) -> Response:
        for kind, words in self.responses.items():
            if word in words:
                return kind
        return "laughter" if self.laughter.fullmatch(word) else ""


def language_pack(language: str | None) -> LanguagePack:
    """Return the pack for a language tag such as `en-US`; English if the language is not set.

    A language without a pack gets one without words, and the apology and fillers of the default language, because
    silence is worse.
    """
    code = (language or DEFAULT).lower().replace("_", "-").partition("-")[0]
    return _load(code) if code in _codes() else _fallback()


def find_question(text: str, duration: float, pack: LanguagePack) -> Question | None:
    """Return the last sentence of `text`, which sounds for `duration` seconds, if that asks something; else None."""
    start = max((end.end() for end in SENTENCE_END.finditer(text)), default=0)
    sentence = text[start:]
    return Question(duration * start / len(text), pack.read_question(sentence)) if pack.asks(sentence) else None


@cache
def _codes() -> frozenset[str]:
    return frozenset(module.name for module in iter_modules(__path__) if "_" not in module.name)


@cache  # at most one entry a module
def _load(code: str) -> LanguagePack:
    pack: LanguagePack = import_module(f"{__name__}.{code}").PACK
    return pack


@cache
def _fallback() -> LanguagePack:
    default = _load(DEFAULT)
    return LanguagePack(
        code="", apology=default.apology, not_understood=default.not_understood, fillers=default.fillers
    )


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", re.sub(r"(?<=\w)-(?=\w)", "", text.lower()))
