"""One session in real time with real speech: end of speech → first audio of the answer; the turn is over → the same.

Speech ends when the frame with its last voiced sample is due.
"""

import argparse
import asyncio
import json
import os
import time
from typing import Any

from livekit.agents import Agent
from livekit.agents.voice import agent_activity
from livekit_session import (
    LAST_FRAME,
    PHRASE,
    SILENCE,
    PacedInput,
    Sink,
    audio_frame,
    load_models,
    make_session,
    percentile_ms,
)

BEFORE, AFTER = 50, 200
"""Frames of silence around a phrase."""
EARLIEST_S, LATEST_S = -0.5, 4.2
"""An answer that begins in this time after the end of speech belongs to it."""


class Turns(PacedInput):
    def __init__(self, turns: int) -> None:
        super().__init__()
        self._turns = turns
        self._cycle = [SILENCE] * BEFORE + PHRASE + [SILENCE] * AFTER
        self.ended_at: list[float] = []
        self.done = asyncio.Event()

    async def next_frame(self, due: float) -> Any:
        if self.count > self._turns * len(self._cycle):
            self.done.set()
            await asyncio.Event().wait()  # nothing more comes
        place = (self.count - 1) % len(self._cycle)
        frame = audio_frame(self._cycle[place])
        if place == BEFORE + len(PHRASE) - 1:
            frame.userdata[LAST_FRAME] = True
            self.ended_at.append(due)
        return frame


async def main(turns: int) -> None:
    load_models()
    session, audio, sink = make_session(), Turns(turns), Sink()
    session.input.audio, session.output.audio = audio, sink
    decided_at: list[float] = []
    on_end = agent_activity.AgentActivity.on_end_of_turn

    def on_end_of_turn(self: Any, info: Any) -> bool:
        began = time.perf_counter()
        is_over = on_end(self, info)
        if is_over:
            decided_at.append(began)
        return is_over

    agent_activity.AgentActivity.on_end_of_turn = on_end_of_turn
    await session.start(Agent(instructions="x"))
    await audio.done.wait()
    answered = []
    for ended in audio.ended_at:
        firsts = [at - ended for at in sink.first_at if EARLIEST_S < at - ended < LATEST_S]
        answered.extend(firsts[:1])
    processing = []
    for first in sink.first_at:
        decided = [at for at in decided_at if at <= first]
        processing.extend([first - decided[-1]] if decided else [])
    told = {
        "turns": len(audio.ended_at),
        "replies": len(sink.first_at),
        "raw_ms_p50": percentile_ms(answered, 50),
        "turn_commit_to_first_frame_ms_p50": percentile_ms(processing, 50),
    }
    print(json.dumps(told), flush=True)
    os._exit(0)  # its threads are not joined


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    asyncio.run(main(parser.parse_args().turns))
