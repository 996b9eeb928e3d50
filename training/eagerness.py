"""Fit the table of eagerness: `python -m training.eagerness [--limit N] [--cache FILE]`.

Plays the development half of the corpus under the default policy with all waits multiplied by a factor, and prints what
each factor costs: the mean latency of turns, and cut-offs a turn. For each price of a cut-off it prints the factor with
the lowest sum, which `conversation/eagerness.py` holds. Nothing is random.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from duologue.conversation import eagerness
from duologue.conversation.config import Endpointing, SpeechDetection
from duologue.settings.local import load_local
from duologue_bench.cache import RecognitionCache
from duologue_bench.cached_recognition import Ears
from duologue_bench.corpus import load
from duologue_bench.policies import Setting
from duologue_bench.turns import Run, play

FACTORS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7)
LONGEST = 3.0
"""Seconds that a turn counts for which was never decided."""
PRICES = (1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class Cost:
    """What a factor costs on average."""

    factor: float
    latency: float
    """Mean seconds from the end of a turn to the decision."""
    cut_offs: float
    """Cut-offs a turn."""

    def at(self, price: float) -> float:
        """Seconds a turn, with cut-offs at this price."""
        return self.latency + price * self.cut_offs


def cost_of(factor: float, run: Run) -> Cost:
    """What came of a factor."""
    ends = [LONGEST if end.latency_s is None else end.latency_s for item in run.items for end in item.ends]
    cuts = sum(pause.cut_after_s is not None for item in run.items for pause in item.pauses)
    return Cost(factor, sum(ends) / len(ends), cuts / len(ends))


def scaled(factor: float) -> Setting:
    """The default policy with all waits multiplied."""
    e = Endpointing()
    waits = {name: factor * getattr(e, name) for name in ("action_delay", "likely_delay", "timeout")}
    return Setting("ours", replace(e, **waits), SpeechDetection())


async def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    local = load_local()
    with RecognitionCache(options.cache) as cache:
        ears = Ears(local.vad, local.stt, local.words, local.turn_model, cache)
        runs = await play(load("dev")[: options.limit], ears, [scaled(factor) for factor in FACTORS])
    costs = [cost_of(factor, run) for factor, run in zip(FACTORS, runs, strict=True)]
    for cost in costs:
        cuts = f"{100 * cost.cut_offs:.1f} cut-offs in 100 turns"
        print(f"factor {cost.factor:.1f}: mean {1000 * cost.latency:.0f} ms, {cuts}")
    for price in PRICES:
        best = min(costs, key=lambda cost: cost.at(price))
        print(f"price {price:g} s: factor {best.factor:.1f} (the table says {eagerness.wait_factor(price):.2f})")


if __name__ == "__main__":
    asyncio.run(main())
