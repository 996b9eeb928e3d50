"""How long an answer takes to become audible, measured for the very turns whose end is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from duologue.agent import Agent, EndCall, Turn
from duologue.audio.level import first_audible
from duologue.tts import SpeechRequest, TtsModel
from duologue.tts.clauses import ClauseSplitter
from duologue_bench.scoring import Decision

__all__ = ["Voice"]


@dataclass(frozen=True, slots=True)
class Voice:
    """An agent and a voice that answer."""

    agent: Callable[[], Agent]
    tts: TtsModel

    async def timed(self, decisions: Sequence[Decision]) -> list[Decision]:
        """The decisions of one item, with the processing latency of each.

        The answer is made by the wall clock: agent, first clause, its sound up to the first audible sample. What was
        begun before the decision, speculating, has had that long already.
        """
        agent, timed = self.agent(), []
        for n, decision in enumerate(decisions):
            took = await self._first_sound(agent, Turn(n + 1, decision.text, (), _nothing))
            if took is not None and agent.speculative and decision.ahead_s is not None:
                took = max(0.0, took - decision.ahead_s)
            timed.append(replace(decision, processing_s=took))
        return timed

    async def _first_sound(self, agent: Agent, turn: Turn) -> float | None:
        """Wall seconds to the first audible sample; None if the agent says nothing."""
        began = time.perf_counter()
        clause = await _first_clause(agent, turn)
        if not clause:
            return None
        (speech,) = self.tts.run([SpeechRequest(clause)])
        silent = first_audible(speech.pcm)
        return None if silent is None else time.perf_counter() - began + silent / speech.rate


async def _first_clause(agent: Agent, turn: Turn) -> str:
    splitter = ClauseSplitter()
    answer: Any = agent.reply(turn)
    async with aclosing(answer) as pieces:
        async for piece in pieces:
            for clause in () if isinstance(piece, EndCall) else splitter.push(piece):
                return clause
    return next(iter(splitter.flush()), "")


async def _nothing() -> None:
    """What is awaited before a side effect: the turn is decided."""
