"""Names as people give them: "under Anna Smith", "it's Smith", "J O N E S"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from duologue.agent.booking.vocabulary import STOP, Scanner

__all__ = ["find_name", "find_spelled"]

_MAX_WORDS = 4
_WORD = r"[^\W\d_][^\W\d_']*(?:'[^\W\d_]+)*"
_WORDS = rf"(?P<name>{_WORD}(?: {_WORD}){{0,{_MAX_WORDS - 1}}})"
_TITLE = r"(?:(?:mister|mr|mrs|missus|ms|miss|doctor|dr|sir|the) )?"

_SPELLED = re.compile(r"(?<!')\b(?:(?:double )?[^\W\d_] ){2,}(?:double )?[^\W\d_]\b")
_SPELLED_PAIR = re.compile(r"(?<!')\b(?:double )?[^\W\d_] (?:double )?[^\W\d_]\b")

_CLEAR = re.compile(
    r"\b(?:(?:under|in|on) (?:the|my|a) (?:last |first |full |sur ?)?name (?:of )?"
    r"|under (?:the )?|call me "
    r"|(?:last |first |full |sur ?)?name(?: is|'s|s| to| should be| will be| would be) (?:it's |under )?)"
    rf"{_TITLE}{_WORDS}"
)
_LIKELY = re.compile(rf"\b(?:i'm|i am|this is|it's|its|it is|that's|that is|for) {_TITLE}{_WORDS}")
_LAST = re.compile(rf"\b{_TITLE}{_WORDS} (?:is (?:my|the) name|speaking)\b")
_NOT_BUT = re.compile(rf"\bnot (?P<old>{_WORD}) (?:but |it's |its |it is )?{_WORDS}")
_DOUBLE = re.compile(r"double (\w)")
_ONE_WORD = re.compile(_WORD)
_WRITTEN = re.compile(r"[^\W\d_](?:[^\W\d_]|['’](?=[^\W\d_]))*")
_INSIDE = re.compile(r"[\w,] ")

_AROUND_A_NAME = """it's its it is that's that the a name my i'm i am put say be would yes yeah yep sure ok okay so just
    for under of course oh and mister mr mrs missus ms miss doctor dr sir thanks thank you this here"""
_LEFT_OUT = frozenset(_AROUND_A_NAME.split())
_WORDS_AND_NAMES = frozenset(("will", "may", "long", "young", "rich", "king", "price", "page"))
"""Words that are a name where they are the whole answer."""
_NEVER_A_NAME = """a actually am and at but change changed correct different fine first for from good i i'm in is it
    it's last me my name no nope not of ok okay on one or our please right she so sorry sure that that's the then there
    this to under was we we'd what who with wrong yes you your"""
_NEVER = frozenset(_NEVER_A_NAME.split())
"""Words that are not a name even after a clear cue."""


def find_spelled(scanner: Scanner, *, asked: bool) -> str | None:
    """A name spelled in letters, as "J O N E S" or "M I double L E R"; two letters are enough where one was asked."""
    found = scanner.take(_SPELLED) or (scanner.take(_SPELLED_PAIR) if asked else [])
    if not found:
        return None
    letters = _DOUBLE.sub(r"\1\1", found[-1].group()).replace(" ", "")
    return letters.capitalize()


def find_name(scanner: Scanner, raw: str, *, asked: bool) -> str | None:
    """The last name that is given.

    `asked`: one was asked for, so that words which mean nothing else are a name. Otherwise it takes a clear cue, or
    "it's" or "for" where `raw`, the text as it was transcribed, goes on with a capital.
    """
    for pattern in (_CLEAR, _LAST):
        for match in reversed(list(pattern.finditer(scanner.text))):
            words = match["name"].split()
            length = _name_length(words, _NEVER)
            if pattern is _LAST:
                words = [word for word in words if word not in STOP]
                length = len(words)
            if length:
                scanner.cut(match.start(), match.start("name") + len(" ".join(words[:length])))
                return _as_written(words[:length], raw)
    if corrected := _NOT_BUT.search(scanner.text):
        words = corrected["name"].split()
        if corrected["old"] not in STOP and (length := _name_length(words, STOP)):
            scanner.cut(*corrected.span())
            return _as_written(words[:length], raw)
    for match in reversed(list(_LIKELY.finditer(scanner.text))):
        words = match["name"].split()
        length = _name_length(words, STOP)
        if length and (asked or _is_capital(words[0], raw)) and not words[0].endswith("ing"):
            scanner.cut(match.start(), match.start("name") + len(" ".join(words[:length])))
            return _as_written(words[:length], raw)
    return _bare(scanner, raw) if asked else None


def _name_length(words: Sequence[str], first_not: frozenset[str]) -> int:
    """How many of the words belong to the name: they end at the first that means something else."""
    if words[0] in first_not:
        return 0
    for length, word in enumerate(words[1:], 1):
        if word in STOP:
            return length
    return len(words)


def _bare(scanner: Scanner, raw: str) -> str | None:
    words = scanner.text.replace("|", " ").split()
    if len(words) == 1 and words[0] in _WORDS_AND_NAMES:
        return _as_written(words, raw)
    words = [word for word in words if word not in _LEFT_OUT]
    if not 0 < len(words) <= _MAX_WORDS or any(word in STOP or _ONE_WORD.fullmatch(word) is None for word in words):
        return None
    scanner.text = ""
    return _as_written(words, raw)


def _as_written(words: Sequence[str], raw: str) -> str:
    """The name with the capitals and hyphens of the transcript where it has some inside, else in title case."""
    tokens = list(_WRITTEN.finditer(raw))
    folded = [_folded(token) for token in tokens]
    for start in range(len(tokens) - len(words) + 1):
        if folded[start : start + len(words)] == list(words):
            found = tokens[start : start + len(words)]
            joints = ["-" if raw[a.end() : b.start()] == "-" else " " for a, b in pairwise(found)]
            written = [token.group().replace("’", "'") for token in found]
            return "".join(map(str.__add__, map(_cased, written), [*joints, ""]))
    return " ".join(map(_cased, words))


def _cased(word: str) -> str:
    if any(letter.isupper() for letter in word[1:]) and not word.isupper():
        return word
    first, *rest = word.split("'")
    return "'".join((first.capitalize(), *(part.capitalize() if len(part) > 1 else part.lower() for part in rest)))


def _is_capital(word: str, raw: str) -> bool:
    """Whether the transcript writes the word with a capital where no sentence begins."""
    return any(
        _folded(token) == word and token.group()[0].isupper() and _INSIDE.match(raw, token.start() - 2) is not None
        for token in _WRITTEN.finditer(raw)
        if token.start() >= 2
    )


def _folded(token: re.Match[str]) -> str:
    return token.group().casefold().replace("’", "'")
