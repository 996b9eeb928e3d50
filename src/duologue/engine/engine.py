"""The engine: one tick, one set of models and threads, and one admission control for all sessions of a process."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Hashable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import threadpoolctl

from duologue.clock import Clock, VirtualClock, WallClock
from duologue.engine.admission import Admission, AdmissionController, Load
from duologue.engine.config import EngineConfig
from duologue.engine.latency import Latencies
from duologue.engine.model_adapters import ModelTextToSpeech
from duologue.engine.model_threads import ModelThreads
from duologue.engine.phrases import PhraseCache
from duologue.engine.readings import engine_readings
from duologue.engine.recognizers import ModelSpeechToText, Recognizer, ServiceSpeechToText, declared
from duologue.engine.standby import StandbySpeech
from duologue.engine.tick import REPAIR_EVERY_S, TickCounters, Ticked, TickLoop
from duologue.engine.watchdog import LoopStalls, LoopWatchdog, Stall
from duologue.errors import ConfigError, InvalidStateError, OverloadedError
from duologue.resilience.readings import resilience_readings
from duologue.stt import SpeechToText, SttModel
from duologue.telemetry import names
from duologue.telemetry.hub import Telemetry
from duologue.telemetry.metrics import Reading
from duologue.tts import TextToSpeech, TtsModel
from duologue.tts.clauses import clauses_of
from duologue.turn import TurnModel, WordsPolicy
from duologue.vad import VoiceActivityDetector

__all__ = ["Engine"]

WARM_TIMEOUT_S = 10.0
"""Seconds that a phrase may take that is synthesized ahead."""


class Engine:
    """What the sessions of one process share. Use it as `async with Engine(...) as engine:`.

    The caller constructs `vad` and `turn_model`; `stt()` and `tts()` adapt models to services. With `paced=False`
    nothing ticks by itself: `step()` does, in audio time. A session that fails in its tick is ended, and no other is
    disturbed; sessions that are live when the engine is left are ended too.
    """

    def __init__(
        self,
        *,
        vad: VoiceActivityDetector,
        words: WordsPolicy,
        turn_model: TurnModel | None = None,
        config: EngineConfig | None = None,
        clock: Clock | None = None,
        paced: bool = True,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.config: EngineConfig = config or EngineConfig()
        self.vad = vad
        self.words = words
        self.turn_model = turn_model
        self.clock: Clock = clock or WallClock()
        self.paced = paced
        self.telemetry: Telemetry = telemetry or Telemetry()
        self.phrases: PhraseCache = PhraseCache(self.config.cache_max_bytes)
        self.standby: StandbySpeech = StandbySpeech()
        self.latencies: Latencies = Latencies()
        self.admission: AdmissionController = AdmissionController(self.config.admission)
        self._tick = TickLoop(vad, self.config, self.clock)
        self.counters: TickCounters = self._tick.counters
        """What the tick did."""
        self._model_threads: ModelThreads | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._watchdog: LoopWatchdog | None = None
        self._readings_told = ExitStack()
        """Removes the readings, which refer to this engine."""
        self._old_interval = sys.getswitchinterval()

    async def __aenter__(self) -> Self:
        if self._model_threads is not None:
            raise InvalidStateError("The engine has been started before.", hint="Make a new Engine.")
        loop = asyncio.get_running_loop()
        self._model_threads = ModelThreads(
            loop,
            general=self.config.model_threads,
            max_waiting=self.config.max_waiting,
            metrics=self.telemetry.metrics,
        )
        self.telemetry.process.rest()
        self._readings_told.callback(self.telemetry.metrics.add_source(self._readings))
        self._old_interval = sys.getswitchinterval()
        sys.setswitchinterval(self.config.switch_interval)
        # More BLAS threads than one spin on cores that other work needs.
        self._blas = threadpoolctl.threadpool_limits(1, user_api="blas")
        if self.paced:
            gc.freeze()  # scanning the models' objects for cycles would stop all calls for 0.1 s
            self._ticking = asyncio.create_task(self._tick.run(self._model_threads.mend), name="duologue-tick")
            if self.config.stall_warning:
                self._watchdog = LoopWatchdog(
                    loop, limit=self.config.stall_warning, session_of=self._name, on_stall=self._note_stall
                )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readings_told.close()
        if self._watchdog is not None:
            self._watchdog.close()
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
            gc.unfreeze()
        for session in list(self._tick.sessions):
            left = InvalidStateError("The engine was left while the session lived.", hint="Close it first.")
            self._tick.end(session, left)
        await asyncio.to_thread(self.model_threads.close)
        self._blas.restore_original_limits()
        sys.setswitchinterval(self._old_interval)

    @property
    def model_threads(self) -> ModelThreads:
        """The threads that run models; InvalidStateError before the engine is started."""
        if self._model_threads is None:
            raise InvalidStateError("The engine has not been started.", hint="Use `async with Engine(...) as engine:`.")
        return self._model_threads

    @property
    def stalls(self) -> LoopStalls:
        """How often the event loop was blocked."""
        return LoopStalls() if self._watchdog is None else self._watchdog.stalls

    @property
    def load(self) -> Load:
        """What is measured now."""
        threads = self._model_threads
        return Load(
            sessions=len(self._tick.sessions),
            max_sessions=self.config.max_sessions,
            tick_lag=self._tick.lateness,
            lateness=threads.lateness if threads else 0.0,
            backlog=threads.backlog if threads else 0.0,
        )

    @property
    def active(self) -> int:
        """Sessions that are live."""
        return len(self._tick.sessions)

    # --- providers ---

    def stt(self, provider: SpeechToText | SttModel) -> Recognizer:
        """The recognizer as sessions use it, for a model or a service.

        Raises ConfigError for a service whose capabilities make no sense.
        """
        if isinstance(provider, ModelSpeechToText | ServiceSpeechToText):
            return provider
        if isinstance(provider, SttModel):
            return ModelSpeechToText(self, provider)
        with_models = getattr(provider, "with_models", None)
        service: Any = provider if with_models is None else with_models(self.stt)
        return ServiceSpeechToText(service, self.latencies.of(service.name, declared(service).typical_latency))

    def tts(self, provider: TextToSpeech | TtsModel) -> TextToSpeech:
        """Return `provider` itself, or a model as a service. Raises ConfigError for what is neither."""
        if isinstance(provider, TtsModel):
            return ModelTextToSpeech(self, provider)
        if (with_models := getattr(provider, "with_models", None)) is not None:
            wrapped: TextToSpeech = with_models(self.tts)
            return wrapped
        missing = [name for name in ("name", "rate", "capabilities", "stream") if not hasattr(provider, name)]
        if missing:
            raise ConfigError(
                f"{type(provider).__name__} is no voice: it has no {', '.join(missing)}.",
                hint="Derive it from duologue.tts.TextToSpeech, and give it a name, rate, capabilities and stream.",
            )
        return provider

    async def warm(self, tts: TextToSpeech, phrases: Iterable[str]) -> None:
        """Synthesize `phrases` ahead, when nothing more urgent waits, so that they come from the cache.

        Does nothing for a service that is no model, and where the cache is off.
        """
        if not isinstance(tts, ModelTextToSpeech) or not self.config.cache_max_bytes:
            return
        for phrase in phrases:
            for clause in clauses_of(phrase):
                await tts.synthesize(clause, deadline=time.monotonic() + WARM_TIMEOUT_S)

    # --- sessions ---

    def change_limits(self, max_sessions: int, admission: Admission) -> None:
        """Change how many sessions are admitted from now on. Those that are live stay."""
        self.config = replace(self.config, max_sessions=max_sessions, admission=admission)
        self.admission.config = admission

    def admit(self, *, resumes: bool = False) -> None:
        """Raise OverloadedError if one more session is too many by what is measured now.

        A session that `resumes` a call of another process needs a place, and is not refused because others are late.
        """
        if self._model_threads is not None and not self._model_threads.is_whole:
            raise OverloadedError(
                "A thread that runs models died, and is being replaced.", retry_after=REPAIR_EVERY_S, reason="threads"
            )
        self.admission.check(self.load, resumes=resumes)

    def attach(self, session: Ticked, *, resumes: bool = False) -> None:
        """Admit a session, as `admit` does, and serve it from the next tick on."""
        self.admit(resumes=resumes)
        self._tick.add(session)

    def detach(self, session: Ticked) -> None:
        """Let a session go."""
        self._tick.remove(session)

    def step(self) -> None:
        """Tick once: score whole windows, send what is due."""
        for _ in self._tick.steps():
            pass

    def advance(self, seconds: float) -> None:
        """Move a virtual clock on and tick once, for an engine that is not paced."""
        if isinstance(self.clock, VirtualClock):
            self.clock.advance(seconds)
        self.step()

    def _readings(self) -> Iterator[Reading]:
        load = self.load
        self.telemetry.process.sessions = load.sessions
        yield from engine_readings(self.counters, self.model_threads, load, self.phrases)
        yield from resilience_readings()

    def _note_stall(self, stall: Stall) -> None:
        """Called from the thread of the watchdog."""
        self.telemetry.metrics.add(names.LOOP_BLOCKS, 1, stall.code)
        self.telemetry.blocks.append(
            {
                "at": round(time.time(), 3),
                "seconds": round(stall.seconds, 3),
                "code": stall.code,
                "session": stall.session,
            }
        )

    def _name(self, thing: object) -> str | None:
        """Return the id of a live session, or of the session that a request belongs to; None for anything else.

        Called from the thread of the watchdog.
        """
        if isinstance(owner := getattr(thing, "session", None), str):
            return owner
        if isinstance(thing, Hashable) and thing in self._tick.sessions:
            return str(getattr(thing, "id", "without a name"))
        return None
