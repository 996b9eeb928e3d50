"""What a caller wants beside giving details: yes, no, what, help, never mind, goodbye."""

from __future__ import annotations

import re
from enum import StrEnum

__all__ = ["PHRASES", "Intent", "intents_in"]


class Intent(StrEnum):
    """What a caller wants, beside giving details."""

    YES = "yes"
    NO = "no"
    REPEAT = "repeat"
    CANCEL = "cancel"
    START_OVER = "start_over"
    HELP = "help"
    HOURS = "hours"
    WAIT = "wait"
    REFERENCE = "reference"
    THANKS = "thanks"
    BYE = "bye"
    DONE = "done"
    GREETING = "greeting"


_INTENTS = {
    Intent.REPEAT: re.compile(
        r"^(?:(?:sorry|pardon|excuse me|what|huh|eh|hm+|come again|repeat)(?: me)?(?: |$))+$"
        r"|\b(?:say|repeat|read) (?:that|it|this|the question)(?: to me)?(?: again| back| once more| please|$)"
        r"|\bsay again\b|\bwhat did you say\b|\bwhat was (?:that|the question|it)\b"
        r"|\b(?:didn't|did not|couldn't|could not|can't|cannot) (?:quite )?(?:catch|hear|get|understand)\b"
        r"|\bone more time\b|\b(?:can|could|would) you repeat\b|\bi beg your pardon\b|\bpardon\b"
        r"|\bare you (?:still )?there\b|\brepeat\b"
    ),
    Intent.CANCEL: re.compile(
        r"\bcancel\b|\bnever ?mind\b|\bforget (?:it|about it|the whole|that)\b|\bchanged my mind\b"
        r"|\bdon't (?:want|need) (?:it|a table|the table|that|to book)\b|\bdon't bother\b|\bdrop it\b"
    ),
    Intent.START_OVER: re.compile(
        r"\bstart (?:over|again|afresh|from)\b|\bfrom the (?:start|beginning|top)\b|\bbegin again\b|\brestart\b"
        r"|\ball over again\b|\bstarting over\b"
    ),
    Intent.HELP: re.compile(
        r"\bhelp\b|\bwhat can (?:i|you)\b|\bwhat (?:do|should|can|am) i\b|\bhow does this work\b|\bwho are you\b"
        r"|\bare you (?:a |an )?(?:robot|human|real|machine|person|computer)\b"
        r"|\bi (?:don't|do not) (?:know|understand)\b"
    ),
    Intent.HOURS: re.compile(
        r"\b(?:when|what time|how late|how early|what hours)\b.*\b(?:open|close|closed|closing)\b"
        r"|\bopening (?:hours|times)\b|\bare you open\b|\bwhat are your hours\b"
    ),
    Intent.WAIT: re.compile(
        r"\b(?:hold|hang) on\b|\b(?:one|a) (?:second|sec|moment|minute)\b|\blet me (?:think|see|check|ask)\b|^wait$"
    ),
    Intent.REFERENCE: re.compile(r"\breference\b|\b(?:confirmation|booking) (?:number|code)\b"),
    Intent.THANKS: re.compile(r"\b(?:thanks|thank you|cheers)\b"),
    Intent.BYE: re.compile(r"\b(?:good ?bye|bye|see you|hang up)\b"),
    Intent.DONE: re.compile(r"\b(?:nothing else|(?:that's|that is|that'll be|that will be) all)\b(?! right)"),
    Intent.GREETING: re.compile(
        r"\b(?:hello|hi|hiya|hey|good (?:morning|afternoon|evening)|book|booking|reserve|reservation|table)\b"
    ),
}
_DENIES = re.compile(
    r"\b(?:not (?:right|correct|quite|really|exactly)|isn't (?:right|correct|it)|incorrect|wrong|no way)\b"
    r"|\bdon't think so\b"
    r"|\b(?:isn't|is not|not) (?:what i said|what i want)"
)
_AGREES = re.compile(
    r"\b(?:that's|that is|it's|it is|that|all|sounds|looks|you're) (?:all )?"
    r"(?:right|correct|it|good|fine|perfect|great|ok|okay)\b"
    r"|\bno problem\b|\bperfect\b|\bexactly\b|\bgo ahead\b|^(?:yes )?do$|\bof course\b|\babsolutely\b|\bdefinitely\b"
    r"|\bfor sure\b|\byou got it\b|\bthat works\b|\bworks for me\b|\bconfirm(?:ed)?\b|\bbook it\b|\bdo it\b|\bspot on\b"
)
_NO = re.compile(r"\b(?:no|nope|nah|na|nothing|not)\b|^know$")
_YES = re.compile(
    r"\b(?:yes|yeah|yep|yup|yea|ya|yah|sure|ok|okay|right|alright|fine|great|good|correct|aye|indeed|cool|lovely)\b"
)
PHRASES = (
    *(pattern for intent, pattern in _INTENTS.items() if intent not in (Intent.GREETING, Intent.THANKS)),
    _AGREES,
)
"""Taken before a name is looked for, since some hold words that could be one."""


def intents_in(words: str) -> frozenset[Intent]:
    """All that the normalised words ask for; a yes or a no, never both."""
    found = {intent for intent, pattern in _INTENTS.items() if pattern.search(words)}
    if _DENIES.search(words):
        found.add(Intent.NO)
    elif _AGREES.search(words):
        found.add(Intent.YES)
    elif _NO.search(words):
        found.add(Intent.NO)
    elif _YES.search(words):
        found.add(Intent.YES)
    return frozenset(found)
