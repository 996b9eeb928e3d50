"""Opens sessions over one engine: what a client asked for, with the application's agent, data and hooks."""

from __future__ import annotations

import logging
import uuid
import weakref
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from duologue.agent import Agent, CallInfo
from duologue.agent.faults import FaultLog
from duologue.agent.function import greeting_of, name_of
from duologue.denoise import installed_denoisers
from duologue.engine import Engine
from duologue.engine.admission import Admission
from duologue.errors import ConfigError, DuologueError
from duologue.realtime import RealtimeModel
from duologue.recording.header import recording_header
from duologue.recording.recordings import Recordings
from duologue.server.call_code import CallCode, close_unused_agent
from duologue.server.call_log import CallCounters, CallFollower
from duologue.server.call_options import CallOptions
from duologue.server.engine_counters import engine_counters
from duologue.server.records import CallRecords, call_entry
from duologue.server.speech_to_speech import responder_for
from duologue.session import AudioSink, CallRequest, SessionConfig, VoiceSession
from duologue.session.checkpoint import CallCheckpoint
from duologue.session.config import MAX_AGENT_NAME
from duologue.settings.local import LocalModels
from duologue.stt import SttModel
from duologue.stt.language import code_of, language_code

__all__ = ["SessionFactory"]

_faults = FaultLog(logging.getLogger(__name__))

SECRET_NAMES: Final = ("auth", "cookie", "token", "secret", "key", "password", "credential", "session", "protocol")
"""A header whose name holds one of these is not shown to the application; browsers put tokens in
`Sec-WebSocket-Protocol`, too."""


class SessionFactory:
    """A Backend whose sessions share one engine and its models.

    `voices` are the providers of speech by name, the first of which is the default; without any, `models.tts` is the
    only one.
    """

    def __init__(
        self,
        engine: Engine,
        models: LocalModels,
        options: CallOptions,
        *,
        voices: Mapping[str, Any] | None = None,
        realtime: RealtimeModel | None = None,
        records: CallRecords | None = None,
        recordings: Recordings | None = None,
    ) -> None:
        self._engine = engine
        self._models = models
        self._options = options
        self._voices = dict(voices or {})
        self._realtime = realtime
        self._records = records
        self._recordings = recordings
        self._code = CallCode(options)
        self._calls = CallCounters()
        self._exposed = frozenset(name.lower() for name in options.expose_headers)

    def check(self, *, resumes: bool = False) -> None:
        """Raise OverloadedError where a session would be refused now, or one that `resumes` a call."""
        self._engine.admit(resumes=resumes)

    def change(self, options: CallOptions, max_sessions: int, admission: Admission) -> None:
        """Open further calls with these options, and admit as many."""
        self._options = self._code.options = options
        self._engine.change_limits(max_sessions, admission)

    def close(self) -> None:
        """Let the threads of the application go."""
        self._code.close()

    def counters(self) -> Mapping[str, float]:
        """What the engine has done, as plain numbers; a name with `worst` is a maximum and no sum."""
        calls = self._calls
        return {
            **engine_counters(self._engine),
            "agents_failed": self._code.agents_failed,
            "user_data_failed": self._code.user_data_failed,
            "hooks_failed": calls.hooks_failed,
            "calls_started": calls.started,
            "calls_ended": calls.ended,
            "errors": calls.errors,
            **{f"ended_{reason}": count for reason, count in calls.by_reason.items()},
            "application_stuck": self._code.stuck,
            **(self._records.counters() if self._records is not None else {}),
            **(self._recordings.counters() if self._recordings is not None else {}),
        }

    async def restore_session(
        self, request: CallRequest, sink: AudioSink, checkpoint: CallCheckpoint, call: str
    ) -> VoiceSession:
        """A session that continues a call of another process, not entered yet; raises as `open_session`."""
        if checkpoint.agent not in self._options.agents:
            raise ConfigError("The agent of the call does not exist here.", hint="Start a new session.")
        request = replace(request, greeting=False, user_data=checkpoint.user_data)
        # Its logs and recordings are its own, and bear the name of the call.
        part = f"{call.partition('-')[0]}-{uuid.uuid4().hex[:4]}"
        session = await self._open(request, sink, checkpoint.agent, part)
        try:
            session.restore(checkpoint)
        except DuologueError:
            await session.abandon()
            raise
        return session

    async def open_session(self, request: CallRequest, sink: AudioSink) -> VoiceSession:
        """A session as the client asked for it, not entered yet.

        Raises ConfigError or InputError for what cannot be given, and AgentError, HookError, DeadlineError or
        OverloadedError if the application's own code fails to make what the call needs.
        """
        policy = self._options.policy
        name = policy.choose("agent", request.agent, list(self._options.agents), policy.agents)
        return await self._open(request, sink, name, uuid.uuid4().hex[:12])

    async def _open(self, request: CallRequest, sink: AudioSink, name: str, call: str) -> VoiceSession:
        options = self._options
        policy = options.policy
        language = self._language(request.language)
        own = self._models.tts_of(language)
        voice = None
        if request.voice is not None or (self._voices and own is self._models.tts):
            known = sorted(self._voices, key=lambda name: _rank(self._voices[name], language))
            voice = policy.choose("voice", request.voice, known, policy.voices)
        denoisers = dict.fromkeys([options.config.denoise, "", *installed_denoisers(), *(policy.denoisers or ())])
        denoise = policy.choose("denoiser", request.denoise, list(denoisers), policy.denoisers)
        rules = policy.apply(request, options.config.rules)
        info = CallInfo(
            id=call,
            agent=name,
            language=language,
            voice=voice,
            client=request.client,
            headers=self._visible(request.headers),
            query=request.query,
            claims=request.claims,
            metadata=request.metadata,
        )
        info = replace(info, user_data=await self._code.user_data(request, info))
        is_recorded = self._recordings is not None and await self._code.agrees(self._recordings, info)
        agent = await self._code.make_by(options.agents[name], info)
        try:
            greeting = self._greeting(agent) if request.greeting else ""
            config = self._config(info, agent, replace(rules, greeting=greeting), denoise)
            session = VoiceSession(
                engine=self._engine,
                stt=self._models.stt_of(language),
                tts=own if voice is None else self._voices[voice],
                agent=agent,
                responder=None if self._realtime is None else responder_for(self._realtime, info.language),
                config=config,
                sink=sink,
                user_data=info.user_data,
                call=info,
                agents=self._code.make_agent,
                voices=self._voices,
                on_start=self._code.hook("on_start"),
                on_turn=self._code.hook("on_turn"),
                on_end=self._code.hook("on_end"),
            )
        except DuologueError as error:  # such as a factory that returned an agent of another call
            self._code.agents_failed += 1
            _faults.write(f"No session for the call {info.id}, agent {name!r}", error, call=info.id)
            await close_unused_agent(info.id, agent)
            raise
        session.record.agents.append(name)
        if self._recordings is not None and is_recorded:
            session.observe(self._recordings.recorder(recording_header(session)))
            session.is_recorded = True
        keep = None if self._records is None else partial(self._keep, weakref.ref(session))
        follower = CallFollower(
            info,
            session.record,
            self._calls,
            self._engine.telemetry.calls,
            log_words=options.log_words,
            keep=keep,
            trace_id=partial(_trace_id, weakref.ref(session)),
        )
        session.watch(follower.follow, follower.end)
        return session

    def _keep(self, session: weakref.ref[VoiceSession], seconds: float) -> None:
        """Have the record of a call that has just ended written."""
        if self._records is not None and (ended := session()) is not None:
            self._records.put(partial(call_entry, ended.info, ended.record, ended.history, seconds))

    def _config(self, info: CallInfo, agent: Agent, rules: Any, denoise: str) -> SessionConfig:
        config = self._options.config
        agent_name = config.agent_name or name_of(agent)[:MAX_AGENT_NAME]
        return replace(config, rules=rules, language=info.language, agent_name=agent_name, denoise=denoise)

    def _greeting(self, agent: Agent) -> str:
        if self._options.greeting is not None:
            return self._options.greeting
        return self._options.config.rules.greeting or greeting_of(agent)

    def _language(self, asked: str | None) -> str | None:
        language = self._options.config.language if asked is None else asked
        stt = self._models.stt
        languages = stt.languages if isinstance(stt, SttModel) else _languages_of(stt)
        who = stt.name
        if language is not None and languages and self._models.languages:
            languages |= self._models.languages.keys()
            who = "this server"
        return language_code(who, languages, language) if languages else language

    def _visible(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers without those that look like secrets."""
        return {
            name: value
            for name, value in headers.items()
            if name in self._exposed or not any(part in name for part in SECRET_NAMES)
        }


def _trace_id(session: weakref.ref[VoiceSession]) -> str:
    return alive.trace_id if (alive := session()) is not None else ""


def _rank(voice: object, language: str | None) -> int:
    """Lower for a voice that fits a call better: one that speaks its language, one that says nothing of it, others."""
    spoken = getattr(voice, "languages", None) or _languages_of(voice)
    if language is None or not spoken:
        return 0 if language is None else 1
    return 0 if {language.lower(), code_of(language)} & {each.lower() for each in spoken} else 2


def _languages_of(service: object) -> frozenset[str]:
    """The languages that a service declares; none if it accepts any."""
    languages: frozenset[str] = getattr(getattr(service, "capabilities", None), "languages", frozenset())
    return languages
