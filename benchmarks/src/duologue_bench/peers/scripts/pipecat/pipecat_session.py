"""A Pipecat session in process: instant fakes for recognition, model and speech; Pipecat's own Silero detector.

The pipeline has the order of Pipecat's example of a voice agent: transport input, recognizer, user aggregator (detector
and turns), language model, voice, transport output, assistant aggregator. Nothing in it waits for a network, so what is
measured is the runtime.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile
import soxr
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

logger.remove()
logger.add(sys.stderr, level="ERROR")

RATE = 16_000
CHUNK_S = 0.02
CHUNK_BYTES = int(RATE * CHUNK_S) * 2
SILENCE = bytes(CHUNK_BYTES)
VOICE_RATE = 24_000
PHRASE = (10.60, 12.82)
"""Seconds of two_cities.wav: one phrase without a pause of more than 0.2 s."""
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0


def speech() -> list[bytes]:
    """The whole recording in chunks of 20 ms, its peak at 0.7 of full scale."""
    samples, rate = soundfile.read(Path(__file__).parent / "assets" / "two_cities.wav", dtype="float32")
    if samples.ndim > 1:
        samples = samples.mean(axis=1)
    if rate != RATE:
        samples = soxr.resample(samples, rate, RATE)
    pcm = (samples * (0.7 * 32767 / np.abs(samples).max())).astype(np.int16).tobytes()
    return [pcm[at : at + CHUNK_BYTES] for at in range(0, len(pcm) - CHUNK_BYTES + 1, CHUNK_BYTES)]


def phrase() -> list[bytes]:
    """One phrase of 2.2 s."""
    first, last = (round(at / CHUNK_S) for at in PHRASE)
    return speech()[first:last]


class InstantInput(BaseInputTransport):
    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)


class InstantRecognizer(STTService):
    """Has the transcript as soon as the detector reports the end of speech."""

    def __init__(self) -> None:
        super().__init__(ttfs_p99_latency=0.35, settings=STTSettings(model="fake", language=None))

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        return
        yield  # an asynchronous generator without items

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            await self.push_frame(TranscriptionFrame(text="hello there", user_id="u", timestamp="", finalized=True))


class InstantModel(LLMService):
    """Has all tokens of its answer at once."""

    def __init__(self) -> None:
        super().__init__(
            settings=LLMSettings(
                model="fake",
                system_instruction=None,
                temperature=None,
                max_tokens=None,
                top_p=None,
                top_k=None,
                frequency_penalty=None,
                presence_penalty=None,
                seed=None,
                filter_incomplete_user_turns=False,
                user_turn_completion_config=None,
            )
        )

    def can_generate_metrics(self) -> bool:
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await self.start_ttfb_metrics()
        for token in ("Hello ", "there, ", "I ", "am ", "fine."):
            await self.stop_ttfb_metrics()
            await self._push_llm_text(token)
        await self.push_frame(LLMFullResponseEndFrame())


class InstantVoice(TTSService):
    """Has `seconds` of a tone at once, in frames of 100 ms."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=VOICE_RATE,
            settings=TTSSettings(model="fake", voice="fake", language=None),
        )
        at = np.arange(VOICE_RATE // 10) / VOICE_RATE
        self._frame = (np.sin(2 * np.pi * 440 * at) * 8000).astype(np.int16).tobytes()
        self._frames = int(seconds * 10)

    def can_generate_metrics(self) -> bool:
        return True

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        for _ in range(self._frames):
            yield TTSAudioRawFrame(audio=self._frame, sample_rate=VOICE_RATE, num_channels=1, context_id=context_id)


class PacedOutput(BaseOutputTransport):
    """Takes audio at the rate of Pipecat's WebSocket transport, and notes the time of each write."""

    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self.first_write_at: float | None = None
        self.last_write_at: float | None = None
        self._next_at = 0.0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        self._interval = self.audio_chunk_size / self.sample_rate / 2
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self.last_write_at = time.perf_counter()
        if self.first_write_at is None:
            self.first_write_at = self.last_write_at
        early = max(0.0, self._next_at - time.monotonic())
        await asyncio.sleep(early)
        self._next_at = (self._next_at if early else time.monotonic()) + self._interval
        return True


class Tap(FrameProcessor):
    """Tells of each audio frame that has come through the whole pipeline."""

    def __init__(self, on_audio: Callable[[Frame], None] | None) -> None:
        super().__init__(enable_direct_mode=True)  # without a task and a queue of its own
        self._on_audio = on_audio

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if self._on_audio and isinstance(frame, InputAudioRawFrame):
            self._on_audio(frame)
        await self.push_frame(frame, direction)


class Session:
    """One session with a worker and a runner of its own, as in Pipecat's examples.

    `services` are its recognizer, model and voice; without them it has instant fakes.
    """

    def __init__(
        self,
        *,
        on_audio: Callable[[Frame], None] | None = None,
        speech_timeout: float = 0.6,
        voice_seconds: float = 1.0,
        services: tuple[STTService, LLMService, TTSService] | None = None,
    ) -> None:
        params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
        self.input = InstantInput(params)
        self.output = PacedOutput(params)
        recognizer, model, self.voice = services or (InstantRecognizer(), InstantModel(), InstantVoice(voice_seconds))
        strategies = UserTurnStrategies(
            start=[VADUserTurnStartStrategy()],
            stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=speech_timeout)],
        )
        self.users, self.agents = LLMContextAggregatorPair(
            LLMContext(),
            user_params=LLMUserAggregatorParams(
                vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=0.2)), user_turn_strategies=strategies
            ),
        )
        processors = [self.input, recognizer, self.users, model, self.voice, self.output, self.agents]
        self._worker = PipelineWorker(
            Pipeline([*processors, Tap(on_audio)]),
            params=PipelineParams(
                audio_in_sample_rate=RATE,
                audio_out_sample_rate=VOICE_RATE,
                enable_metrics=True,
                enable_usage_metrics=True,
            ),
        )
        self._started = asyncio.Event()

        @self._worker.event_handler("on_pipeline_started")
        async def started(*_: object) -> None:
            self._started.set()

    async def run(self) -> None:
        """Start the pipeline."""
        self._runner = WorkerRunner(handle_sigint=False)
        await self._runner.add_workers(self._worker)
        self._task = asyncio.create_task(self._runner.run())
        await asyncio.wait_for(self._started.wait(), START_TIMEOUT_S)

    async def push(self, pcm: bytes) -> Frame:
        """Hand a chunk of the user's audio in."""
        frame = InputAudioRawFrame(audio=pcm, sample_rate=RATE, num_channels=1)
        await self.input.push_audio_frame(frame)
        return frame

    async def stop(self) -> None:
        """End the pipeline."""
        await self._runner.cancel()
        await asyncio.wait_for(self._task, STOP_TIMEOUT_S)


class Pace:
    """Waits until the next chunk of 20 ms is due."""

    def __init__(self) -> None:
        self._next_at = time.perf_counter()

    async def wait(self) -> None:
        self._next_at += CHUNK_S
        early = self._next_at - time.perf_counter()
        if early > 0:
            await asyncio.sleep(early)


def percentile(values: list[float], q: float) -> float:
    """NaN if there are no values."""
    return round(float(np.percentile(values, q)), 2) if values else float("nan")
