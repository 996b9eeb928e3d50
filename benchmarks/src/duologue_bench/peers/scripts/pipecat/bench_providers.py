"""Sessions in one process on Pipecat's services of Deepgram, OpenAI and ElevenLabs, which call stand-ins.

`replies_ms`: a turn is decided → the first audible sample of the reply is written to the transport.
"""

import argparse
import asyncio
import json
import os
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
from pipecat.frames.frames import ErrorFrame, InputAudioRawFrame, OutputAudioRawFrame, UserStoppedSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.elevenlabs.tts import ElevenLabsTTSService
from pipecat.services.openai.llm import OpenAILLMService
from pipecat_session import CHUNK_BYTES, CHUNK_S, RATE, Session, percentile

KEY = "no-secret"
INSTRUCTIONS = "You take bookings for a restaurant. Be brief."
AUDIBLE = 104
"""A sample of -50 dBFS."""


class Measurement:
    """What is noted of all sessions, while it is measured."""

    def __init__(self) -> None:
        self.runs = False
        self.late: list[float] = []
        self.replies: list[float] = []
        self.through = 0
        """Chunks that have come through the pipeline."""
        self.turns = 0
        self.errors = 0


class Call:
    """One session, and the line that it hears."""

    def __init__(self, services: dict[str, str], measurement: Measurement) -> None:
        self._measurement = measurement
        self._decided: float | None = None
        self.session = Session(
            on_audio=self._through,
            services=(
                DeepgramSTTService(api_key=KEY, base_url=services["stt"]),
                OpenAILLMService(
                    api_key=KEY,
                    base_url=f"{services['llm']}/v1",
                    settings=OpenAILLMService.Settings(model="gpt-4o-mini", system_instruction=INSTRUCTIONS),
                ),
                ElevenLabsTTSService(
                    api_key=KEY, url=services["tts"], settings=ElevenLabsTTSService.Settings(voice="voice")
                ),
            ),
        )
        self._watch_decisions()
        self._watch_output()

    def _through(self, _: Any) -> None:
        self._measurement.through += self._measurement.runs

    def _watch_decisions(self) -> None:
        push = self.session.users.push_frame

        async def push_frame(frame: Any, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
            if direction == FrameDirection.DOWNSTREAM and isinstance(frame, UserStoppedSpeakingFrame):
                self._decided = time.perf_counter()
                self._measurement.turns += self._measurement.runs
            elif direction == FrameDirection.UPSTREAM and isinstance(frame, ErrorFrame):
                self._measurement.errors += 1
            await push(frame, direction)

        self.session.users.push_frame = push_frame

    def _watch_output(self) -> None:
        write = self.session.output.write_audio_frame

        async def write_audio_frame(frame: OutputAudioRawFrame) -> bool:
            if self._decided is not None and np.abs(np.frombuffer(frame.audio, np.int16)).max(initial=0) >= AUDIBLE:
                if self._measurement.runs:
                    self._measurement.replies.append(time.perf_counter() - self._decided)
                self._decided = None
            return await write(frame)

        self.session.output.write_audio_frame = write_audio_frame

    async def feed(self, line: list[bytes], share: float) -> None:
        """Play the line in a loop. Sessions begin in other milliseconds and other places of it."""
        start, first, number = time.perf_counter() + share * CHUNK_S, int(share * len(line)), 0
        while True:
            due = start + number * CHUNK_S
            early = due - time.perf_counter()
            if early > 0:
                await asyncio.sleep(early)
            if self._measurement.runs:
                self._measurement.late.append((time.perf_counter() - due) * 1e3)
            pcm = line[(first + number) % len(line)]
            await self.session.input.push_audio_frame(InputAudioRawFrame(audio=pcm, sample_rate=RATE, num_channels=1))
            number += 1


async def main(count: int, seconds: float, warm: float, services: dict[str, str], sound: Path) -> None:
    with wave.open(str(sound)) as file:
        pcm = file.readframes(file.getnframes())
    line = [pcm[at : at + CHUNK_BYTES] for at in range(0, len(pcm) - CHUNK_BYTES + 1, CHUNK_BYTES)]
    measurement = Measurement()
    calls = [Call(services, measurement) for _ in range(count)]
    for call in calls:
        await call.session.run()
    feeders = [asyncio.create_task(call.feed(line, n / count)) for n, call in enumerate(calls)]
    await asyncio.sleep(warm)
    measurement.runs = True
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    measurement.runs = False
    told = {
        "sessions": count,
        "cores": round(cpu / wall, 3),
        "pushed": round(len(measurement.late) / (count * wall / CHUNK_S), 4),
        "scored": round(measurement.through / max(1, len(measurement.late)), 4),
        "late_p50_ms": percentile(measurement.late, 50),
        "late_p99_ms": percentile(measurement.late, 99),
        "turns": measurement.turns,
        "errors": measurement.errors,
        "replies_ms": [round(each * 1e3, 2) for each in measurement.replies],
    }
    print(json.dumps(told), flush=True)
    for feeder in feeders:
        feeder.cancel()
    os._exit(0)  # an overloaded pipeline takes minutes to end


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--warm", type=float, default=5)
    parser.add_argument("--stt", required=True)
    parser.add_argument("--llm", required=True)
    parser.add_argument("--tts", required=True)
    parser.add_argument("--sound", type=Path, required=True)
    options = parser.parse_args()
    addresses = {"stt": options.stt, "llm": options.llm, "tts": options.tts}
    asyncio.run(main(options.sessions, options.seconds, options.warm, addresses, options.sound))
