"""One session that is given speech as fast as its pipeline drains it: CPU of a chunk.

Pipecat's queues are unbounded, so at most WINDOW chunks are under way.
"""

import argparse
import asyncio
import json
import time

from pipecat_session import Session, speech

WINDOW = 32
WARM_S = 1.5


async def main(seconds: float) -> None:
    drained = 0
    progress = asyncio.Event()

    def on_audio(_: object) -> None:
        nonlocal drained
        drained += 1
        progress.set()

    session = Session(on_audio=on_audio)
    await session.run()
    chunks = speech()
    pushed = 0

    async def drive(seconds: float) -> int:
        nonlocal pushed
        before, end = drained, time.perf_counter() + seconds
        while time.perf_counter() < end:
            while pushed - drained < WINDOW:
                await session.push(chunks[pushed % len(chunks)])
                pushed += 1
            progress.clear()
            if pushed - drained >= WINDOW:
                await progress.wait()
        return drained - before

    await drive(WARM_S)
    tasks, cpu, wall = len(asyncio.all_tasks()), time.process_time(), time.perf_counter()
    done = await drive(seconds)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    told = {
        "chunks": done,
        "chunks_per_s": round(done / wall),
        "cpu_us_per_chunk": round(cpu / done * 1e6, 1),
        "asyncio_tasks": tasks,
    }
    print(json.dumps(told), flush=True)
    await session.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    asyncio.run(main(parser.parse_args().seconds))
