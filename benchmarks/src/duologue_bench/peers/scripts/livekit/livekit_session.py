"""A LiveKit session in process: instant fakes for recognition, language model and speech; LiveKit's own detector.

The recognizer knows where speech ends: the driver marks that frame. Nothing waits for a network, so what is measured is
the runtime.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import AgentSession, LanguageCode, inference, llm, stt, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN
from livekit.agents.voice.io import AudioInput, AudioOutput, AudioOutputCapabilities

RATE = 16_000
FRAME = 320
FRAME_S = FRAME / RATE


def _frames(samples: np.ndarray) -> list[bytes]:
    return [samples[at : at + FRAME].tobytes() for at in range(0, len(samples) - FRAME + 1, FRAME)]


PHRASE = _frames(np.load(Path(__file__).parent / "phrase.npy"))
"""128 frames."""
SILENCE = np.random.default_rng(0).normal(0, 3, FRAME).astype(np.int16).tobytes()
"""Noise at -80 dBFS."""
LAST_FRAME = "end of speech"


def audio_frame(pcm: bytes) -> rtc.AudioFrame:
    return rtc.AudioFrame(data=pcm, sample_rate=RATE, num_channels=1, samples_per_channel=FRAME)


class InstantRecognizer(stt.STT):
    """Streams: has the transcript when the frame comes that is marked as the last of the user's speech."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(self, *, language: Any = NOT_GIVEN, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> Any:
        return InstantRecognition(stt=self, conn_options=conn_options)


class InstantRecognition(stt.RecognizeStream):
    async def _run(self) -> None:
        async for frame in self._input_ch:
            if isinstance(frame, rtc.AudioFrame) and (frame.userdata or {}).get(LAST_FRAME):
                words = stt.SpeechData(text="ever tried ever failed no matter.", language=LanguageCode("en"))
                event = stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[words])
                self._event_ch.send_nowait(event)


class InstantModel(llm.LLM):
    """Has all tokens of its answer at once."""

    def chat(
        self,
        *,
        chat_ctx: Any,
        tools: Any = None,
        conn_options: Any = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> Any:
        return InstantAnswer(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class InstantAnswer(llm.LLMStream):
    async def _run(self) -> None:
        for token in ("Try ", "again. ", "Fail ", "again, ", "fail ", "better."):
            delta = llm.ChoiceDelta(role="assistant", content=token)
            self._event_ch.send_nowait(llm.ChatChunk(id="x", delta=delta))


class InstantVoice(tts.TTS):
    """Has `seconds` of a tone at once."""

    def __init__(self, seconds: float) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=True), sample_rate=RATE, num_channels=1)
        at = np.arange(int(RATE * seconds)) / RATE
        self.pcm = (8000 * np.sin(2 * np.pi * 220 * at)).astype(np.int16).tobytes()

    def synthesize(self, text: str, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> Any:
        raise NotImplementedError

    def stream(self, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> Any:
        return InstantSpeech(tts=self, conn_options=conn_options)


class InstantSpeech(tts.SynthesizeStream):
    async def _run(self, output_emitter: Any) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=RATE,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
            frame_size_ms=20,
        )
        has_begun = False
        async for token in self._input_ch:
            if isinstance(token, str) and not has_begun:
                has_begun = True
                self._mark_started()
                output_emitter.start_segment(segment_id=utils.shortuuid())
                output_emitter.push(self._tts.pcm)
        if has_begun:
            output_emitter.flush()
            output_emitter.end_segment()


class Sink(AudioOutput):
    """Plays in real time: playback is finished after the duration of what was handed over."""

    def __init__(self) -> None:
        super().__init__(label="sink", capabilities=AudioOutputCapabilities(pause=True), sample_rate=None)
        self.first_at: list[float] = []
        """When each answer's first frame came."""
        self.silenced_at: list[float] = []
        """When it was paused or cleared."""
        self._seconds = 0.0
        self._began: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self._began is None:
            self._began = time.perf_counter()
            self.first_at.append(self._began)
            self.on_playback_started(created_at=time.time())
        self._seconds += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._began is not None:
            rest = max(0.0, self._seconds - (time.perf_counter() - self._began))
            self._timer = asyncio.get_running_loop().call_later(rest, self._finish, False, self._seconds)

    def pause(self) -> None:
        self.silenced_at.append(time.perf_counter())
        super().pause()

    def clear_buffer(self) -> None:
        if self._began is not None:
            self.silenced_at.append(time.perf_counter())
            self._finish(True, min(self._seconds, time.perf_counter() - self._began))

    def _finish(self, interrupted: bool, position: float) -> None:
        self._seconds, self._began = 0.0, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.on_playback_finished(playback_position=position, interrupted=interrupted)


class PacedInput(AudioInput):
    """Hands a frame over each 20 ms; `next_frame` says which. A frame is due at its own end."""

    def __init__(self) -> None:
        super().__init__(label="paced")
        self.count = 0
        self._began: float | None = None

    async def __anext__(self) -> rtc.AudioFrame:
        now = time.perf_counter()
        if self._began is None:
            self._began = now
        self.count += 1
        due = self._began + self.count * FRAME_S
        if due > now:
            await asyncio.sleep(due - now)
        return await self.next_frame(due)

    async def next_frame(self, due: float) -> rtc.AudioFrame:
        raise NotImplementedError


def make_session(*, voice_seconds: float = 2.0, **options: Any) -> AgentSession:
    """With LiveKit's native detector, and turns that end by it."""
    options.setdefault("turn_handling", {"turn_detection": "vad"})
    return AgentSession(
        stt=InstantRecognizer(), llm=InstantModel(), tts=InstantVoice(voice_seconds), vad=inference.VAD(), **options
    )


def load_models() -> None:
    """Load the detector's weights, which the process has once."""
    from livekit.local_inference import init_vad

    logging.getLogger().setLevel(logging.ERROR)
    for name in ("livekit", "livekit.agents", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)
    init_vad()


def percentile_ms(seconds: list[float], q: float) -> float:
    """Of seconds, in milliseconds; NaN if there are none."""
    return round(float(np.percentile(seconds, q)) * 1e3, 2) if seconds else float("nan")
