"""Removes what looks like a secret from log lines, those of libraries included."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["REDACTED", "redact"]

REDACTED: Final = "[redacted]"

_VALUE: Final = r"[^\s\"'&,;}\])]+"

_SECRETS: Final = (
    # The Authorization header, with its scheme.
    (
        re.compile(r"\b(authorization[\"']?\s*[=:]\s*[\"']?)(?:\w+\s+)?" + _VALUE, re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"\b(bearer)\s+[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1 {REDACTED}"),
    # JSON Web Tokens.
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), REDACTED),
    # Keys of OpenAI, Anthropic, ElevenLabs and others that begin alike.
    (re.compile(r"\b(sk|pk|xi|rk)[-_][\w-]{16,}"), REDACTED),
    # name=value and "name": "value", where the name tells of a secret.
    (
        re.compile(
            r"\b(\w*(?:token|ticket|secret|password|passwd|api[_-]?key|cookie|credential)s?"
            r"[\"']?\s*[=:]\s*[\"']?)" + _VALUE,
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
    # The password in an address.
    (re.compile(r"(\w+://[^\s/:@]*:)[^\s/@]+@"), rf"\1{REDACTED}@"),
)


def redact(line: str) -> str:
    """The line with what looks like a secret replaced by REDACTED."""
    for pattern, replacement in _SECRETS:
        line = pattern.sub(replacement, line)
    return line
