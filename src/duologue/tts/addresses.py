"""Addresses read aloud: web pages, e-mail, handles and hashtags."""

from __future__ import annotations

import re

__all__ = ["spoken_addresses"]

_LONGEST_PATH = 60
"""Characters of a web address beyond which only its host is read."""
_TOKEN = re.compile(r"\S+")
_TRIM = re.compile(r"^([(\[\"']*)(.*?)([)\]\"'.,!?;:]*)$", re.DOTALL)
_HOST = r"(?:[\w-]{1,63}\.){1,8}"
_URL = re.compile(rf"(?:(https?|ftp)://)?(www\.)?({_HOST}[A-Za-z]{{2,18}}|localhost)(:\d{{1,5}})?([/?#]\S*)?")
_EMAIL = re.compile(rf"(?:mailto:)?([\w.+-]{{1,64}}@{_HOST}[A-Za-z]{{2,18}})")
_BARE_ENDINGS = frozenset(
    (
        "com", "org", "net", "edu", "gov", "io", "ai", "co", "dev", "app", "info", "biz", "tech", "shop", "xyz",
        "uk", "de", "fr", "eu", "ca", "au", "jp", "ch", "ly", "gg", "tv",
    )
)  # fmt: skip
_SIGNS = {
    ".": "dot",
    "/": "slash",
    "@": "at",
    "-": "dash",
    "_": "underscore",
    "+": "plus",
    "?": "question mark",
    "=": "equals",
    "&": "and",
    "#": "hash",
    ":": "colon",
    "%": "percent",
    "~": "tilde",
}


def spoken_addresses(text: str) -> str:
    """The text with its addresses as words: "example.com/x" is "example dot com slash x"."""
    return _TOKEN.sub(_spoken, text)


def _spoken(match: re.Match[str]) -> str:
    token = match[0]
    if not any(sign in token for sign in ".@#") or len(token) > 2_000:
        return token
    trimmed = _TRIM.match(token)
    assert trimmed is not None  # every part of the pattern may be empty
    before, core, after = trimmed.groups()
    if email := _EMAIL.fullmatch(core):
        return before + _signs(email[1]) + after
    url = _URL.fullmatch(core)
    if url and (url[1] or url[2] or url[3].rpartition(".")[2] in _BARE_ENDINGS):
        path = (url[4] or "") + (url[5] or "").rstrip("/")
        return before + _signs(url[3] + (path if len(url[3] + path) <= _LONGEST_PATH else "")) + after
    if re.fullmatch(r"@[A-Za-z]\w{0,60}", core):
        return before + "at " + _signs(core[1:]) + after
    if re.fullmatch(r"#[A-Za-z]\w{0,60}", core):
        return before + "hashtag " + _signs(core[1:]) + after
    return token


def _signs(address: str) -> str:
    words = "".join(f" {_SIGNS[char]} " if char in _SIGNS else char for char in address)
    return " ".join(words.split())
