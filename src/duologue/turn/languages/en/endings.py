"""How English turns end: a table of endings, read from the top; the first that fits wins.

Speech recognizers set a full stop after almost anything ("My name is."), so the last words count for more than it does.
From 0.9 up and 0.1 down the words are sure and nothing else need be asked; between, the audio of the turn tells more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from duologue.turn import Judgement
from duologue.turn.languages.en import runs
from duologue.turn.languages.en import vocabulary as v
from duologue.turn.languages.en.tail import Tail, read_tail

__all__ = ["judge"]

LONG = 8
"""Words that a sentence of one thought has at most."""
FEW = 4
"""Words of a short turn: an answer, a greeting, a command."""
OPEN = 0.1
"""After endings of at most this probability something must follow."""
FEW_WORDS_TIMEOUT_FACTOR = 0.6
"""Of short turns that nothing need follow: the pauses after those that do go on are seldom longer than a second."""
GAP_REACH = 7
"""Words back from a gap within which what fills it can stand."""
_FILLER_SOUND = re.compile(r"u+[hm]+|e+r+m*|h+m+|m+|a+h+|eh")


def judge(text: str) -> Judgement:
    """Judge by its last words and its last mark how finished a transcript sounds; the cost does not grow with it.

    Text in other languages is judged by its mark alone, and never raises.
    """
    tail = read_tail(text)
    rule = next(rule for rule in RULES if rule.fits(tail))
    timeout_factor = rule.timeout_factor
    if timeout_factor == 1.0 and rule.probability > OPEN and tail.start == 0 and len(tail.words) <= FEW:
        timeout_factor = FEW_WORDS_TIMEOUT_FACTOR
    return Judgement(rule.probability, rule.reason, timeout_factor)


class _Rule(NamedTuple):
    reason: str
    fits: Callable[[Tail], bool]
    probability: float
    timeout_factor: float = 1.0


def _ends(phrases: frozenset[str]) -> Callable[[Tail], bool]:
    return lambda tail: tail.length_at_end(phrases) > 0


def _last(words: frozenset[str]) -> Callable[[Tail], bool]:
    return lambda tail: tail.last in words


def _is_whole(fits: Callable[[Tail], bool]) -> Callable[[Tail], bool]:
    """The same, where nothing was said before the last sentence."""
    return lambda tail: tail.start == 0 and fits(tail)


def _is_greeting(tail: Tail) -> bool:
    return v.GREETINGS.issuperset(tail.words)


def _is_correction(tail: Tail) -> bool:
    length = tail.length_at_end(v.CORRECTIONS)
    return 0 < length < len(tail.words)


def _is_afterthought(tail: Tail) -> bool:
    """Whether "I think" or its like is a clause of its own after another."""
    return tail.clause_start > tail.start and " ".join(tail.clause) in v.AFTERTHOUGHTS


def _is_open_afterthought(tail: Tail) -> bool:
    if not _is_afterthought(tail):
        return False
    before = tail.words[tail.clause_start - 1]
    return before in v.PREPOSITIONS | v.DETERMINERS | v.COPULAS | v.CONJUNCTIONS


def _is_begun(tail: Tail) -> bool:
    """Whether a conjunction has only begun what is to follow: "and somewhere", "or maybe"."""
    return tail.last in v.INDEFINITES and tail.before in ("and", "or", "but", "so")


def _is_naming(tail: Tail) -> bool:
    return tail.last in v.NAMING and tail.before not in v.SUBJECTS and not _is_gapped(tail)


def _is_bare_question(tail: Tail) -> bool:
    """Whether the last clause is an auxiliary and its subject: "will it?", "is that?"; a tag, or half a question."""
    return len(tail.clause) == 2 and tail.before in v.INVERSIONS and tail.last in v.SUBJECTS


def _is_answer(tail: Tail) -> bool:
    clause = tail.clause
    while len(clause) > 1 and clause[0] in v.AFFIRMATIONS:
        if " ".join(clause) in v.ANSWERS:
            return True
        clause = clause[1:]
    return " ".join(clause) in v.ANSWERS


def _is_lead_in(tail: Tail) -> bool:
    return tail.last in ("well", "anyway", "basically") and v.LEAD_INS.issuperset(tail.sentence)


def _is_filler(tail: Tail) -> bool:
    return _FILLER_SOUND.fullmatch(tail.last) is not None or _is_open_phrase(tail, v.FILLERS)


def _is_elliptical(tail: Tail) -> bool:
    """Whether a subject and its auxiliary stand last: "I can", "yes it is"."""
    return tail.last in v.ELLIPTICAL and tail.before in v.SUBJECTS


def _is_elliptical_answer(tail: Tail) -> bool:
    return _is_elliptical(tail) and len(tail.sentence) > 2 and v.AFFIRMATIONS.issuperset(tail.sentence[:-2])


def _is_gapped(tail: Tail, length: int = 1) -> bool:
    """Whether what the last `length` words lack has been said before: "who is it for?", "that's all I need."."""
    earlier = tail.sentence[:-length][-GAP_REACH:]
    asks = tail.mark == "?" and not v.QUESTION_WORDS.isdisjoint(tail.sentence[:-length][:2])
    return asks or (tail.is_closed and (not v.GAP_WORDS.isdisjoint(earlier) or _has_relative_clause(earlier)))


def _has_relative_clause(words: tuple[str, ...]) -> bool:
    """Whether a relative clause without a pronoun begins in `words`: "anything else I"."""
    words = tuple(word for word in words if word != "else")
    return any(word in v.RELATIVE_GAPS and after in v.SUBJECTS for word, after in pairwise(words))


def _is_open_phrase(tail: Tail, phrases: frozenset[str] = v.OPENINGS) -> bool:
    length = tail.length_at_end(phrases)
    return length > 0 and not _is_gapped(tail, length)


def _is_preposition(tail: Tail) -> bool:
    is_particle = (tail.last in ("on", "in") and tail.before in v.PARTICLE_VERBS) or _is_switched_on(tail)
    return tail.last in v.PREPOSITIONS and not is_particle


def _is_switched_on(tail: Tail) -> bool:
    """Whether `on` follows what is switched: "turn the oven on"; not in "turn left on"."""
    if tail.last != "on" or tail.before in ("left", "right"):
        return False
    return tail.before in v.APPLIANCES or not v.SWITCHES.isdisjoint(tail.sentence[:-2])


def _is_stranded(tail: Tail) -> bool:
    """Whether a preposition may stand last, as in "where are you from?"."""
    return _is_preposition(tail) and _is_gapped(tail) and (tail.last != "to" or tail.mark == "?")


def _is_conjunction(tail: Tail) -> bool:
    return tail.last in v.CONJUNCTIONS and not (tail.mark == "?" and tail.last in v.QUESTION_WORDS)


def _is_copula(tail: Tail) -> bool:
    asked = tail.mark == "?" and _is_gapped(tail)
    return tail.last in v.COPULAS and not _is_elliptical(tail) and not asked


def _is_pronoun(tail: Tail) -> bool:
    if tail.last in v.NOMINATIVES:
        return tail.before not in v.BEFORE_NOMINATIVE
    return tail.last in v.SUBJECTS and (len(tail.words) == 1 or tail.before in v.CLAUSE_STARTS)


def _is_verb(tail: Tail) -> bool:
    is_offer = tail.mark == "?" and len(tail.sentence) == 3 and tail.sentence[0] in ("should", "shall")
    return tail.last in v.TRANSITIVES and tail.before in v.BEFORE_VERB and not (is_offer or _is_gapped(tail))


def _is_repeated(tail: Tail) -> bool:
    """Whether someone starts again and has not got further: "I want the, I want the"."""
    words = tail.words
    return any(len(words) >= 2 * n and words[-n:] == words[-2 * n : -n] for n in (2, 3, 4))


def _is_subordinate(tail: Tail) -> bool:
    """Whether the only clause is one that another must follow: "if I come at seven"."""
    sentence = tail.sentence
    while len(sentence) > 1 and sentence[0] in ("well", "but", "so", "and", "okay"):
        sentence = sentence[1:]
    if len(sentence) > 2 and sentence[-1] == "then":
        return sentence[0] in v.SUBORDINATORS
    return (
        1 < len(sentence) < 9
        and tail.clause_start == tail.start
        and sentence[0] in v.SUBORDINATORS
        and sentence[1] in v.CLAUSE_SUBJECTS
    )


def _is_question(tail: Tail) -> bool:
    """Whether the last sentence has the word order of a question, although it has no question mark."""
    first, *rest = tail.sentence or ("",)
    return len(rest) > 2 and (first in v.QUESTION_WORDS or (first in v.INVERSIONS and rest[0] in v.CLAUSE_SUBJECTS))


def _is_half_question(tail: Tail) -> bool:
    return " ".join(tail.sentence) in v.QUESTION_STARTS


def _is_long(tail: Tail) -> bool:
    """Whether more than one sentence was said, or a long one: who has said much is more likely to have said all."""
    return tail.start > 0 or len(tail.words) > LONG


def _closed(fits: Callable[[Tail], bool]) -> Callable[[Tail], bool]:
    return lambda tail: tail.is_closed and fits(tail)


def _marked(mark: str) -> Callable[[Tail], bool]:
    return lambda tail: tail.mark == mark


def _is_short(tail: Tail) -> bool:
    return len(tail.sentence) < 4


RULES: tuple[_Rule, ...] = (
    _Rule("empty", lambda tail: not tail.words, 0.0),
    # Dictated in pieces, with pauses between them.
    _Rule("address_open", runs.has_open_address, 0.05),
    _Rule("address", runs.has_address_end, 0.85),
    _Rule("spelling", runs.is_spelling, 0.3, 0.55),
    _Rule("digits", runs.has_open_number, 0.05),
    _Rule("digits_complete", lambda tail: runs.is_number(tail) and runs.is_full_number(tail), 0.8),
    _Rule("digits", runs.is_number, 0.3, 0.55),
    # What begins, or takes back, or hangs on something that lacks its end.
    _Rule("greeting", _is_greeting, 0.5),
    _Rule("correction", _is_correction, 0.15),
    _Rule("afterthought", _is_open_afterthought, 0.07, 1.2),
    _Rule("afterthought", _is_afterthought, 0.75),
    # Short answers, which look like anything else from behind.
    _Rule("ellipsis", _marked("…"), 0.1, 1.2),
    _Rule("dash", _marked("-"), 0.1, 1.2),
    _Rule("short_answer", _is_whole(_closed(_is_answer)), 0.8),
    _Rule("short_answer", lambda tail: tail.mark != "," and _is_answer(tail), 0.65),
    _Rule("short_answer", _is_answer, 0.5),
    _Rule("short_answer", lambda tail: tail.mark != "," and _is_elliptical_answer(tail), 0.9),
    # The user keeps the floor, or something must follow.
    _Rule("kept", _closed(_ends(v.KEPT)), 0.8),
    _Rule("hold", _ends(v.HOLDS), 0.05, 2.0),
    _Rule("opening", _is_open_phrase, 0.05, 1.2),
    _Rule("filler", _is_filler, 0.05, 1.2),
    _Rule("filler", _is_lead_in, 0.1, 1.2),
    _Rule("half_question", lambda tail: tail.mark == "?" and _is_half_question(tail), 0.5),
    _Rule("half_question", _is_half_question, 0.1),
    _Rule("half_question", _is_bare_question, 0.4),
    _Rule("closing", lambda tail: tail.mark != "," and tail.length_at_end(v.CLOSINGS) > 0, 0.95),
    _Rule("contraction", _last(v.CONTRACTIONS), 0.05, 1.2),
    _Rule("determiner", _last(v.DETERMINERS), 0.03, 1.2),
    _Rule("conjunction", _is_conjunction, 0.05, 1.2),
    _Rule("begun", _is_begun, 0.07, 1.2),
    _Rule("naming", _is_naming, 0.1, 1.2),
    _Rule("stranded", _is_stranded, 0.5),
    _Rule("preposition", _is_preposition, 0.07, 1.2),
    _Rule("copula", _is_copula, 0.07, 1.2),
    _Rule("pronoun", _is_pronoun, 0.07, 1.2),
    _Rule("verb", _is_verb, 0.1, 1.2),
    _Rule("degree", _last(v.DEGREES), 0.1, 1.2),
    _Rule("title", _last(v.TITLES), 0.05, 1.2),
    _Rule("sentence", lambda tail: _is_elliptical(tail) and _is_gapped(tail, 2), 0.8),
    _Rule("elliptical", _closed(_is_elliptical), 0.5),
    _Rule("elliptical", _is_elliptical, 0.2),
    _Rule("restart", _is_repeated, 0.2, 1.2),
    _Rule("subordinate", _is_subordinate, 0.3, 1.2),
    _Rule("comma", _marked(","), 0.35),
    _Rule("leaning", lambda tail: tail.mark != "?" and tail.last in v.LEANING, 0.4),
    # Nothing speaks against an end.
    _Rule("question", lambda tail: tail.mark == "?" and _is_long(tail), 0.92),
    _Rule("question", _marked("?"), 0.85),
    _Rule("sentence", lambda tail: tail.is_closed and not _is_short(tail) and _is_long(tail), 0.92),
    _Rule("sentence", lambda tail: tail.is_closed and not _is_short(tail), 0.78),
    _Rule("phrase", lambda tail: tail.mark == "." and _is_long(tail), 0.8),
    _Rule("phrase", _marked("."), 0.68),
    _Rule("question", _is_question, 0.65),
    _Rule("phrase", _is_short, 0.5),
    _Rule("unmarked", lambda _: True, 0.5),
)
"""Reason, test, probability, timeout_factor."""
