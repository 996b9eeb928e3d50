"""Sessions in one process on LiveKit's plugins of Deepgram, OpenAI and ElevenLabs, which call stand-ins.

`replies_ms`: a turn is decided → the first audible sample of the reply is handed to the output.
"""

import argparse
import asyncio
import json
import os
import time
import wave
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentSession, inference
from livekit.agents.voice import agent_activity
from livekit.agents.voice.io import AudioInput
from livekit.plugins import deepgram, elevenlabs, openai
from livekit_session import FRAME, FRAME_S, Sink, audio_frame, load_models, percentile_ms

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
        self.turns = 0
        self.errors = 0


class LineInput(AudioInput):
    """Plays the line in a loop. Sessions begin in other milliseconds and other places of it."""

    def __init__(self, line: list[bytes], share: float, measurement: Measurement) -> None:
        super().__init__(label="line")
        self.count = 0
        self.scored = 0
        """Samples that the detector has seen."""
        self._line = line
        self._first = int(share * len(line))
        self._delay = share * FRAME_S
        self._measurement = measurement
        self._began: float | None = None

    async def __anext__(self) -> rtc.AudioFrame:
        now = time.perf_counter()
        if self._began is None:
            self._began = now + self._delay
        due = self._began + self.count * FRAME_S
        if due > now:
            await asyncio.sleep(due - now)
        if self._measurement.runs:
            self._measurement.late.append(time.perf_counter() - due)
        frame = audio_frame(self._line[(self.count + self._first) % len(self._line)])
        self.count += 1
        return frame


class HeardSink(Sink):
    """Notes how long after the decision a reply is audible."""

    def __init__(self, measurement: Measurement) -> None:
        super().__init__()
        self._measurement = measurement
        self._decided: float | None = None

    def decided(self, at: float) -> None:
        """A turn was decided."""
        self._decided = at
        self._measurement.turns += self._measurement.runs

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        if self._decided is not None and np.abs(np.frombuffer(frame.data, np.int16)).max(initial=0) >= AUDIBLE:
            if self._measurement.runs:
                self._measurement.replies.append(time.perf_counter() - self._decided)
            self._decided = None
        await super().capture_frame(frame)


def make_session(services: dict[str, str], http: aiohttp.ClientSession, measurement: Measurement) -> AgentSession:
    """A session with plugins of its own. Nothing is prepared before a turn is decided."""
    session = AgentSession(
        stt=deepgram.STT(model="nova-3", api_key=KEY, base_url=f"{services['stt']}/v1/listen", http_session=http),
        llm=openai.LLM(model="gpt-4o-mini", api_key=KEY, base_url=f"{services['llm']}/v1"),
        tts=elevenlabs.TTS(
            api_key=KEY,
            base_url=f"{services['tts']}/v1",
            encoding="pcm_24000",
            preferred_alignment="original",
            http_session=http,
        ),
        vad=inference.VAD(),
        turn_handling={"turn_detection": "vad", "preemptive_generation": {"enabled": False}},
    )

    @session.on("error")
    def on_error(_: Any) -> None:
        measurement.errors += 1

    return session


def watch() -> None:
    """Have the activity of each session tell what it decides and what its detector has seen."""
    on_end = agent_activity.AgentActivity.on_end_of_turn
    on_inference = agent_activity.AgentActivity.on_vad_inference_done

    def on_end_of_turn(self: Any, info: Any) -> bool:
        began = time.perf_counter()
        is_over = on_end(self, info)
        if is_over:
            self._session.output.audio.decided(began)
        return is_over

    def on_vad_inference_done(self: Any, event: Any) -> None:
        self._session.input.audio.scored = event.samples_index
        on_inference(self, event)

    agent_activity.AgentActivity.on_end_of_turn = on_end_of_turn
    agent_activity.AgentActivity.on_vad_inference_done = on_vad_inference_done


async def main(count: int, seconds: float, warm: float, services: dict[str, str], sound: Path) -> None:
    load_models()
    with wave.open(str(sound)) as file:
        pcm = file.readframes(file.getnframes())
    line = [pcm[at : at + 2 * FRAME] for at in range(0, len(pcm) - 2 * FRAME + 1, 2 * FRAME)]
    measurement = Measurement()
    watch()
    inputs = [LineInput(line, n / count, measurement) for n in range(count)]
    sessions = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        for audio in inputs:
            session = make_session(services, http, measurement)
            session.input.audio, session.output.audio = audio, HeardSink(measurement)
            await session.start(Agent(instructions=INSTRUCTIONS))
            sessions.append(session)
        await asyncio.sleep(warm)
        pushed, scored = sum(audio.count for audio in inputs), sum(audio.scored for audio in inputs)
        measurement.runs = True
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        measurement.runs = False
        pushed = sum(audio.count for audio in inputs) - pushed
        scored = (sum(audio.scored for audio in inputs) - scored) / FRAME
        told = {
            "sessions": count,
            "cores": round(cpu / wall, 3),
            "pushed": round(pushed / (count * wall / FRAME_S), 4),
            "scored": round(scored / max(1, pushed), 4),
            "late_p50_ms": percentile_ms(measurement.late, 50),
            "late_p99_ms": percentile_ms(measurement.late, 99),
            "turns": measurement.turns,
            "errors": measurement.errors,
            "replies_ms": [round(each * 1e3, 2) for each in measurement.replies],
        }
        print(json.dumps(told), flush=True)
        os._exit(0)  # its threads are not joined


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
