"""A recorded call through the rules again: the same decisions, or the first that differs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duologue.audio.format import RATE
from duologue.conversation.conversation import Conversation
from duologue.conversation.effects import Effect
from duologue.conversation.inputs import Input, Now
from duologue.recording.effects import EffectRecord, encode_effects
from duologue.recording.recording import Recording, Step, read_undamaged

__all__ = ["Difference", "Replay", "first_difference", "handle", "replay", "verify"]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first input whose effects are not those that were recorded."""

    step: int
    """Index of the input."""
    pos: int
    """Its position in the user's audio, in samples."""
    input: str
    """Its name."""
    index: int
    """Index of the first effect that differs."""
    recorded: EffectRecord | None
    """What was recorded there; None if there was no further effect."""
    replayed: EffectRecord | None
    """What is done now."""

    @property
    def seconds(self) -> float:
        """Seconds of the user's audio before it."""
        return self.pos / RATE

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "step": self.step,
            "at_s": round(self.seconds, 3),
            "input": self.input,
            "recorded": self.recorded,
            "replayed": self.replayed,
        }

    def __str__(self) -> str:
        was, is_ = _shown(self.recorded, self.replayed)
        return f"{self.seconds:.3f} s, after {self.input}: recorded {was}; now {is_}"


@dataclass(frozen=True, slots=True)
class Replay:
    """The outcome of a replay."""

    recording: Recording
    effects: list[list[EffectRecord]]
    """What the rules do now, by input; ends with the first input that differs."""
    difference: Difference | None

    @property
    def is_identical(self) -> bool:
        """True if every effect is the recorded one, to the bit."""
        return self.difference is None


def replay(recording: Recording) -> Replay:
    """Pass the recorded inputs to the rules again, with the recorded settings, until something differs."""
    rules = Conversation(recording.settings)
    effects: list[list[EffectRecord]] = []
    for index, step in enumerate(recording.steps):
        effects.append(encode_effects(handle(rules, step.input, step.now)))
        if (difference := first_difference(index, step, effects[-1])) is not None:
            return Replay(recording, effects, difference)
    return Replay(recording, effects, None)


def verify(path: str | Path) -> None:
    """Replay a recorded call; for tests.

    Raises AssertionError with the first difference, and InvalidRecordingError for what cannot be replayed, such as a
    file that is damaged.
    """
    result = replay(read_undamaged(Path(path)))
    assert result.difference is None, f"{Path(path).name} is decided differently: {result.difference}"


def handle(rules: Conversation, input_: Input, now: Now) -> list[Effect]:
    """Return the effects of one input; none if the rules refuse it."""
    try:
        return rules.handle(input_, now)
    except Exception:  # it was refused, or broke the call, as it may have done then
        return []


def first_difference(index: int, step: Step, effects: list[EffectRecord]) -> Difference | None:
    """Return where the effects of an input are not those that were recorded."""
    if effects == step.effects:
        return None
    shared = min(len(effects), len(step.effects))
    at = next((i for i in range(shared) if effects[i] != step.effects[i]), shared)
    recorded = step.effects[at] if at < len(step.effects) else None
    replayed = effects[at] if at < len(effects) else None
    return Difference(index, step.now.pos, type(step.input).__name__, at, recorded, replayed)


def _shown(recorded: EffectRecord | None, replayed: EffectRecord | None) -> tuple[str, str]:
    """Return both effects in short: of two of the same kind, the fields that differ. No text is shown."""
    if recorded is None or replayed is None or recorded["effect"] != replayed["effect"]:
        return _name(recorded), _name(replayed)
    was, is_ = recorded["fields"], replayed["fields"]
    names = [name for name in (was | is_) if was.get(name) != is_.get(name)]
    return _fields(recorded, names), _fields(replayed, names)


def _name(record: EffectRecord | None) -> str:
    if record is None:
        return "nothing"
    return _fields(record, [name for name in ("turn", "generation", "reason") if name in record["fields"]])


def _fields(record: EffectRecord, names: list[str]) -> str:
    shown = []
    for name in names:
        value = record["fields"].get(name)
        is_text = isinstance(value, str) and name not in ("reason", "state", "before", "kind")
        shown.append(f"{name}=..." if is_text or isinstance(value, list) else f"{name}={value}")
    return f"{record['effect']}({', '.join(shown)})"
