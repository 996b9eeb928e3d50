"""Text made speakable: words and pauses only."""

from __future__ import annotations

import re

from duologue.tts.abbreviations import spoken_abbreviations, spoken_signs
from duologue.tts.addresses import spoken_addresses
from duologue.tts.markup import latin, without_markup
from duologue.tts.readings import spoken_figures

__all__ = ["speakable"]

_UNSAID = re.compile(r"[^A-Za-z .,!?;:'\"()—-]")
_LOOSE = re.compile(r"(?<![A-Za-z.'\")])['-]+(?![A-Za-z])")
_SPACED_MARK = re.compile(r" (?=[,.!?;:])")
_MARKS = re.compile(r"[,;:—]+ ?(?=[.!?])|([!?])[!?.]+|(\.{3})\.+|(,)[,;:]+")
_EMPTY = re.compile(r"\( ?\)|\" ?\"")
_EDGE = re.compile(r"^[ ,;:.!?)—-]+")


def speakable(text: str) -> str:
    """The text as an English voice would say it, in letters and marks of pause; empty where nothing can be said.

    Markup and emoji go, links keep their words, accents are dropped, and other scripts are left out. Figures, money,
    dates, times, measures, addresses, signs and abbreviations become words. Takes time in proportion to the length.
    """
    text = latin(without_markup(text))
    for step in (spoken_addresses, spoken_abbreviations, spoken_figures, spoken_signs):
        text = step(text)
    text = _LOOSE.sub(" ", _UNSAID.sub(" ", text))
    text = _EMPTY.sub("", " ".join(text.split()))
    text = _MARKS.sub(r"\1\2\3", _SPACED_MARK.sub("", " ".join(text.split())))
    text = _EDGE.sub("", text)
    return text if any(char.isalpha() for char in text) else ""
