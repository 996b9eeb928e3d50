"""English: what a question of the agent asks for, read from its words."""

from __future__ import annotations

import re
from typing import Final

from duologue.conversation.question import AnswerKind, Expected
from duologue.turn.languages.en import vocabulary as v

__all__ = ["read_question"]

TELEPHONE: Final = (7, 10, 11, 12, 13)
"""Digits: a local number in North America, a full one, and with the code of a country."""
CARD: Final = (15, 16)
_COUNTS: Final = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12,
}  # fmt: skip
_INVERTED: Final = frozenset(word.partition("'")[0] for word in v.INVERSIONS)
"""The first words of questions that are answered by yes or no, up to their apostrophes."""
_LEAD_IN = re.compile(
    r"^(?:(?:and|so|okay|ok|great|good|fine|sure|thanks|thank you|perfect|lovely|alright|all right|now|then|please"
    r"|sorry|well|um|for that|before that|first|just) )+"
)
_POLITE = re.compile(
    r"^(?:(?:could|can|would|will) (?:you|i|we)(?: please| just)* "
    r"(?:tell|say|give|have|get|take|ask|spell|read|enter|type|key|provide|share|repeat|know|let"
    r"|confirm (?:your|the))\b"
    r"|may i|might i|do you mind|(?:do|would) you mind|what s|what is|please|i(?: ll)? need|i d like|i would like"
    r"|(?:tell|give|spell|read|enter|say|repeat|confirm|choose|let) (?:me|us|it|that|out|your|the|in|know)\b)"
)
_SAME = re.compile(
    r"\b(?:(?:say|repeat) (?:that|it|again)|(?:that|it) again|come again|didn t (?:catch|get|hear|understand)"
    r"|once more|one more time)\b|^(?:sorry|pardon(?: me)?|excuse me|what)$"
)
_CHOICE = re.compile(r"\bor\b(?! not\b| so\b)")
_TAG = re.compile(
    r"\b(?:right|correct|okay|ok|yes|yeah|isn t it|aren t you|don t you|is that (?:right|correct|okay|ok|fine|all)"
    r"|anything else|something else|shall (?:i|we)|should (?:i|we))$"
)
_DIGIT_COUNT = re.compile(rf"\b(?:last|first)? ?(\d{{1,2}}|{'|'.join(_COUNTS)}) ?digits?\b")
_KINDS: Final[tuple[tuple[AnswerKind, tuple[int, ...], re.Pattern[str]], ...]] = (
    ("spelling", (), re.compile(r"\bspell(?:ed|ing|t)?\b|\bletter by letter\b|\bpost ?code\b|\be ?mail\b")),
    (
        "digits",
        CARD,
        re.compile(r"\b(?:card|credit card|debit card) (?:number|details)\b|\bnumber on (?:the|your) card\b"),
    ),
    (
        "digits",
        TELEPHONE,
        re.compile(
            r"\b(?:phone|telephone|mobile|cell|cellphone|contact|callback|call back|daytime) (?:phone )?(?:number|no)\b"
            r"|\bnumber (?:can|should|shall|could|do|would) (?:we|i|you)\b"
            r"|\b(?:number to (?:call|reach)|reach you (?:at|on))\b"
        ),
    ),
    ("digits", (5, 9), re.compile(r"\bzip(?: ?code)?\b")),
    ("digits", (3, 4), re.compile(r"\b(?:cvv|cvc|security code|code on the back)\b")),
    ("digits", (4,), re.compile(r"\bpin\b")),
    ("digits", (6,), re.compile(r"\bsort code\b|\b(?:verification|one time|access) (?:code|passcode|password)\b")),
    ("digits", (9,), re.compile(r"\bsocial security\b")),
    (
        "digits",
        (),
        re.compile(
            r"\b(?:account|order|reference|booking|reservation|confirmation|policy|customer|member|membership|ticket"
            r"|invoice|case|serial|tracking|passport|licen[cs]e|routing|claim|employee|patient) (?:number|code|id|no)\b"
            r"|\b(?:id|code) (?:number|please)\b"
        ),
    ),
    ("name", (2, 3, 4), re.compile(r"\b(?:full name|first and last name|name and surname)\b")),
    (
        "name",
        (),
        re.compile(
            r"\bname\b(?! of)|\bwho (?:am i|is this|is calling|s calling|s this|are you|should i|may i|is speaking)\b"
            r"|\bwhom? (?:am i|do i have)\b|\bcall you\b"
        ),
    ),
    (
        "time",
        (),
        re.compile(
            r"\b(?:what|which|a|preferred|the|your) (?:time|day|date|year|month|hour)s?\b|\bwhen\b|\bhow soon\b"
            r"|\bdate of birth\b|\bbirth ?(?:day|date)\b|\bborn\b|\bexpir\w+\b"
        ),
    ),
    (
        "number",
        (),
        re.compile(
            r"\bhow (?:many|much|old|long|large|big|far|tall)\b|\b(?:what|which) (?:number|size|amount|floor)\b"
        ),
    ),
)


def read_question(sentence: str) -> Expected:
    """Return what a sentence asks for; anything if its words do not tell."""
    words = " ".join(re.findall(r"[^\W_]+", sentence.lower().replace("-", " ")))
    if _SAME.search(words):
        return Expected("same")
    if words.endswith(("yes or no", "no or yes")):
        return Expected("yes_no")
    words = _LEAD_IN.sub("", words)
    first = words.partition(" ")[0]
    is_polite = _POLITE.search(words) is not None
    if not is_polite and first not in v.QUESTION_WORDS:
        if _CHOICE.search(words):
            return Expected()
        # "You'd like two?" wants a yes as "Would you like two?" does.
        if first in _INVERTED or _TAG.search(words) or ("?" in sentence and first in v.SUBJECTS):
            return Expected("yes_no")
    if counted := _DIGIT_COUNT.search(words):
        found = counted[1]
        return Expected("digits", (int(found) if found.isdigit() else _COUNTS[found],))
    for kind, lengths, pattern in _KINDS:
        if pattern.search(words):
            return Expected(kind, lengths)
    return Expected("yes_no") if _TAG.search(words) else Expected()
