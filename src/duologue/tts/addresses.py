"""E-mail addresses, web addresses and names of files."""

from __future__ import annotations

import re

from duologue.tts.number_words import cardinal, digits, pairs, year
from duologue.tts.rules import RuleMatch, Rules

__all__ = ["ADDRESS_RULES"]

_LONGEST_PATH = 60
"""Characters of a web address beyond which only its host is read."""
_HOST = r"(?:[A-Za-z0-9_-]{1,63}\.){1,8}"
_ENDINGS = (
    "com|org|net|edu|gov|io|ai|co|dev|app|info|biz|tech|shop|xyz|online|store|site|cloud|uk|de|fr|es|it|nl|se|no|ch|at|"
    "be|pl|ie|eu|us|ca|au|nz|jp|in|br|mx|za|ly|gg|tv|me"
)
_AMBIGUOUS = frozenset(["it", "no", "at", "be", "in", "me", "us", "es"])
"""Endings that are words: "now.it" lacks a space."""
_PATH = r"(?:[/?#](?:[^\s<>\"]{0,2000}[^\s<>\".,!?;:)\]'])?)?"
_FILES = {
    "pdf": "P D F", "csv": "C S V", "html": "H T M L", "htm": "H T M", "xml": "X M L", "jpg": "J P G", "jpeg": "jpeg",
    "png": "P N G", "gif": "gif", "svg": "S V G", "txt": "T X T", "doc": "doc", "docx": "doc X", "xls": "X L S",
    "xlsx": "X L S X", "ppt": "P P T", "pptx": "P P T X", "mp3": "M P three", "mp4": "M P four", "wav": "wave",
    "zip": "zip", "exe": "E X E", "json": "json", "js": "J S", "ts": "T S", "css": "C S S", "sql": "S Q L",
    "yml": "Y M L", "yaml": "yaml", "log": "log", "ini": "ini", "toml": "toml", "py": "py", "md": "M D", "sh": "S H",
    "ipynb": "I P Y N B", "psd": "P S D", "mov": "mov", "avi": "A V I", "heic": "heic", "ics": "I C S", "rtf": "R T F",
}  # fmt: skip
_SIGNS = {
    ".": "dot", "/": "slash", "@": "at", "-": "dash", "_": "underscore", "+": "plus", "?": "question mark",
    "=": "equals", "&": "and", "#": "hash", ":": "colon", "%": "percent", "~": "tilde",
}  # fmt: skip
_YEAR = re.compile(r"(?:19|20)\d\d")
_PART = re.compile(r"\d+|[A-Za-z']+|[^A-Za-z\d]")


def _words(address: str) -> str:
    words = []
    for part in _PART.findall(address):
        if part.isdecimal():
            words.append(cardinal(int(part)) if len(part) < 3 and (part[0] != "0" or part == "0") else digits(part))
        else:
            words.append(_SIGNS.get(part, part if part[0].isalpha() else " "))
    return " ".join(" ".join(words).split())


def _email(match: RuleMatch) -> str:
    return _words(match[1])


def _url(match: RuleMatch) -> str | None:
    scheme, www, host, port, path = match.groups()
    ending = host.rpartition(".")[2]
    if not (scheme or www) and ending in _AMBIGUOUS and not (path or host.count(".") > 1):
        return None
    tail = (port or "") + (path or "").rstrip("/")
    tail = tail if len(host + tail) <= _LONGEST_PATH else ""
    if ending.isdecimal():
        return f"{' dot '.join(map(pairs, host.split('.')))} {_words(tail)}".rstrip()
    return _words(host + tail)


def _file(match: RuleMatch) -> str:
    parts = [part for part in re.split(r"[_-]+", match[1]) if part]
    words = (year(int(part)) if _YEAR.fullmatch(part) else _words(part) for part in parts)
    return f"{' '.join(words)} dot {_FILES[match[2].lower()]}"


ADDRESS_RULES = Rules(
    re.compile(r"[\w.+%-]{1,64}@|(?:mailto|https?|ftp|localhost):|localhost/|[\w-]{1,63}\.[A-Za-z\d]"),
    (
        (re.compile(rf"(?:mailto:)?([A-Za-z0-9_.+%-]{{1,64}}@{_HOST}[A-Za-z]{{2,18}})(?![\w@])"), _email),
        (
            re.compile(
                rf"(https?://|ftp://)(www\.)?({_HOST}[A-Za-z]{{2,18}}|localhost|\d{{1,3}}(?:\.\d{{1,3}}){{3}})(:\d{{1,5}})?({_PATH})"
            ),
            _url,
        ),
        (
            re.compile(rf"()(www\.)?({_HOST}(?:{_ENDINGS})(?![\w@-])|localhost(?=[:/]))(:\d{{1,5}})?({_PATH})"),
            _url,
        ),
        (re.compile(rf"([A-Za-z0-9_-]{{1,60}})\.({'|'.join(_FILES)})(?![\w.@-]\w|\w)", re.IGNORECASE), _file),
    ),
)
"""Addresses; they begin with a letter or a digit, at the beginning of a word."""
