"""The evidence in a transcript for the rules: its words, how complete they are, and whether they answer the agent."""

from __future__ import annotations

from duologue.conversation.effects import RequestTranscript
from duologue.conversation.inputs import WordsArrived
from duologue.turn import WordsPolicy
from duologue.turn.languages import LanguagePack
from duologue.turn.pieces import joined

__all__ = ["understood"]


def understood(
    request: RequestTranscript,
    text: str,
    policy: WordsPolicy,
    pack: LanguagePack,
    ending_odds: float = 0.0,
    level: float | None = None,
) -> WordsArrived:
    """Return the answer to a request; what `policy` raises goes through.

    Args:
        request: What was asked for.
        text: The words of that stretch.
        policy: Judges how finished the turn sounds.
        pack: The language of the call.
        ending_odds: Log-odds of the end of the turn that the recognizer adds.
        level: How loud the speech was, in dBFS.
    """
    whole = joined(request.before, text, pack)
    judged = policy.judge(whole)
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
    )
