"""What the booking agent says often, it says in these very words, so that it can be spoken ahead."""

from datetime import date

import pytest

from duologue.agent import HasCommonPhrases, Turn
from duologue.agent.booking import BookingAgent
from duologue.tts.clauses import ClauseSplitter

TODAY = date(2026, 6, 10)


def clauses(text: str) -> list[str]:
    splitter = ClauseSplitter()
    return [clause.strip() for clause in (*splitter.push(text), *splitter.flush())]


async def committed() -> None:
    """Nothing is held back."""


@pytest.mark.anyio
async def test_a_call_consists_largely_of_phrases_that_can_be_spoken_ahead() -> None:
    agent = BookingAgent(today=TODAY)
    assert isinstance(agent, HasCommonPhrases)
    ahead = {clause for phrase in agent.phrases for clause in clauses(phrase)}
    said: list[str] = []
    words = ("Hello.", "A table for four.", "Tomorrow.", "At seven thirty in the evening.", "Miller.", "Yes.", "No.")
    for n, text in enumerate(words, 1):
        async for piece in agent.reply(Turn(n, text, (), committed)):
            if isinstance(piece, str):
                said += clauses(piece)
    assert sum(clause in ahead for clause in said) > len(said) / 3


def test_no_phrase_is_there_twice() -> None:
    assert len(set(BookingAgent.phrases)) == len(BookingAgent.phrases)
