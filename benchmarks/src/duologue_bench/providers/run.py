"""Many sessions on network providers, in one process: what their plumbing adds to what the services take."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

from duologue.agent.llm import LLMAgent
from duologue.conversation.config import ConversationConfig
from duologue.conversation.events import Event
from duologue.engine import Engine
from duologue.session import SessionConfig, VoiceSession
from duologue.session.events import TurnMeasured
from duologue.stt import Final as FinalTranscript
from duologue.stt import RecognitionEvent, RecognitionStream
from duologue.stt.base import StreamingSpeechToText
from duologue.stt.deepgram import DeepgramSpeechToText
from duologue.tts.elevenlabs import ElevenLabsVoice
from duologue.vad import VoiceActivityDetector
from duologue_bench.calls import CallWatch, Notes
from duologue_bench.figures import SessionsRun, Spread
from duologue_bench.load import Line
from duologue_bench.machine import busy_s
from duologue_bench.providers.process import StandInProcess
from duologue_bench.providers.script import KEY, Latencies
from duologue_bench.sessions import Work, run_sessions

__all__ = ["ProvidersRun", "measure_providers"]

CONTEXTS: Final = 5
"""Streams that share a connection to the voice."""
DIAL_TIMEOUT_S: Final = 20.0
"""All streams are opened within a second or two."""


@dataclass(frozen=True, slots=True)
class ProvidersRun:
    """What a run came to."""

    latencies: Latencies
    run: SessionsRun
    words: Spread
    """From the request for finals to the words at the session, less what the service takes."""
    reply: Spread
    """From the decision to the first audible sample at the sink, less what the model and the voice take."""
    added: Spread
    """Both together, for each turn."""
    stand_ins_cpu_s: float
    others_cpu_s: float
    """What other programs, and other machines on the same hardware, used meanwhile."""
    stand_ins: dict[str, Any]
    """What the stand-ins did, and how late they were."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        wall = self.run.wall_s
        return {
            "scripted_ms": {name: round(1000 * getattr(self.latencies, name)) for name in ("stt", "llm", "tts")},
            "added": self.added.as_dict(),
            "added_words": self.words.as_dict(),
            "added_reply": self.reply.as_dict(),
            "server_cores": round(self.run.cpu_s / wall, 3),
            "stand_ins_cores": round(self.stand_ins_cpu_s / wall, 3),
            "other_cores": round(self.others_cpu_s / wall, 3),
            "stand_ins": self.stand_ins,
            **self.run.as_dict(),
        }


async def measure_providers(
    vad: VoiceActivityDetector,
    line: Line,
    *,
    sessions: int = 300,
    seconds: float = 30.0,
    warm: float = 5.0,
    latencies: Latencies | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> ProvidersRun:
    """Hold `sessions` conversations on Deepgram, a language model and ElevenLabs, as stand-ins in a second process.

    Nothing is prepared before a turn is decided, so that all of a reply is measured. Raises ConfigError for sizes out
    of range.
    """
    latencies = latencies or Latencies()
    notes = _Notes()
    async with StandInProcess(latencies) as services:
        stt = DeepgramSpeechToText(
            model="nova-3", api_key=KEY, base_url=services.addresses["stt"], connect_timeout=DIAL_TIMEOUT_S
        )
        tts = ElevenLabsVoice(
            voice="voice",
            api_key=KEY,
            base_url=services.addresses["tts"],
            max_connections=max(1, -(-sessions // CONTEXTS)),
        )
        agent = LLMAgent(
            "openai:scripted",
            instructions="You take bookings for a restaurant. Be brief.",
            base_url=f"{services.addresses['llm']}/v1",
            api_key=KEY,
            speculative=False,
        )

        def open_call(engine: Engine, watch: CallWatch) -> VoiceSession:
            assert isinstance(watch, _Watch)
            session = VoiceSession(
                engine=engine,
                stt=_TimedRecognizer(stt, watch),
                tts=tts,
                agent=agent.clone(),
                config=SessionConfig(echo="none", rules=ConversationConfig(partial_every=0.0)),
                sink=watch,
            )
            session.watch(watch.event, watch.ended)
            return session

        began: list[float] = []

        def on_begin() -> None:
            began[:] = [services.cpu_s(), busy_s(), time.process_time()]

        def on_end() -> None:
            began[:] = [
                now - then for now, then in zip((services.cpu_s(), busy_s(), time.process_time()), began, strict=True)
            ]

        try:
            run = await run_sessions(
                vad,
                Work(line),
                notes,
                lambda begins: _Watch(notes, line, latencies, begins),
                open_call,
                sessions=sessions,
                seconds=seconds,
                warm=warm,
                on_progress=on_progress,
                on_begin=on_begin,
                on_end=on_end,
            )
        finally:
            await agent.aclose()
            await stt.aclose()
            await tts.aclose()
    stand_ins_cpu, busy, own = began
    return ProvidersRun(
        latencies,
        run,
        Spread.of(notes.words),
        Spread.of(notes.reply),
        Spread.of(notes.added),
        stand_ins_cpu,
        max(0.0, busy - own - stand_ins_cpu),
        services.did,
    )


class _Notes(Notes):
    """Of all sessions together; seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[float] = []
        self.reply: list[float] = []
        self.added: list[float] = []


class _Watch(CallWatch):
    """Watches one session, and how long its words and its replies take."""

    def __init__(self, notes: _Notes, line: Line, latencies: Latencies, begins: int = 0) -> None:
        super().__init__(notes, line, begins)
        self._all = notes
        self._latencies = latencies
        self._asked = self._words = 0.0

    def asked(self) -> None:
        """Finals were asked for."""
        self._asked = time.perf_counter()

    def answered(self) -> None:
        """They came."""
        if self._asked:
            self._words = time.perf_counter() - self._asked - self._latencies.stt
            self._asked = 0.0
            if self._all.counts:
                self._all.words.append(self._words)

    def event(self, event: Event) -> None:
        """An event of the session."""
        super().event(event)
        if isinstance(event, TurnMeasured) and self._all.counts:
            reply = event.processing - self._latencies.llm - self._latencies.tts
            self._all.reply.append(reply)
            self._all.added.append(reply + self._words)


class _TimedRecognizer(StreamingSpeechToText):
    """The recognizer, as one session uses it."""

    def __init__(self, stt: DeepgramSpeechToText, watch: _Watch) -> None:
        self.name = stt.name
        self.capabilities = stt.capabilities
        self._stt = stt
        self._watch = watch

    def stream(self, *, language: str | None = None) -> RecognitionStream:
        return _TimedStream(self._stt.stream(language=language), self._watch)


class _TimedStream:
    def __init__(self, stream: RecognitionStream, watch: _Watch) -> None:
        self._stream = stream
        self._watch = watch
        self.push, self.aclose = stream.push, stream.aclose

    def finalize(self, position: int) -> None:
        self._watch.asked()
        self._stream.finalize(position)

    async def __aiter__(self) -> AsyncIterator[RecognitionEvent]:
        async for event in self._stream:
            if isinstance(event, FinalTranscript):
                self._watch.answered()
            yield event
