"""Turn-taking against the labels: how often a pause is taken for the end, and how long the end is waited for.

Items are played through real sessions in audio time. The agent answers with nothing, so that it never talks over the
caller and a decision is never taken back. Evidence counts from the position at which it is due, as in a call whose
machine keeps up: latencies are those of the policy, not of a loaded machine.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from duologue.bench.corpus import Item
from duologue.bench.estimate import Estimate, quantile_of, rate_of
from duologue.bench.memo import RememberedSpeechToText, RememberedTurnModel, RememberedVad
from duologue.bench.scoring import Decision, ItemOutcome, score
from duologue.clock import VirtualClock
from duologue.conversation.config import RATE, ConversationConfig, Endpointing
from duologue.conversation.events import Event, TurnDecided
from duologue.engine import Engine
from duologue.errors import ConfigError, ProviderError
from duologue.session import SessionConfig, VoiceSession
from duologue.session.drive import drive
from duologue.session.events import ErrorRaised
from duologue.stt import SttModel
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeTextToSpeech
from duologue.turn import TurnModel, WordsPolicy
from duologue.turn.silence import Silence
from duologue.vad import VoiceActivityDetector

__all__ = ["POLICIES", "Ears", "Policy", "Run", "Setting", "frontier", "play", "settings", "summary"]

Policy = Literal["ours", "words", "vad"]
POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)
"""Words and, in doubt, Smart Turn; words alone; the length of the silence alone."""

THRESHOLDS = (0.5, 0.8)
ACTION_DELAYS = (0.16, 0.256, 0.384, 0.512, 0.768)
TIMEOUTS = (0.96, 1.44, 1.92)
VAD_DELAYS = (0.256, 0.384, 0.512, 0.64, 0.768, 0.96, 1.184, 1.44, 1.6)


@dataclass(frozen=True, slots=True)
class Ears:
    """The models that listen."""

    vad: VoiceActivityDetector
    stt: SttModel
    words: WordsPolicy
    turn_model: TurnModel | None


@dataclass(frozen=True, slots=True)
class Setting:
    """A policy with its settings."""

    policy: Policy
    endpointing: Endpointing

    def as_dict(self) -> dict[str, Any]:
        """What was varied, as plain JSON types; seconds."""
        e = self.endpointing
        varied = {"action_delay_s": e.action_delay}
        if self.policy != "vad":
            varied |= {"timeout_s": e.timeout, "threshold": e.threshold}
        return {"policy": self.policy, **varied}


@dataclass(frozen=True, slots=True)
class Run:
    """All items under one setting."""

    setting: Setting
    items: tuple[ItemOutcome, ...]

    def cut_offs(self, *, real: bool | None = None, kind: str | None = None) -> Estimate:
        """The share of pauses in which the turn was decided; of some speech, or of some pauses, only."""
        pauses = [
            [p.cut_after_s is not None for p in i.pauses if kind in (None, p.kind)]
            for i in self.items
            if real in (None, i.real)
        ]
        return rate_of([(sum(row), len(row)) for row in pauses])

    def latency(self, q: float = 0.5, *, real: bool | None = None) -> Estimate:
        """A quantile of labelled end to decision, in seconds; ends that were never decided count as the longest."""
        return quantile_of([[e.latency_s for e in i.ends] for i in self.items if real in (None, i.real)], q)

    @property
    def point(self) -> tuple[float, float]:
        """(share of pauses cut off, median latency in seconds), without their intervals."""
        cuts = [p.cut_after_s is not None for i in self.items for p in i.pauses]
        latencies = sorted(math.inf if e.latency_s is None else e.latency_s for i in self.items for e in i.ends)
        middle = latencies[math.ceil(len(latencies) / 2) - 1] if latencies else math.nan
        return sum(cuts) / len(cuts) if cuts else math.nan, middle


def settings(policies: Sequence[Policy], *, sweep: bool, base: Endpointing | None = None) -> list[Setting]:
    """Each policy as it comes (first, in the order of `policies`), and with `sweep` under all that is varied."""
    base = base or Endpointing()
    found = [Setting(policy, _alone(base, base.action_delay) if policy == "vad" else base) for policy in policies]
    for policy in policies if sweep else ():
        if policy == "vad":
            found += [Setting(policy, _alone(base, delay)) for delay in VAD_DELAYS]
        else:
            grid = itertools.product(THRESHOLDS, ACTION_DELAYS, TIMEOUTS)
            found += [
                Setting(policy, replace(base, threshold=threshold, action_delay=delay, timeout=timeout))
                for threshold, delay, timeout in grid
                if delay <= timeout
            ]
    return list(dict.fromkeys(found))


def _alone(base: Endpointing, delay: float) -> Endpointing:
    return replace(base, action_delay=delay, timeout=delay)


async def play(
    items: Sequence[Item],
    ears: Ears,
    chosen: Sequence[Setting],
    *,
    version: str = "clean",
    on_progress: Callable[[float], None] | None = None,
) -> list[Run]:
    """Play every item under every setting; `on_progress` is told the share that is done.

    An item is heard by the models once, and its settings share what they said. Raises ConfigError for no items,
    and ProviderError where a session reports an error, as its figures would be wrong.
    """
    if not items:
        raise ConfigError("There are no items to play.", hint="Ask for at least one.")
    outcomes: list[list[ItemOutcome]] = [[] for _ in chosen]
    for done, item in enumerate(items):
        pcm = item.samples(version).tobytes()
        with _remembered(ears) as remembered:
            for n, setting in enumerate(chosen):
                decisions = await _decisions(pcm, remembered, setting)
                outcomes[n].append(score(item, decisions))
                if on_progress is not None:
                    on_progress((done + (n + 1) / len(chosen)) / len(items))
    return [Run(setting, tuple(rows)) for setting, rows in zip(chosen, outcomes, strict=True)]


@contextmanager
def _remembered(ears: Ears) -> Iterator[Ears]:
    vad = RememberedVad(ears.vad)
    model = RememberedTurnModel(ears.turn_model) if ears.turn_model else None
    try:
        yield Ears(vad, RememberedSpeechToText(ears.stt), ears.words, model)
    finally:
        vad.forget()


async def _decisions(pcm: bytes, ears: Ears, setting: Setting) -> list[Decision]:
    words = Silence() if setting.policy == "vad" else ears.words
    model = ears.turn_model if setting.policy == "ours" else None
    rules = ConversationConfig(endpointing=setting.endpointing, partial_every=0.0, apology="", speculation="off")
    decisions: list[Decision] = []
    errors: list[ErrorRaised] = []

    def watch(event: Event) -> None:
        if isinstance(event, ErrorRaised):
            errors.append(event)
        elif isinstance(event, TurnDecided):
            decisions.append(Decision(event.pos / RATE, event.reason))

    async with Engine(vad=ears.vad, words=words, turn_model=model, clock=VirtualClock(), paced=False) as engine:
        session = VoiceSession(
            engine=engine,
            stt=ears.stt,
            tts=FakeTextToSpeech(),
            agent=ScriptedAgent([]),
            config=SessionConfig(echo="none", rules=rules),
        )
        session.watch(watch, lambda _: None)
        async with session:
            await drive(session, engine, pcm, settle=math.inf, longest_tail=0.0)
    if errors:
        raise ProviderError(f"A session reported {errors[0].code}: {errors[0].message}", hint=errors[0].hint)
    return decisions


def frontier(runs: Sequence[Run]) -> list[Run]:
    """The runs that no other beats in both false cut-offs and median latency, by their false cut-offs."""
    found: list[Run] = []
    for run in sorted(runs, key=lambda r: r.point):
        if not found or run.point[1] < found[-1].point[1]:
            found.append(run)
    return found


def summary(run: Run) -> dict[str, Any]:
    """The figures of one run, as plain JSON types: shares 0 to 1, latencies in seconds."""
    kinds = sorted({p.kind for i in run.items for p in i.pauses})
    groups: tuple[tuple[str, bool | None], ...] = (("all", None), ("real", True), ("synthetic", False))
    return {
        **run.setting.as_dict(),
        "false_cut_offs": {name: run.cut_offs(real=real).as_dict() for name, real in groups},
        "false_cut_offs_by_pause": {kind: run.cut_offs(kind=kind).as_dict() for kind in kinds},
        "end_of_turn_s": {
            name: {f"p{round(q * 100)}": run.latency(q, real=real).as_dict() for q in (0.5, 0.9)}
            for name, real in groups
        },
        "never_decided": sum(e.latency_s is None for i in run.items for e in i.ends),
        "decided_in_speech": sum(i.in_speech for i in run.items),
        "decided_between_turns": sum(i.extra for i in run.items),
    }
