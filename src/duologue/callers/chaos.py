"""Callers whose network breaks: they lose their connections, stay away, come back, and check each message."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from duologue.callers.chaos_call import FAULTS, ChaosCall
from duologue.callers.chaos_result import ChaosResult
from duologue.callers.voice import Utterance
from duologue.errors import DuologueError, OverloadedError

__all__ = ["SENTENCES", "ChaosResult", "run_chaos"]

SENTENCES: Final = (
    "My grandmother keeps seven blue bicycles in her garden.",
    "Nobody expected such heavy snow during early October.",
    "Our orchestra plays a long symphony on Thursday evening.",
    "A clever fox has stolen three chickens from that farm.",
    "This recipe needs butter, sugar and fresh lemons.",
    "He repaired an old radio with a small screwdriver.",
    "Please water every tomato plant twice a week.",
    "The ferry leaves the harbor before sunrise.",
)
"""What callers say who speak; each always the same, so that the words of another show."""


async def run_chaos(
    url: str,
    *,
    callers: int,
    seconds: float,
    seed: int,
    token: str | None = None,
    said: Sequence[Utterance] = (),
    pause: float = 0.0,
    faults: Sequence[str] = FAULTS,
    result: ChaosResult | None = None,
) -> ChaosResult:
    """Have `callers` call for so long, each with faults drawn from `seed`; a call that is over is followed by another.

    Each calls at least once.

    Args:
        url: The server's stream.
        callers: Callers at once.
        seconds: For how long.
        seed: Fixes what each caller does.
        token: The token that the server asks for.
        said: What callers say; they speak two of three turns, and type the others. Without it they type all.
        pause: Seconds that callers wait before a turn, on average.
        faults: What their network does, drawn with equal chances: `reset`, `away`, `gone`. Empty for nothing.
        result: Is filled in, so that it can be read meanwhile.

    Raises StreamError, or what the server refuses with, if no call could be opened at all.
    """
    result = ChaosResult(seed) if result is None else result
    until = asyncio.get_running_loop().time() + seconds
    errors: list[DuologueError] = []

    async def caller(number: int) -> None:
        now = asyncio.get_running_loop().time
        draw = random.Random(f"{seed} {number}")
        is_first = True
        while is_first or now() < until:
            is_first = False
            call = ChaosCall(url, number, draw, result, token, said=said, pause=pause, faults=faults)
            try:
                await call.run(until)
            except OverloadedError:
                result.refused += 1
                await asyncio.sleep(draw.uniform(0.2, 1.0))
            except DuologueError as error:
                if call.opened and not call.gone:
                    result.lost += 1
                    result.violated(f"caller {number}: {error}")
                errors.append(error)
                await asyncio.sleep(draw.uniform(0.2, 1.0))

    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(caller(number))
    if not result.calls and errors:
        raise errors[0]
    return result
