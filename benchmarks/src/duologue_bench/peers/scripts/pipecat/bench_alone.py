"""One session in real time with real speech: end of speech → end of the turn → first audio of the answer."""

import argparse
import asyncio
import json
import time
from typing import Any

from pipecat.frames.frames import UserStoppedSpeakingFrame, VADUserStoppedSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat_session import SILENCE, Pace, Session, percentile, phrase

REST_CHUNKS = 200
"""4 s of silence after each phrase; 2 s if the answer has begun by then."""


def note(processor: Any, at: dict[str, float]) -> None:
    """Keep in `at` when the user aggregator says that speech has ended (the last time) and the turn (the first)."""
    push = processor.push_frame

    async def push_frame(frame: object, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        if direction == FrameDirection.DOWNSTREAM:
            if isinstance(frame, UserStoppedSpeakingFrame):
                at.setdefault("turn", time.perf_counter())
            elif isinstance(frame, VADUserStoppedSpeakingFrame):
                at["speech"] = time.perf_counter()
        await push(frame, direction)

    processor.push_frame = push_frame


async def main(turns: int) -> None:
    session = Session(voice_seconds=0.5)
    chunks = phrase()
    at: dict[str, float] = {}
    note(session.users, at)
    await session.run()
    pace = Pace()
    for _ in range(25):
        await session.push(SILENCE)
        await pace.wait()
    answered, processing = [], []
    for _ in range(turns):
        at.clear()
        session.output.first_write_at = None
        for chunk in chunks:
            await session.push(chunk)
            ended = time.perf_counter()
            await pace.wait()
        for rest in range(REST_CHUNKS):
            await session.push(SILENCE)
            await pace.wait()
            if session.output.first_write_at and rest >= REST_CHUNKS // 2:
                break
        first = session.output.first_write_at
        if first and {"turn", "speech"} <= at.keys():
            answered.append((first - ended) * 1e3)
            processing.append((first - at["turn"]) * 1e3)
    await session.stop()
    told = {"turns": turns, "ok": len(answered)}
    for name, values in (("raw", answered), ("turn_to_first_audio", processing)):
        if values:
            told[name] = {"p50": percentile(values, 50), "p95": percentile(values, 95)}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    asyncio.run(main(parser.parse_args().turns))
