"""The evidence in a transcript for the rules: its words, how complete they are, and whether they answer the agent."""

from __future__ import annotations

import math

from duologue.conversation.effects import RequestTranscript
from duologue.conversation.inputs import WordsArrived
from duologue.errors import ProviderError
from duologue.turn import Judgement, WordsPolicy
from duologue.turn.languages import LanguagePack

__all__ = ["joined", "understood"]

MAX_TIMEOUT_FACTOR = 1000.0
FEW = 4
"""A piece of at most this many words may end in a comma that means nothing."""


def understood(
    request: RequestTranscript,
    text: str,
    policy: WordsPolicy,
    pack: LanguagePack,
    ending_odds: float = 0.0,
    level: float | None = None,
    sound_estimate: float | None = None,
) -> WordsArrived:
    """Return the answer to a request; what `policy` raises goes through, and ProviderError for what is no judgement.

    Args:
        request: What was asked for.
        text: The words of that stretch.
        policy: Judges how finished the turn sounds.
        pack: The language of the call.
        ending_odds: Log-odds of the end of the turn that the recognizer adds.
        level: How loud the speech was, in dBFS.
        sound_estimate: What a turn model would say of the sound, as the recognizer estimates it.
    """
    whole = joined(request.before, text, pack)
    judged = _checked(policy.name, policy.judge(whole))
    answers = pack.answers(whole, request.expects) if request.expects and text else ""
    return WordsArrived(
        request.ask,
        text,
        judged.probability,
        judged.reason,
        judged.timeout_factor,
        pack.response(text),
        ending_odds,
        answers,
        level,
        sound_estimate,
    )


def _checked(name: str, judged: Judgement) -> Judgement:
    """The judgement with numbers of Python's own, the probability from 0 to 1."""
    try:
        probability, factor = float(judged.probability), float(judged.timeout_factor)
    except (TypeError, ValueError, OverflowError):
        probability = factor = math.nan
    if math.isnan(probability) or not 0 <= factor <= MAX_TIMEOUT_FACTOR or not isinstance(judged.reason, str):
        raise ProviderError(f"{name} gave no judgement that can be: {judged!r:.200}.", provider=name)
    return Judgement(min(max(probability, 0.0), 1.0), judged.reason, factor)


def joined(before: str, piece: str, pack: LanguagePack) -> str:
    """Return the words of a turn, `piece` the last of them, which was transcribed by itself after a pause.

    A recognizer ends a few words by themselves with a comma as readily as with a full stop ("My name is … Williams,",
    "Higher,"), so such a piece counts as a sentence. At the beginning of a turn it does so only if nothing else
    suggests more: a clause is often followed by another ("I'd like to order,"), and numbers and dates are given in
    pieces.
    """
    words = piece.lower().replace("’", "'").rstrip(",").split()
    if piece.endswith(",") and 0 < len(words) <= FEW and (before or not pack.may_be_part(words)):
        piece = f"{piece[:-1]}."
    return f"{before} {piece}".strip()
