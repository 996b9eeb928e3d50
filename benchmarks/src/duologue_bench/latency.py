"""How soon one caller is answered: labelled turns through the whole stack, at the wall's pace where it matters.

While the user speaks, sound goes as fast as the models do, because nothing that is measured happens there. From a
little before the labelled end of each turn until its answer sounds, 20 ms of sound take 20 ms, so that words,
speculation and speech have the time that they have in a call, and no more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from duologue.agent import Agent
from duologue.audio.format import FRAME, RATE
from duologue.clock import VirtualClock
from duologue.conversation.config import ConversationConfig
from duologue.conversation.events import Event, TurnDecided
from duologue.conversation.state import SessionState
from duologue.engine import Engine
from duologue.errors import ConfigError, ProviderError
from duologue.recording.replayer import FRAME_BYTES, Replayer
from duologue.recording.sink import Recorder
from duologue.session import SessionConfig, VoiceSession
from duologue.session.events import ErrorRaised, TurnMeasured
from duologue.stt import SpeechToText, SttModel
from duologue.tts import TextToSpeech, TtsModel
from duologue_bench.bootstrap import Estimate, quantile_of
from duologue_bench.corpus import Item, Turn

__all__ = ["Answered", "measure", "summary"]

TICKS: Final = 2
"""Ticks of the engine for each frame, as many as a paced engine makes."""
BEFORE: Final = 0.2
"""Seconds before the labelled end from which on sound keeps the wall's pace."""
LONGEST: Final = 2.0
"""Seconds after the labelled end in which an answer is waited for."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One labelled turn and its answer. Seconds."""

    item: str
    end_s: float
    """The labelled end of the turn, in the item."""
    decided_s: float
    """Labelled end → decided."""
    processing_s: float
    """Decided → first audible sample handed to the transport."""
    speculation: str
    """`hit` where the answer was prepared before the turn was decided, else `none`."""
    reason: str
    """Why the turn was decided."""
    stages: dict[str, float]

    @property
    def voice_to_voice_s(self) -> float:
        """Labelled end → first audible sample of the answer."""
        return self.decided_s + self.processing_s

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types; seconds."""
        return {
            "item": self.item,
            "end_s": round(self.end_s, 4),
            "decided_s": round(self.decided_s, 4),
            "processing_s": round(self.processing_s, 5),
            "voice_to_voice_s": round(self.voice_to_voice_s, 4),
            "speculation": self.speculation,
            "reason": self.reason,
            "stages": {name: round(at, 4) for name, at in self.stages.items()},
        }


async def measure(
    items: Sequence[Item],
    make_engine: Callable[[VirtualClock], Engine],
    stt: SpeechToText | SttModel,
    tts: TextToSpeech | TtsModel,
    make_agent: Callable[[], Agent],
    *,
    turns: int = 200,
    on_progress: Callable[[int], None] | None = None,
) -> list[Answered]:
    """Play `items` until `turns` of their turns are answered; `on_progress` gets their number.

    A turn that was decided in one of its pauses, or was not answered within 2 s of its end, is left out: false
    cut-offs are counted by `bench turns`. Raises ConfigError for nothing to play, ProviderError where a session
    reports an error, as its figures would be wrong.
    """
    if not items or turns < 1:
        raise ConfigError("There is nothing to play.", hint="Ask for at least one item and one turn.")
    answered: list[Answered] = []
    for item in items:
        clock = VirtualClock()
        async with make_engine(clock) as engine:
            answered += await _Call(item, engine, clock, stt, tts, make_agent()).play()
        if on_progress is not None:
            on_progress(min(turns, len(answered)))
        if len(answered) >= turns:
            break
    return answered[:turns]


class _Call:
    """One item, played to a session of its own."""

    def __init__(
        self,
        item: Item,
        engine: Engine,
        clock: VirtualClock,
        stt: SpeechToText | SttModel,
        tts: TextToSpeech | TtsModel,
        agent: Agent,
    ) -> None:
        self._item = item
        config = SessionConfig(echo="none", rules=ConversationConfig(partial_every=0.0, apology=""))
        sink = Recorder(tts.rate, clock)
        self._session = VoiceSession(engine=engine, stt=stt, tts=tts, agent=agent, config=config, sink=sink)
        self._replayer = Replayer(self._session, ticks=TICKS)
        self._decided: list[TurnDecided] = []
        self._measured: list[tuple[TurnDecided, TurnMeasured]] = []
        self._errors: list[ErrorRaised] = []

    async def play(self) -> list[Answered]:
        """All turns of the item that were answered after their labelled end."""
        self._session.watch(self._take, lambda _: None)
        pcm = self._item.samples().tobytes()
        found: list[Answered] = []
        async with self._session:
            left = list(self._item.turns)
            began: float | None = None
            for n in range(len(pcm) // FRAME_BYTES):
                at = n * FRAME
                if left and at >= left[0].end_s - BEFORE:
                    began = time.monotonic() - at if began is None else began
                    await self._until(began + at)
                else:
                    await self._replayer.wait_until_ready()
                if self._session.state is SessionState.ENDED:
                    break
                await self._replayer.send(pcm[n * FRAME_BYTES : (n + 1) * FRAME_BYTES])
                if left and (self._answer_of(left[0]) or at > left[0].end_s + LONGEST):
                    found += self._answer_of(left.pop(0))
                    self._session.interrupt()
                    began = None
        if self._errors:
            error = self._errors[0]
            raise ProviderError(f"A session reported {error.code}: {error.message}", hint=error.hint)
        return found

    async def _until(self, wall: float) -> None:
        """Let what runs go on until `wall`."""
        while (left := wall - time.monotonic()) > 0:
            await asyncio.sleep(left)

    def _take(self, event: Event) -> None:
        if isinstance(event, ErrorRaised):
            self._errors.append(event)
        elif isinstance(event, TurnDecided):
            self._decided.append(event)
        elif isinstance(event, TurnMeasured):
            self._measured.append((self._decided[-1], event))

    def _answer_of(self, turn: Turn) -> list[Answered]:
        """The answer to a turn that was decided after its labelled end; empty while there is none."""
        return [
            Answered(
                self._item.id,
                turn.end_s,
                # What had arrived and was not scored yet is time that the user has waited, too.
                decided.pos / RATE - turn.end_s + measured.stages["decided"] - decided.silence,
                measured.processing,
                measured.speculation,
                decided.reason,
                measured.stages,
            )
            for decided, measured in self._measured
            if 0 <= decided.pos / RATE - turn.end_s <= LONGEST
        ][:1]


def summary(answered: Sequence[Answered]) -> dict[str, Any]:
    """Medians, p95 and their intervals as plain JSON types; seconds. Processing is split by speculation, too."""

    def both(values: Callable[[Answered], float], rows: Sequence[Answered]) -> dict[str, Any]:
        items = sorted({a.item for a in rows})
        of = [[values(a) for a in rows if a.item == item] for item in items]
        estimates: dict[str, Estimate] = {f"p{round(q * 100)}": quantile_of(of, q) for q in (0.5, 0.95)}
        return {name: estimate.as_dict() for name, estimate in estimates.items()}

    hits = [a for a in answered if a.speculation == "hit"]
    misses = [a for a in answered if a.speculation != "hit"]
    return {
        "turns": len(answered),
        "speculation_hits": len(hits),
        "processing_s": both(lambda a: a.processing_s, answered),
        "processing_hit_s": both(lambda a: a.processing_s, hits),
        "processing_miss_s": both(lambda a: a.processing_s, misses),
        "end_to_decided_s": both(lambda a: a.decided_s, answered),
        "voice_to_voice_s": both(lambda a: a.voice_to_voice_s, answered),
    }
