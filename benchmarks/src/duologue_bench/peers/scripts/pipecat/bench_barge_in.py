"""One session in real time whose answers of 10 s are interrupted: speech was detected → the output handles it."""

import argparse
import asyncio
import json
import time

from pipecat.frames.frames import InterruptionFrame, VADUserStartedSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat_session import SILENCE, Pace, Session, percentile, phrase

LISTEN_CHUNKS = 75
"""1.5 s in which the answer begins."""
SPEAKING_S = 0.1
"""The agent speaks if audio was written so lately."""


async def main(turns: int) -> None:
    session = Session(voice_seconds=10, speech_timeout=0.2)
    chunks = phrase()
    at: dict[str, float] = {}
    push_frame, handle_frame = session.users.push_frame, session.output._handle_frame

    async def push(frame: object, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        if isinstance(frame, VADUserStartedSpeakingFrame) and direction == FrameDirection.DOWNSTREAM:
            at["detected"] = time.perf_counter()
        await push_frame(frame, direction)

    async def handle(frame: object) -> None:
        await handle_frame(frame)
        if isinstance(frame, InterruptionFrame):
            at["interrupted"] = time.perf_counter()

    session.users.push_frame, session.output._handle_frame = push, handle
    await session.run()
    pace = Pace()

    async def play(some: list[bytes]) -> None:
        for chunk in some:
            await session.push(chunk)
            await pace.wait()

    await play(chunks)
    onset, silenced = [], []
    for _ in range(turns):
        await play([SILENCE] * LISTEN_CHUNKS)
        last = session.output.last_write_at
        speaks = last is not None and time.perf_counter() - last < SPEAKING_S
        began = time.perf_counter()
        at.clear()
        await play(chunks)
        if speaks and {"detected", "interrupted"} <= at.keys():
            onset.append((at["detected"] - began) * 1e3)
            silenced.append((at["interrupted"] - at["detected"]) * 1e3)
    await session.stop()
    told = {
        "turns": len(silenced),
        "onset_to_vad_ms": [percentile(onset, q) for q in (50, 95)],
        "vad_to_output_flushed_ms": [percentile(silenced, q) for q in (50, 95)],
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    asyncio.run(main(parser.parse_args().turns))
