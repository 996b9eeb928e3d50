"""English: backchannels, assents, fillers, laughter and goodbyes, and what asks for an answer."""

from __future__ import annotations

import re

from duologue.conversation.inputs import Response
from duologue.conversation.utterance import RESPONSES

__all__ = ["English"]

MAX_WORDS = 10
"""A longer utterance says more than that somebody listens."""

# fmt: off
CONTINUERS = frozenset([
    "aha", "mhm", "mm", "mmhm", "mmhmm", "mmm", "mmmm", "uhhuh",
    "hum", "mama", "mamma", "mmhum", "uhhum",  # "mm-hm" as it is often recognized
])
"""Sounds that say "I am listening", and "yes" after a question."""

FILLERS = frozenset([
    "ah", "ahh", "aw", "eh", "er", "erm", "hm", "hmm", "hmmm", "huh", "oh", "ooh", "uh", "uhm", "uhuh", "um", "umm",
])
"""Sounds of somebody who thinks or is surprised: never an answer."""

ASSENTS = frozenset([
    "absolutely", "agreed", "alright", "aye", "certainly", "cool", "correct", "definitely", "exactly", "fine", "good",
    "gotcha", "great", "indeed", "interesting", "lovely", "nice", "ok", "okay", "perfect", "please", "really", "right",
    "sure", "thanks", "totally", "true", "wonderful", "wow", "yah", "yea", "yeah", "yep", "yes", "yup",
    "shore", "soar", "sore",  # "sure" as it is often recognized
])
"""Words that agree. "No", "wait" and "stop" are not among them."""

LAUGHTER = re.compile(r"(?:a?(?:ha|he|hee|hah|heh|ho)+h?|lol)")

GOODBYES = frozenset(["bye", "byebye", "goodbye", "cheers", "ciao", "farewell"])

PHRASES = (
    (
        re.compile(
            r"\b(?:see you(?: (?:later|soon|then|tomorrow))?|take care|talk to you later|good night|you too"
            r"|(?:have a )?(?:good|nice|great|lovely) (?:day|evening|night|one|weekend)|(?:same )?to you(?: too)?)\b"
        ),
        "bye",
    ),
    (
        re.compile(
            r"\b(?:all right|fair enough|got it|got you|i (?:do|know|see|understand)|makes sense|of course|very well"
            r"|that s (?:right|true|fine|great|good)|thank you(?: (?:so|very) much)?|sounds good)\b"
        ),
        "yes",
    ),
    (re.compile(r"\b(?:mm hm+|uh huh|mm mm|m hm+)\b"), "mhm"),
)
"""The same in several words, each replaced by one."""

REQUESTS = re.compile(
    r"\b(?:tell me|let me know|please (?:say|tell|confirm|spell|repeat|choose|enter|give)|say (?:yes|no)|press \d"
    r"|could you|can you|would you|may i (?:have|ask)|i need your|what s your)\b"
)
"""What asks without a question mark."""
# fmt: on


class English:
    """The English language pack."""

    code = "en"

    def response(self, text: str) -> Response:
        """Classify an utterance that consists of nothing but a short response; `""` for anything else."""
        words = _words(text)
        if not 0 < len(words) <= MAX_WORDS:
            return ""
        joined = " ".join(words)
        for phrase, word in PHRASES:
            joined = phrase.sub(word, joined)
        kinds = {_kind(word) for word in joined.split()}
        if "" in kinds:
            return ""
        return next(kind for kind in RESPONSES if kind in kinds)

    def asks(self, clause: str) -> bool:
        """Return True if the clause ends in a question mark, or asks in the words of a request."""
        text = clause.rstrip(" \"'”’)")
        return text.endswith("?") or REQUESTS.search(" ".join(_words(text))) is not None


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", re.sub(r"(?<=\w)-(?=\w)", "", text.lower()))


def _kind(word: str) -> Response:
    if word in GOODBYES:
        return "goodbye"
    if word in ASSENTS:
        return "assent"
    if word in CONTINUERS:
        return "continuer"
    if word in FILLERS:
        return "filler"
    return "laughter" if LAUGHTER.fullmatch(word) else ""
