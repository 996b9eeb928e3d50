"""Barge-in against the labels: how soon the agent yields to the user, and to what else it yields.

The labelled interruptions are played through real sessions in audio time, with the echo of what was really sent to the
client mixed into its microphone. What the agent says is the first of its call: nothing has been learnt of the echo. The
client and its line have no delay of their own, so that latencies are those of the policy; the echo's delay is as given.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from duologue.audio.format import RATE
from duologue.clock import VirtualClock
from duologue.conversation.config import ConversationConfig
from duologue.conversation.events import AgentChanged, Backchannel, Event, Interrupted, TurnScored
from duologue.conversation.state import AgentState
from duologue.engine import Engine
from duologue.errors import ConfigError, ProviderError
from duologue.recording.replayer import Replayer
from duologue.session import SessionConfig, VoiceSession
from duologue.session.events import ErrorRaised
from duologue.stt import SttModel
from duologue.testing.agents import ScriptedAgent
from duologue.tts import Speech, SpeechItem, TextToSpeech, TtsCapabilities
from duologue.turn import WordsPolicy
from duologue.vad import VoiceActivityDetector
from duologue_bench.acoustics import EchoPath
from duologue_bench.caller import Caller
from duologue_bench.corpus import BargeIn
from duologue_bench.yielding import Moment, Outcome, judge

__all__ = ["DELAYS", "LEVELS", "Ears", "Echo", "Play", "play", "plays"]

LEVELS: Final = (-10, -20, -30)
"""Decibels, relative to the playout."""
DELAYS: Final = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
"""Seconds, to which up to 49 ms are added, so that none is a whole number of frames."""
ROOMS: Final = (0.15, 0.25, 0.4)
"""Seconds of reverberation."""
LAST_DELAY: Final = 0.3


@dataclass(frozen=True, slots=True)
class Ears:
    """The models that listen."""

    vad: VoiceActivityDetector
    stt: SttModel
    words: WordsPolicy


@dataclass(frozen=True, slots=True)
class Echo:
    """What comes back of the agent's own voice."""

    level_db: int
    delay_s: float
    room_s: float


@dataclass(frozen=True, slots=True)
class Play:
    """One interruption under one echo, or none."""

    item: BargeIn
    echo: Echo | None


def plays(items: Sequence[BargeIn], levels: Sequence[int | None] = (None, *LEVELS)) -> list[Play]:
    """Each item at each level, with a delay and a room drawn for both; where the user is silent, with every delay."""
    found: list[Play] = []
    for number, item in enumerate(items):
        for level in levels:
            if level is None:
                found.append(Play(item, None))
                continue
            random = np.random.RandomState((item.seed + level) % 2**32)
            first = number + int(random.randint(len(DELAYS)))
            for shift in range(len(DELAYS) if item.kind == "nothing" else 1):
                delay = DELAYS[(first + shift) % len(DELAYS)] + int(random.randint(50)) / 1000
                room = ROOMS[int(random.randint(len(ROOMS)))]
                found.append(Play(item, Echo(level, round(min(delay, LAST_DELAY), 3), room)))
    return found


async def play(
    chosen: Sequence[Play],
    ears: Ears,
    rules: ConversationConfig | None = None,
    *,
    version: str = "clean",
    on_progress: Callable[[float], None] | None = None,
) -> list[Outcome]:
    """Play them one after another; `on_progress` gets the share that is done.

    Raises ConfigError for none, and ProviderError where a session reports an error, as its figures would be wrong.
    """
    if not chosen:
        raise ConfigError("There are no interruptions to play.", hint="Ask for at least one.")
    rules = replace(rules or ConversationConfig(), partial_every=0.0, apology="", speculation="off")
    outcomes: list[Outcome] = []
    for done, one in enumerate(chosen):
        moments, words = await _moments(one, ears, rules, version)
        outcomes.append(judge(one.item, moments, one.echo, words))
        if on_progress is not None:
            on_progress((done + 1) / len(chosen))
    return outcomes


async def _moments(one: Play, ears: Ears, rules: ConversationConfig, version: str) -> tuple[list[Moment], list[str]]:
    item, echo = one.item, one.echo
    path = EchoPath(item.playout(), echo.level_db, echo.delay_s, echo.room_s, seed=item.seed) if echo else None
    caller = Caller(item.samples(version), path)
    moments: list[Moment] = []
    words: list[str] = []
    errors: list[ErrorRaised] = []

    def watch(event: Event) -> None:
        match event:
            case ErrorRaised():
                errors.append(event)
            case Backchannel() | TurnScored():
                words.append(event.text)
            case Interrupted():
                moments.append(Moment("interrupted", caller.at / RATE, event.reason))
            case AgentChanged(state=AgentState.PAUSED):
                moments.append(Moment("paused", caller.at / RATE, event.reason))
            case AgentChanged(state=AgentState.DUCKED):  # what waits at the client is still loud
                moments.append(Moment("ducked", (caller.at + caller.ready) / RATE, event.reason))
            case AgentChanged(before=AgentState.DUCKED, state=AgentState.SPEAKING):
                moments.append(Moment("unducked", (caller.at + caller.ready) / RATE, event.reason))
            case AgentChanged(before=AgentState.PAUSED, state=AgentState.SPEAKING):
                moments.append(Moment("resumed", caller.at / RATE, event.reason))
            case _:
                pass

    async with Engine(vad=ears.vad, words=ears.words, clock=VirtualClock(), paced=False) as engine:
        session = VoiceSession(
            engine=engine,
            stt=ears.stt,
            tts=_Voice(item),
            agent=ScriptedAgent([], may_stay_silent=True),
            config=SessionConfig(echo="server", rules=replace(rules, greeting=item.agent_text)),
            sink=caller,
        )
        session.watch(watch, lambda _: None)
        async with session:
            await Replayer(session).play(caller.microphone(), max_tail=0.0)
    if errors:
        raise ProviderError(f"A session reported {errors[0].code}: {errors[0].message}", hint=errors[0].hint)
    return moments, words


class _Voice(TextToSpeech):
    """Speaks the agent's utterance of the corpus, as one piece."""

    name = "corpus"
    rate = RATE
    capabilities = TtsCapabilities(aligned=True)

    def __init__(self, item: BargeIn) -> None:
        self._left = [Speech(item.agent_text, item.playout().astype("<i2").tobytes(), RATE)]

    async def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        """The whole utterance for its first clause, nothing for the others."""
        if self._left:
            for item in self._left.pop().items():
                yield item
