"""One session in real time whose answers of 6 s are interrupted: the user's first voiced sample → the sink is silent.

LiveKit's fastest setting: an interruption counts after 0.05 s of speech, and not only after the first 3 s of an answer.
"""

import argparse
import asyncio
import json
import os
import time
from typing import Any

from livekit.agents import Agent
from livekit_session import PHRASE, SILENCE, PacedInput, Sink, audio_frame, load_models, make_session, percentile_ms

VOICED_FRAME = 2
VOICED_AFTER_S = 0.01
"""The phrase is voiced from 50 ms on: in the middle of this frame, half a frame before it is due."""
SPEAKS_S = 2.0
"""How long the agent has spoken when the user begins."""
WATCH_S = 3.5
REST_S = 1.0


class Interruptions(PacedInput):
    def __init__(self) -> None:
        super().__init__()
        self.queue: list[bytes] = []
        self.onsets: list[float] = []

    async def next_frame(self, due: float) -> Any:
        if not self.queue:
            return audio_frame(SILENCE)
        if len(PHRASE) - len(self.queue) == VOICED_FRAME:
            self.onsets.append(due - VOICED_AFTER_S)
        return audio_frame(self.queue.pop(0))


async def main(turns: int) -> None:
    load_models()
    handling = {"turn_detection": "vad", "interruption": {"mode": "vad", "min_duration": 0.05}}
    session = make_session(voice_seconds=6.0, aec_warmup_duration=None, turn_handling=handling)
    audio, sink = Interruptions(), Sink()
    session.input.audio, session.output.audio = audio, sink
    await session.start(Agent(instructions="x"))
    await asyncio.sleep(0.5)
    silenced = []
    for _ in range(turns):
        answers = len(sink.first_at)
        session.say("hello there this is a long reply.")
        while len(sink.first_at) == answers:
            await asyncio.sleep(0.01)
        await asyncio.sleep(SPEAKS_S)
        onsets, began = len(audio.onsets), time.perf_counter()
        audio.queue = list(PHRASE)
        await asyncio.sleep(WATCH_S)
        first = min((at for at in sink.silenced_at if at > began), default=None)
        if first is not None:
            silenced.append(first - audio.onsets[onsets])
        session.interrupt()
        await asyncio.sleep(REST_S)
    print(json.dumps({"n": len(silenced), "of": turns, "p50": percentile_ms(silenced, 50)}), flush=True)
    os._exit(0)  # its threads are not joined


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    asyncio.run(main(parser.parse_args().turns))
