"""What `serve`, `aserve` and `asgi` share: the application's options, and the ASGI application that they make."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from duologue.agent import HasCommonPhrases
from duologue.engine import EngineConfig
from duologue.errors import ConfigError
from duologue.realtime import RealtimeModel
from duologue.recording.config import RecordingConfig
from duologue.recording.recordings import Recordings, check_recording_folder
from duologue.resilience import ResilienceSettings
from duologue.server.app import MAX_CONNECTIONS, VoiceApp, create_app
from duologue.server.auth.authenticator import Authenticator
from duologue.server.auth.keys import KeyFile
from duologue.server.auth.options import Security
from duologue.server.call_options import CallOptions, make_provider, named_agents, value_hook
from duologue.server.limits import StreamLimits
from duologue.server.origins import TRUSTED_PROXIES, Origins
from duologue.server.policy import CallPolicy
from duologue.server.provider_lists import ProviderList, check_source, source_of
from duologue.server.records import CallRecords, check_folder
from duologue.server.session_factory import SessionFactory
from duologue.server.speech_to_speech import ONE_OF_THEM, ModelAnswers, realtime_source
from duologue.server.store.choose import open_store
from duologue.server.supervisor import share
from duologue.server.warming import check_agents, warm_phrases, warm_provider
from duologue.session import SessionConfig
from duologue.session.hooks import Hook
from duologue.settings.languages import CallLanguages
from duologue.settings.local import LocalModels, load_local
from duologue.telemetry import CostTable, TelemetryConfig
from duologue.telemetry.hub import Telemetry

__all__ = ["MAX_SESSIONS", "Application"]

MAX_SESSIONS: Final = 100
"""What two cores carry with the local models."""


class Application:
    """An application's options, checked, and what is made of them in each process.

    `say` is called with lines that report progress. Raises ConfigError for options that contradict each other.
    """

    def __init__(
        self,
        agent: object = None,
        *,
        say: Callable[[str], None],
        workers: int = 1,
        agents: Mapping[str, object] | None = None,
        greeting: str | None = None,
        config: SessionConfig | None = None,
        stt: Any = None,
        tts: Any = None,
        languages: CallLanguages | Sequence[str] = (),
        vad: Any = None,
        resilience: ResilienceSettings | None = None,
        realtime: Any = None,
        voices: Mapping[str, Any] | None = None,
        policy: CallPolicy | None = None,
        user_data: Any = None,
        on_start: Hook | None = None,
        on_turn: Hook | None = None,
        on_end: Hook | None = None,
        expose_headers: Sequence[str] = (),
        log_words: bool = False,
        records: str | os.PathLike[str] | None = None,
        recording: RecordingConfig | None = None,
        engine: EngineConfig | None = None,
        telemetry: TelemetryConfig | None = None,
        costs: CostTable | None = None,
        smart_turn: bool = True,
        allowed_origins: Sequence[str] = (),
        trusted_proxies: Sequence[str] = TRUSTED_PROXIES,
        security: Security | None = None,
        store: str | None = None,
        drain_timeout: float = StreamLimits().drain_timeout,
        resume_window: float = StreamLimits().resume_window,
    ) -> None:
        expected = {
            "agents": (agents, Mapping), "greeting": (greeting, str), "config": (config, SessionConfig),
            "voices": (voices, Mapping), "policy": (policy, CallPolicy), "engine": (engine, EngineConfig),
            "telemetry": (telemetry, TelemetryConfig), "costs": (costs, CostTable),
            "recording": (recording, RecordingConfig),
            "security": (security, Security), "store": (store, str),
            "resilience": (resilience, ResilienceSettings),
        }  # fmt: skip
        for option, (value, kind) in expected.items():
            if value is not None and not isinstance(value, kind):
                raise ConfigError(f"{option} is {type(value).__name__}; expected {kind.__name__}.")
        self.config: SessionConfig = config or SessionConfig()
        self._languages = CallLanguages.of(languages, self.config.language)
        if self.config.language is None and self._languages.codes:
            self.config = replace(self.config, language=self._languages.codes[0])
        self._say = say
        self._workers = workers
        self._engine = engine or EngineConfig(max_sessions=MAX_SESSIONS)
        self._running: tuple[int, SessionFactory] | None = None
        _check_division(self._engine, workers)
        Origins(allowed_origins, trusted_proxies)
        self.security: Security = security or Security()
        self.store: str | None = store
        if self.security.keys is not None:
            KeyFile(self.security.keys)
        self.limits: StreamLimits = StreamLimits(drain_timeout=drain_timeout, resume_window=resume_window)
        self._allowed_origins, self._trusted_proxies = allowed_origins, trusted_proxies
        if tts is not None and voices:
            raise ConfigError("Both tts and voices were given.", hint="Give one voice as tts=, or several as voices=.")
        self._stt, self._tts = source_of("stt", stt, "stt"), source_of("tts", tts, "tts")
        self._vad = source_of("vad", vad, "vad")
        self._voices = {name: source_of("tts", voice, f"voices[{name!r}]") for name, voice in (voices or {}).items()}
        self._resilience = resilience
        self._realtime = None if realtime is None else realtime_source(realtime)
        if self._realtime is not None:
            if agent is not None or agents or tts is not None or voices:
                raise ConfigError("A speech-to-speech model takes the place of an agent and a voice.", hint=ONE_OF_THEM)
            agent = ModelAnswers()
        self._check_providers()
        if unknown := [name for name in (policy.voices if policy else None) or () if name not in self._voices]:
            raise ConfigError(
                f"The policy allows the voice {unknown[0]!r}, and there is none of that name.",
                hint='Give it as voices={"name": voice}.',
            )
        self.options: CallOptions = CallOptions(
            agents=named_agents(agent, agents),
            config=self.config,
            greeting=greeting,
            policy=policy or CallPolicy(),
            user_data=user_data,
            on_start=on_start,
            on_turn=value_hook(on_turn),
            on_end=value_hook(on_end),
            expose_headers=expose_headers,
            log_words=log_words,
        )
        self._telemetry, self._costs = telemetry, costs
        self._telemetries: weakref.WeakSet[Telemetry] = weakref.WeakSet()
        """Of this process: one for each application that was made."""
        self._smart_turn = smart_turn
        self._records, self._recording = records, recording
        if records is not None:
            check_folder(records)
        if recording is not None:
            check_recording_folder(recording.path)

    def _check_providers(self) -> None:
        named = {
            "stt": self._stt,
            "tts": self._tts,
            "vad": self._vad,
            "realtime": self._realtime,
            **{f"voices[{name!r}]": v for name, v in self._voices.items()},
        }
        for option, source in named.items():
            check_source(source, option, self._workers)

    def app(self, index: int = 0, *, on_ready: Callable[[], None] | None = None) -> VoiceApp:
        """The ASGI application of one worker, with its share of what all may carry.

        `on_ready` is called once calls may come.
        """
        say: Callable[[str], None] = self._say if index == 0 else lambda _: None
        store = open_store(self.store)

        telemetry = Telemetry(self._telemetry, self._costs)
        self._telemetries.add(telemetry)

        @asynccontextmanager
        async def build() -> AsyncIterator[SessionFactory]:
            samples = [factory.sample for factory in self.options.agents.values()]
            checking = asyncio.create_task(check_agents(samples if index == 0 else (), say), name="duologue-check")
            async with AsyncExitStack() as stack:
                stack.push_async_callback(store.aclose)
                await stack.enter_async_context(telemetry)
                models, voices, realtime = await self._load(stack, say)
                running = await stack.enter_async_context(models.engine(config=self._part(index), telemetry=telemetry))
                if on_ready is not None:
                    on_ready()
                stocked: list[object] = [sample for sample in samples if sample is not None]
                phrases = [phrase for each in stocked if isinstance(each, HasCommonPhrases) for phrase in each.phrases]
                config = self.options.config or SessionConfig()
                warming = asyncio.create_task(warm_phrases(running, models, phrases, config), name="duologue-warm")
                records = None if self._records is None else CallRecords(self._records)
                recordings = None if self._recording is None else Recordings(self._recording)
                sessions = SessionFactory(
                    running,
                    models,
                    self.options,
                    voices=voices,
                    realtime=realtime,
                    records=records,
                    recordings=recordings,
                )
                self._running = index, sessions
                try:
                    yield sessions
                finally:
                    self._running = None
                    warming.cancel()
                    checking.cancel()
                    await asyncio.wait([warming, checking])
                    sessions.close()
                    for written in (records, recordings):
                        if written is not None:
                            await asyncio.to_thread(written.close)

        return create_app(
            build,
            store=store,
            limits=self.limits,
            authenticator=Authenticator(self.security, store, parts=self._workers),
            allowed_origins=self._allowed_origins,
            trusted_proxies=self._trusted_proxies,
            max_connections=share(MAX_CONNECTIONS, self._workers, index),
            telemetry=telemetry,
        )

    def _part(self, index: int) -> EngineConfig:
        """What one worker may carry of all."""
        return replace(
            self._engine,
            max_sessions=share(self._engine.max_sessions, self._workers, index),
            cache_max_bytes=self._engine.cache_max_bytes // self._workers,
        )

    def change(
        self, config: SessionConfig, policy: CallPolicy, engine: EngineConfig, costs: CostTable | None = None
    ) -> None:
        """Open further calls with these settings, admit as many, and charge by these prices, from now on.

        Raises ConfigError if workers get none.
        """
        _check_division(engine, self._workers)
        self.options = replace(self.options, config=config, policy=policy)
        self._engine = engine
        if self._running is not None:
            index, sessions = self._running
            sessions.change(self.options, self._part(index).max_sessions, engine.admission)
        if costs is not None:
            self._costs = costs
            for telemetry in self._telemetries:
                telemetry.metrics.costs = costs

    async def _load(
        self, stack: AsyncExitStack, say: Callable[[str], None]
    ) -> tuple[LocalModels, dict[str, Any], RealtimeModel | None]:
        """Make the providers, in a thread, and have the stack close those that were made here."""

        async def made(source: Any, option: str) -> Any:
            if isinstance(source, ProviderList):
                members = [await made(each, f"{option}[{at}]") for at, each in enumerate(source.members)]
                return source.compose(members, self._resilience)
            provider = await asyncio.to_thread(make_provider, source, option)
            if provider is not source and (aclose := getattr(provider, "aclose", None)) is not None:
                stack.push_async_callback(aclose)
            if (warning := await warm_provider(provider, option)) is not None:
                say(f"warning: {warning}")
            return provider

        voices = {name: await made(source, f"voices[{name!r}]") for name, source in self._voices.items()}
        given = {
            "stt": None if self._stt is None else await made(self._stt, "stt"),
            "vad": None if self._vad is None else await made(self._vad, "vad"),
            "tts": next(iter(voices.values()), None) if self._tts is None else await made(self._tts, "tts"),
        }
        realtime = None if self._realtime is None else await made(self._realtime, "realtime")
        models = await asyncio.to_thread(
            load_local,
            lambda name, took: say(f"  {name}: {took:.1f} s"),
            smart_turn=self._smart_turn,
            speaks=realtime is None,
            languages=self._languages,
            voices=tuple(voices.values()),
            **given,
        )
        if self._smart_turn and models.turn_model is None and not models.estimates_sound:
            say("  Smart Turn is not installed, and the recognizer's words alone judge the end of a turn;")
            say("  to install it: duologue models install smart-turn")
        return models, voices, realtime


def _check_division(engine: EngineConfig, workers: int) -> None:
    if workers < 1 or engine.max_sessions < workers:
        raise ConfigError(
            f"{engine.max_sessions} sessions cannot be divided among {workers} workers.",
            hint="Allow more sessions, or start fewer workers.",
        )
