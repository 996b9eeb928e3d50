"""Collect examples for `training.fit`: `python -m training.collect --out examples.npz`.

One row for each silence of the corpus's development half in which a transcript arrives: what is known then, and whether
the user goes on. The rules themselves drive the models, under a policy that never decides, so that a row is what a
session sees. Each item is heard clean, over a telephone line and in noise, and Smart Turn always hears it clean: its
opinion is what Moonshine's encoder learns to estimate. Takes ten minutes on one core.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE, WINDOW
from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig, Endpointing
from duologue.conversation.conversation import Conversation
from duologue.conversation.effects import Effect
from duologue.conversation.evidence import SOUND_WINDOW
from duologue.conversation.inputs import Now
from duologue.settings.local import load_local
from duologue.stt import moonshine
from duologue.stt.moonshine import Moonshine
from duologue.stt.moonshine_ending import ending_features, melody_features
from duologue.stt.moonshine_graphs import WIDTH
from duologue.turn.languages import language_pack
from duologue.turn.understanding import joined
from duologue_bench.cached_recognition import Ears, Heard, Play, hear
from duologue_bench.corpus import Item, Pause, Turn, load
from duologue_bench.policies import Setting

NEVER = Endpointing(threshold=1.0, action_delay=60.0, timeout=60.0)
VERSIONS = ("clean", "g711", "noise20", "noise10")
SOUND_AFTER_S = 0.16
"""Silence after which the turn model judges."""
LEAD_S, GUARD_S = 0.3, 0.06
"""Audio before a turn that is kept with it, and before the next turn that is not."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The audio of one turn of an item."""

    part: NDArray[np.int16]

    def samples(self) -> NDArray[np.int16]:
        """Return (n,) int16 at 16 kHz."""
        return self.part


def main() -> None:
    """Collect, and write one row an example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    items = [turn for item in load("dev") for turn in turns(item)]
    local, stt = load_local(), Moonshine()
    ears = Ears(local.vad, local.stt, local.words, local.turn_model)
    rows = [
        {"version": version} | row
        for version in VERSIONS
        for heard in hear(items, version, ears)
        for row in examples(heard, ears, stt)
    ]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    np.savez_compressed(options.out, allow_pickle=False, **columns)
    print(f"{len(rows)} examples of {len(items)} turns are in {options.out}.")


def turns(item: Item) -> Iterator[Item]:
    """Yield each turn of an item as an item of its own."""
    samples = item.samples("clean")
    for number, turn in enumerate(item.turns):
        start = max(0, round((turn.start_s - LEAD_S) * RATE))
        is_last = number == len(item.turns) - 1
        end = len(samples) if is_last else round((item.turns[number + 1].start_s - GUARD_S) * RATE)
        shift = start / RATE
        pauses = tuple(Pause(p.start_s - shift, p.end_s - shift, p.kind) for p in turn.pauses)
        moved = Turn(turn.start_s - shift, turn.end_s - shift, turn.text, pauses)
        yield replace(item, id=f"{item.id}-{number}", turns=(moved,), sound=Slice(samples[start:end]))


class Watch(Play):
    """Plays an item under a policy that never decides, and notes what is asked for."""

    def __init__(self, heard: Heard) -> None:
        rules = ConversationConfig(endpointing=NEVER, partial_every=0.0, apology="", away_after=1e6)
        super().__init__(Conversation(rules), heard, Setting("words", NEVER, rules.speech))
        self.asks: list[tuple[effects.RequestTranscript, int]] = []
        """Each request for words, with the last sample of speech before it."""
        self.starts: list[int] = []
        """First samples of speech."""
        self._last_speech = 0
        self.tell(inputs.CallRequested(agent_speculates=True), Now(0, 0.0))
        for window in heard.windows:
            self.tell(window, Now(window.end, window.end / RATE))

    def answer(self, effect: Effect) -> list[inputs.Input]:
        """Note requests, and where speech starts and stops."""
        match effect:
            case effects.RequestTranscript():
                self.asks.append((effect, self._last_speech))
            case events.SpeechStopped():
                self._last_speech = effect.end
            case events.SpeechStarted():
                self.starts.append(effect.start)
            case _:
                pass
        return super().answer(effect)


def examples(heard: Heard, ears: Ears, stt: Moonshine) -> Iterator[dict[str, Any]]:
    """Yield a row for each transcript that arrives in silence and is not empty."""
    watch, clean = Watch(heard), heard.item.samples("clean")
    (turn,) = heard.item.turns
    first = watch.asks[0][0].start if watch.asks else 0
    for ask, last in watch.asks:
        whole = joined(ask.before, heard.words(ask.start, ask.end), language_pack("en"))
        if not whole:
            continue
        follows = next((start for start in watch.starts if start > last), math.inf)
        goes_on = follows / RATE < turn.end_s
        asked = -(-round(last + SOUND_AFTER_S * RATE) // WINDOW) * WINDOW
        yield {
            "id": heard.item.id,
            "text": whole,
            "words": heard.policy.judge(whole).probability,
            **_features(stt, heard.samples[ask.start : ask.end]),
            "sound": ears.score(clean[max(first, asked - SOUND_WINDOW) : asked]),
            "goes_on": goes_on,
            "pause_s": (follows - last) / RATE if goes_on else math.nan,
        }


def _features(stt: Moonshine, samples: NDArray[np.int16]) -> dict[str, NDArray[np.float32]]:
    """Return the features of `ending_odds` and of `sound_estimate`; zeros if nobody said any words."""
    nothing = {name: np.zeros(2 * WIDTH, np.float32) for name in ("states", "melody")}
    found = [nothing]

    def keep_melody(memory: NDArray[np.float32]) -> float:
        found.append(nothing | {"melody": melody_features(memory)})
        return 0.5

    def keep_states(words: str, states: NDArray[np.float32]) -> float:
        found[-1]["states"] = ending_features(words, states)
        return 0.0

    with patch.multiple(moonshine, sound_estimate=keep_melody, ending_odds=keep_states):
        stt.run([samples.astype(np.float32) * np.float32(1 / 32768)])
    return found[-1]


if __name__ == "__main__":
    main()
