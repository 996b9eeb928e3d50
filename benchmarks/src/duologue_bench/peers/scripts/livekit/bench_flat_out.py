"""One session that is given speech and pauses as fast as its detector takes them: CPU of a chunk."""

import argparse
import asyncio
import json
import os
import time
from typing import Any

from livekit.agents import Agent
from livekit.agents.voice import agent_activity
from livekit.agents.voice.io import AudioInput
from livekit_session import FRAME, PHRASE, SILENCE, Sink, audio_frame, load_models, make_session

WINDOW = 200
"""Frames under way at most."""
WARM = 1000
"""Frames before the measurement."""
TIMEOUT_S = 200.0


class FastInput(AudioInput):
    def __init__(self, frames: int) -> None:
        super().__init__(label="fast")
        self.frames = frames
        self.pushed = 0
        self.scored = 0
        """Samples that the detector has seen."""
        self.may_begin = asyncio.Event()
        self.progress = asyncio.Event()
        self.finished = asyncio.Event()
        self._content = PHRASE + [SILENCE] * 50

    async def __anext__(self) -> Any:
        await self.may_begin.wait()
        if self.pushed >= self.frames + WARM:
            await asyncio.Event().wait()  # nothing more comes
        while self.pushed - self.scored / FRAME > WINDOW:
            self.progress.clear()
            await self.progress.wait()
        frame = audio_frame(self._content[self.pushed % len(self._content)])
        self.pushed += 1
        if self.pushed == WARM:
            self.cpu, self.wall = time.process_time(), time.perf_counter()
        return frame

    def on_scored(self, samples: int) -> None:
        self.scored = samples
        self.progress.set()
        # The detector's windows and frames differ in length: the last two frames may not fill one.
        if samples >= (self.frames + WARM - 2) * FRAME and not self.finished.is_set():
            self.cpu, self.wall = time.process_time() - self.cpu, time.perf_counter() - self.wall
            self.finished.set()


async def main(frames: int) -> None:
    load_models()
    session, audio = make_session(), FastInput(frames)
    session.input.audio, session.output.audio = audio, Sink()
    on_inference = agent_activity.AgentActivity.on_vad_inference_done

    def scored(self: Any, event: Any) -> None:
        on_inference(self, event)
        audio.on_scored(event.samples_index)

    agent_activity.AgentActivity.on_vad_inference_done = scored
    await session.start(Agent(instructions="x"))
    audio.may_begin.set()
    await asyncio.wait_for(audio.finished.wait(), TIMEOUT_S)
    told = {
        "frames": frames,
        "chunks_per_s": round(frames / audio.wall),
        "cpu_us_per_chunk": round(audio.cpu / frames * 1e6, 1),
    }
    print(json.dumps(told), flush=True)
    os._exit(0)  # its threads are not joined


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=6000)
    asyncio.run(main(parser.parse_args().frames))
