"""English: backchannels, assents, fillers, laughter and goodbyes, what asks for an answer, and the apology.

What tells a finished turn from an unfinished one is in `endings.py`, and its words in `vocabulary.py`.
"""

from __future__ import annotations

import re

from duologue.turn.languages import LanguagePack
from duologue.turn.languages.en import vocabulary as v
from duologue.turn.languages.en.answers import answers
from duologue.turn.languages.en.endings import judge
from duologue.turn.languages.en.questions import read_question

__all__ = ["PACK"]

# fmt: off
CONTINUERS = frozenset([
    "aha", "mhm", "mm", "mmhm", "mmhmm", "mmm", "mmmm", "uhhuh",
    "hum", "mama", "mamma", "mmhum", "uhhum",  # "mm-hm" as it is often recognized
])
"""Sounds that mean "I am listening", and "yes" after a question."""

FILLERS = frozenset([
    "ah", "ahh", "aw", "eh", "er", "erm", "hm", "hmm", "hmmm", "huh", "oh", "ooh", "uh", "uhm", "uhuh", "um", "umm",
    "and", "but", "or", "so",  # alone they only begin something; "oh" and "sure" are often recognized so
])
"""Sounds of thinking or surprise, and words that take the floor only with what follows them: never an answer."""

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
    (re.compile(r"^if i$"), "mhm"),  # "uh-huh" as it is often recognized
)
"""The same in several words, each replaced by one of the words above."""

REQUESTS = re.compile(
    r"\b(?:tell me|let me know|please (?:say|tell|confirm|spell|repeat|choose|enter|give)|say (?:yes|no)|press \d"
    r"|could you|can you|would you|may i (?:have|ask)|i need your|what s your)\b"
)
"""What asks without a question mark."""
# fmt: on

PACK = LanguagePack(
    code="en",
    apology="Sorry, something went wrong. Could you say that again?",
    not_understood="Sorry?",
    fillers=("One moment, please.", "I'm still on it.", "Thank you for waiting."),
    responses={"goodbye": GOODBYES, "assent": ASSENTS, "continuer": CONTINUERS, "filler": FILLERS},
    laughter=LAUGHTER,
    phrases=PHRASES,
    question_marks=("?",),
    requests=REQUESTS,
    subjects=v.CLAUSE_SUBJECTS,
    numerals=v.TWO_DIGIT_WORDS.union(v.DIGIT_WORDS),
    date_words=v.DATE_WORDS,
    judge=judge,
    read_question=read_question,
    answers=answers,
)
