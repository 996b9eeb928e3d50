"""Repair of streamed text that cannot be encoded or spoken."""

from __future__ import annotations

import re

__all__ = ["TextRepair", "repaired"]

_CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_BROKEN = re.compile(f"[{_CONTROLS}\ud800-\udfff]")
_CONTROL = re.compile(f"[{_CONTROLS}]")


class TextRepair:
    """Joins the halves of a character that a stream splits, and drops what is no character.

    A JSON stream may carry an emoji as two escapes (`\\ud83d`, `\\ude00`) in two pieces. A surrogate that stays alone
    becomes U+FFFD; control characters other than tab and line breaks are dropped. How the text is cut does not matter.
    """

    def __init__(self) -> None:
        self._half = ""

    def push(self, text: str) -> str:
        """Take the next piece; the text that is certain by now."""
        if not self._half and _BROKEN.search(text) is None:
            return text
        text = _CONTROL.sub("", self._half + text)
        self._half = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._half, text = text[-1], text[:-1]
        return _paired(text)

    def end(self) -> str:
        """The text is over: what is left of it."""
        half, self._half = self._half, ""
        return _paired(half)


def repaired(text: str) -> str:
    """A whole text, repaired."""
    return _paired(_CONTROL.sub("", text)) if _BROKEN.search(text) else text


def _paired(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
