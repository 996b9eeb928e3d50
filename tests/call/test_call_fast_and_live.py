"""The same recording in real time and in audio time is decided alike, wherever no evidence was late."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.clock import VirtualClock, WallClock
from duologue.conversation import events
from duologue.conversation.config import ConversationConfig, Endpointing
from duologue.conversation.events import Event
from duologue.recording.replayer import Replayer
from duologue.session import SessionConfig, VoiceSession
from duologue.settings.agents import agent_factory
from duologue.settings.local import LocalModels
from duologue.stt import SttModel
from voice import Voice

pytestmark = pytest.mark.models


PATIENT = SessionConfig(
    echo="none", rules=ConversationConfig(endpointing=Endpointing(words_budget=0.5, sound_budget=0.5))
)
"""Evidence has more time than usual, so that a busy machine seldom makes it late."""


class OneByOne:
    """A model of words whose every item is written alone.

    Texts that are written together are quantised together, and a word on the edge may then be written otherwise; which
    are together depends on how fast the machine is.
    """

    max_batch = 1

    def __init__(self, model: SttModel) -> None:
        self.name, self.languages, self.min_partial_s = model.name, model.languages, model.min_partial_s
        self._model = model

    def size(self, item: NDArray[np.float32]) -> float:
        return self._model.size(item)

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[str]:
        return [self._model.run([item])[0] for item in items]


@dataclass(frozen=True)
class Decision:
    kind: str
    turn: int
    pos: int
    text: str
    reason: str


async def decisions(models: LocalModels, pcm: bytes, *, fast: bool) -> tuple[list[Decision], list[events.EvidenceLate]]:
    """What was decided about the user's turns, where in the audio, and why."""
    seen: list[Event] = []
    async with models.engine(clock=VirtualClock() if fast else WallClock(), paced=not fast) as engine:
        session = VoiceSession(
            engine=engine, stt=OneByOne(models.stt), tts=models.tts, agent=agent_factory("echo")(), config=PATIENT
        )
        stream = session.events(max_queue=10_000)
        async with session:
            await Replayer(session).play(pcm)
        seen = [event async for event in stream]
    late = [e for e in seen if isinstance(e, events.EvidenceLate)]
    decided = []
    for e in seen:
        match e:
            case events.TurnDecided():
                decided.append(Decision("decided", e.turn, e.pos, e.text, e.reason))
            case events.SpeechStarted() | events.SpeechStopped():
                decided.append(Decision(type(e).__name__, e.turn, e.pos, "", e.reason))
            case events.Interrupted():
                decided.append(Decision("interrupted", 0, e.pos, "", e.reason))
    return decided, late


def test_fast_and_real_time_decide_alike(models: LocalModels, voice: Voice) -> None:
    sound = voice.script(
        0.5, "I would like a table for four people.", 3.5, "Tomorrow, um,", 0.6, "at seven o'clock, please.", 1.8,
        "No, wait, please stop talking.", 3.0,
    )  # fmt: skip
    pcm = sound.astype(np.int16).tobytes()
    fast, late_fast = asyncio.run(decisions(models, pcm, fast=True))
    live, late_live = asyncio.run(decisions(models, pcm, fast=False))
    assert not late_fast, "in audio time the sound waits for its evidence"
    assert any(d.kind == "decided" for d in fast)
    assert any(d.kind == "interrupted" for d in fast)
    # On a busy machine evidence may come late, and then the event log is the authority: compare up to there.
    until = min((e.due for e in late_live), default=len(sound))
    assert [d for d in live if d.pos < until] == [d for d in fast if d.pos < until]
