"""The words that were spoken, from what a small speech-to-text model wrote: punctuation, case and homophones."""

from __future__ import annotations

import re

from duologue.agent.booking.vocabulary import NUMBER

__all__ = ["as_spoken", "normalise"]

_FILLERS = re.compile(
    r"\b(?:um+|uh+|uhm|er+m?|ah+|h?mm+|well|please|you know|let's say|let us say|i think|i guess)\b ?"
)
_SPELLING = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"’", "'"),
        (r"\b(\d{1,2})\.([0-5])(?!\d)", r"\1:\g<2>0"),
        (r"\b(\d{1,2})[.](\d\d)\b", r"\1:\2"),
        # A.m. and p.m. in all their spellings, but not in a name that is spelled, as "J. A. M. E. S."
        (r"(?<![\w.-])([ap])\.\s?m\b(?!\.?\s?[^\W\d]\b)\.?", r" \1m "),
        (r"(?<=\d)([ap])\.?m\b\.?", r" \1m "),
        (r"\bo'? ?c?k?l[ou]c?k\b", "oclock"),
        (r"(?<!\d):|:(?!\d)|(?<!\w)'|'(?!\w)|[^\w:']|_", " "),
        (r" {2,}", " "),
        (rf"({NUMBER}|\boclock|\d:\d\d) ([ap]) ?m\b", r"\1 \2m"),
    )
)


def normalise(text: str) -> str:
    """Lower case, one space between words, no punctuation but apostrophes in words and colons in times."""
    text = text.casefold()
    for pattern, replacement in _SPELLING:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())


_WHOLE = {"to": "two", "too": "two", "for": "four", "fore": "four", "ate": "eight", "won": "one", "free": "three"}
_WHOLE |= {"tree": "three", "fife": "five", "sicks": "six", "tin": "ten"}
_THEN = r"(?= (?:at|on|tomorrow|tonight|this|next)\b|$)"
_SOUNDS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b(?:uh huh|mm hmm|mm hm|mhm|uhhuh)\b", "yes"),
        (r"\bto (morrow|night|day)\b", r"to\1"),
        (r"\btonite\b", "tonight"),
        (r"\bgood bye\b", "goodbye"),
        (r"\bm(?=\d)", ""),
        (r"\bhave past\b", "half past"),
        (rf"^add (?={NUMBER}|\d+|noon)", "at "),
        (rf"^and (?={NUMBER} (?:days|weeks)\b)", "in "),
        (r"\b(?:for|fore) (?=(?:people|persons|guests)\b)", "four "),
        (r"\b(?:to|too) (?=(?:people|persons|guests)\b)", "two "),
        (r"\bwon (?=person\b)", "one "),
        (r"\b(table|party|group|family) (?:for|of) (?:for|fore)\b", r"\1 for four"),
        (rf"\b(table|party|group|family) (?:for|of) too?{_THEN}", r"\1 for two"),
        (rf"\bfor (?:for|fore){_THEN}", "for four"),
        (rf"\bfor too?{_THEN}", "for two"),
        (r"\bate(?= (?:people|persons|guests|oclock|am|pm|thirty|fifteen|forty five|in the)\b)", "eight"),
        (r"\b(at|for|of|that|past|around|about|to|quarter to) ate\b", r"\1 eight"),
        (r"\b(at|past) won\b", r"\1 one"),
        (r"\b(at|past) too?(?= (?:oclock|am|pm|thirty)\b|$)", r"\1 two"),
        (r"\bat (?:for|fore)(?= (?:oclock|am|pm|thirty)\b|$)", "at four"),
    )
)


def as_spoken(text: str, *, expects_number: bool) -> str:
    """The normalised words without "um" and "please"; a word that sounds like a number is one where nothing else fits.

    `expects_number`: a number was asked for, so that "too" as the whole answer is "two".
    """
    words = normalise(text)
    for pattern, replacement in _SOUNDS:
        words = pattern.sub(replacement, words)
    words = _FILLERS.sub("", words).strip()
    return _WHOLE.get(words, words) if expects_number else words
