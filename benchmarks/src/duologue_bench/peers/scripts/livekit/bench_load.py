"""Sessions in one process in real time, each with a phrase of 2.56 s in 6 s, and answers of 2 s."""

import argparse
import asyncio
import json
import os
import time
from typing import Any

from livekit.agents import Agent
from livekit.agents.voice import agent_activity
from livekit.agents.voice.io import AudioInput
from livekit_session import (
    FRAME,
    FRAME_S,
    LAST_FRAME,
    PHRASE,
    SILENCE,
    Sink,
    audio_frame,
    load_models,
    make_session,
    percentile_ms,
)

CYCLE = PHRASE + [SILENCE] * (300 - len(PHRASE))
WARM_S = 7.0
"""More than a cycle."""


class Lateness:
    """How late frames were handed over, while it is measured."""

    def __init__(self) -> None:
        self.measures = False
        self.seconds: list[float] = []


class StaggeredInput(AudioInput):
    """Sessions begin in other milliseconds and other places of the cycle."""

    def __init__(self, index: int, lateness: Lateness) -> None:
        super().__init__(label="staggered")
        self.count = 0
        self.scored = 0
        """Samples that the detector has seen."""
        self.ended_at: list[float] = []
        self._offset = index * 37 % len(CYCLE)
        self._delay = index % 20 / 1000
        self._lateness = lateness
        self._began: float | None = None

    async def __anext__(self) -> Any:
        now = time.perf_counter()
        if self._began is None:
            self._began = now + self._delay
        due = self._began + self.count * FRAME_S
        if due > now:
            await asyncio.sleep(due - now)
        if self._lateness.measures:
            self._lateness.seconds.append(time.perf_counter() - due)
        place = (self.count + self._offset) % len(CYCLE)
        frame = audio_frame(CYCLE[place])
        self.count += 1
        if place == len(PHRASE) - 1:
            frame.userdata[LAST_FRAME] = True
            self.ended_at.append(due)
        return frame


async def main(count: int, seconds: float) -> None:
    load_models()
    on_inference = agent_activity.AgentActivity.on_vad_inference_done

    def scored(self: Any, event: Any) -> None:
        self._session.input.audio.scored = event.samples_index
        on_inference(self, event)

    agent_activity.AgentActivity.on_vad_inference_done = scored
    lateness = Lateness()
    tasks = len(asyncio.all_tasks())
    inputs, sinks = [StaggeredInput(index, lateness) for index in range(count)], [Sink() for _ in range(count)]
    sessions = []
    began = time.perf_counter()
    for audio, sink in zip(inputs, sinks, strict=True):
        session = make_session()
        session.input.audio, session.output.audio = audio, sink
        await session.start(Agent(instructions="x"))
        sessions.append(session)
    start_ms = (time.perf_counter() - began) / count * 1e3
    await asyncio.sleep(WARM_S)
    pushed, scored_before = sum(audio.count for audio in inputs), sum(audio.scored for audio in inputs)
    lateness.measures = True
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    lateness.measures = False
    pushed = sum(audio.count for audio in inputs) - pushed
    seen = (sum(audio.scored for audio in inputs) - scored_before) / FRAME
    answered = []
    for audio, sink in zip(inputs, sinks, strict=True):
        for first in sink.first_at:
            ended = [at for at in audio.ended_at if at < first]
            answered.extend([first - ended[-1]] if ended else [])
    told = {
        "N": count,
        "cpu_pct": round(cpu / wall * 100, 1),
        "cpu_us_per_chunk": round(cpu / max(1, pushed) * 1e6, 1),
        "pushed_ratio": round(pushed / (count * wall / FRAME_S), 3),
        "vad_done_ratio": round(seen / max(1, pushed), 3),
        "input_late_ms_p50": percentile_ms(lateness.seconds, 50),
        "p99": percentile_ms(lateness.seconds, 99),
        "start_ms_per_session": round(start_ms, 2),
        "tasks_per_session": round((len(asyncio.all_tasks()) - tasks) / count, 1),
        "eos_to_first_ms_p50": percentile_ms(answered, 50),
        "eos_to_first_p99": percentile_ms(answered, 99),
    }
    print(json.dumps(told), flush=True)
    os._exit(0)  # its threads are not joined


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=8)
    options = parser.parse_args()
    asyncio.run(main(options.sessions, options.seconds))
