"""Sessions in one process in real time, each with a phrase of 2.2 s and 4 s of silence in turn, and answers of 1 s.

`lag_ms`: a chunk is due → it is pushed. `e2e_ms`: it is due → it has come through the pipeline, detector included.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import time
from collections.abc import Callable
from typing import Any

from pipecat.frames.frames import InputAudioRawFrame
from pipecat_session import CHUNK_S, RATE, SILENCE, Session, percentile, phrase


async def main(count: int, seconds: float, warm: float) -> None:
    loop = phrase() + [SILENCE] * 200
    # One session first, so that imports and what is allocated once are not counted for the others.
    first = Session()
    await first.run()
    await first.stop()
    del first
    gc.collect()
    tasks = len(asyncio.all_tasks())
    lag: list[float] = []
    through: list[float] = []
    measuring = stopped = False

    def arrivals() -> tuple[dict[int, float], Callable[[Any], None]]:
        due_at: dict[int, float] = {}

        def on_audio(frame: Any) -> None:
            due = due_at.pop(frame.id, None)
            if measuring and due is not None:
                through.append((time.perf_counter() - due) * 1e3)

        return due_at, on_audio

    sessions = []
    began = time.perf_counter()
    for _ in range(count):
        due_at, on_audio = arrivals()
        session = Session(on_audio=on_audio)
        await session.run()
        sessions.append((session, due_at))
    created_ms = (time.perf_counter() - began) / count * 1e3
    rng = random.Random(1)

    async def feed(session: Session, due_at: dict[int, float]) -> None:
        start, position = time.perf_counter() + rng.random() * CHUNK_S, rng.randrange(len(loop))
        number = 0
        while not stopped:
            due = start + number * CHUNK_S
            early = due - time.perf_counter()
            if early > 0:
                await asyncio.sleep(early)
            if measuring:
                lag.append((time.perf_counter() - due) * 1e3)
            frame = InputAudioRawFrame(audio=loop[(position + number) % len(loop)], sample_rate=RATE, num_channels=1)
            due_at[frame.id] = due
            await session.input.push_audio_frame(frame)
            number += 1

    feeders = [asyncio.create_task(feed(*session)) for session in sessions]
    await asyncio.sleep(warm)
    measuring = True
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    measuring = False
    told = {
        "n": count,
        "cpu_pct": round(cpu / wall * 100, 1),
        "cpu_us_per_chunk": round(cpu / max(1, len(through)) * 1e6, 1),
        "chunks_out": len(through),
        "expected": int(count * seconds / CHUNK_S),
        "backlog": sum(len(due_at) for _, due_at in sessions),
        "lag_ms": {"p50": percentile(lag, 50), "p99": percentile(lag, 99)},
        "e2e_ms": {"p50": percentile(through, 50), "p99": percentile(through, 99)},
        "tasks_per_session": round((len(asyncio.all_tasks()) - tasks - count) / count, 1),
        "create_ms_per_session": round(created_ms, 1),
    }
    print(json.dumps(told), flush=True)
    stopped = True
    for feeder in feeders:
        feeder.cancel()
    os._exit(0)  # an overloaded pipeline takes minutes to end


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--warm", type=float, default=4)
    options = parser.parse_args()
    asyncio.run(main(options.sessions, options.seconds, options.warm))
