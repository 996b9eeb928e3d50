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
from duologue.agent.closing import close_unused
from duologue.agent.faults import FaultLog, is_fault
from duologue.agent.function import AgentFactory, greeting_of, is_unused, name_of
from duologue.agent.signature import name_of as function_name
from duologue.engine import Engine
from duologue.engine.admission import Admission
from duologue.errors import AgentError, ConfigError, DuologueError, HookError, with_cause
from duologue.realtime import RealtimeModel
from duologue.recording.config import refuses
from duologue.recording.header import recording_header
from duologue.recording.recordings import Recordings
from duologue.server.application_code import ApplicationCode, is_async
from duologue.server.call_log import CallCounters, CallFollower
from duologue.server.call_options import CallOptions, arguments_needed
from duologue.server.engine_counters import engine_counters
from duologue.server.records import CallRecords, call_entry
from duologue.server.speech_to_speech import responder_for
from duologue.session import AudioSink, CallRequest, SessionConfig, VoiceSession
from duologue.session.checkpoint import CallCheckpoint
from duologue.session.config import MAX_AGENT_NAME
from duologue.session.hooks import Hook
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
        self._code = ApplicationCode()
        self._hook_code = ApplicationCode()
        self._agents_failed = 0
        self._user_data_failed = 0
        self._calls = CallCounters()
        self._exposed = frozenset(name.lower() for name in options.expose_headers)

    def check(self, *, resumes: bool = False) -> None:
        """Raise OverloadedError where a session would be refused now, or one that `resumes` a call."""
        self._engine.admit(resumes=resumes)

    def change(self, options: CallOptions, max_sessions: int, admission: Admission) -> None:
        """Open further calls with these options, and admit as many."""
        self._options = options
        self._engine.change_limits(max_sessions, admission)

    def close(self) -> None:
        """Let the threads of the application go."""
        self._code.close()
        self._hook_code.close()

    def counters(self) -> Mapping[str, float]:
        """What the engine has done, as plain numbers; a name with `worst` is a maximum and no sum."""
        calls = self._calls
        return {
            **engine_counters(self._engine),
            "agents_failed": self._agents_failed,
            "user_data_failed": self._user_data_failed,
            "hooks_failed": calls.hooks_failed,
            "calls_started": calls.started,
            "calls_ended": calls.ended,
            "errors": calls.errors,
            **{f"ended_{reason}": count for reason, count in calls.by_reason.items()},
            "application_stuck": self._code.stuck + self._hook_code.stuck,
            **(self._records.counters() if self._records is not None else {}),
            **(self._recordings.counters() if self._recordings is not None else {}),
        }

    async def restore_session(
        self, request: CallRequest, sink: AudioSink, checkpoint: CallCheckpoint, call: str
    ) -> VoiceSession:
        """A session that goes on with a call of another process, not entered yet; raises as `open_session`."""
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
        voice = None
        language = self._language(request.language)
        if self._voices or request.voice is not None:
            known = sorted(self._voices, key=lambda name: _rank(self._voices[name], language))
            voice = policy.choose("voice", request.voice, known, policy.voices)
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
        info = replace(info, user_data=await self._user_data(request, info))
        is_recorded = self._recordings is not None and await self._agrees(self._recordings, info)
        agent = await self._make_agent(options.agents[name], info)
        try:
            greeting = self._greeting(agent) if request.greeting else ""
            config = self._config(info, agent, replace(rules, greeting=greeting))
            session = VoiceSession(
                engine=self._engine,
                stt=self._models.stt,
                tts=self._models.tts if voice is None else self._voices[voice],
                agent=agent,
                responder=None if self._realtime is None else responder_for(self._realtime, info.language),
                config=config,
                sink=sink,
                user_data=info.user_data,
                call=info,
                agents=self._make_named,
                voices=self._voices,
                on_start=self._hook("on_start"),
                on_turn=self._hook("on_turn"),
                on_end=self._hook("on_end"),
            )
        except DuologueError as error:  # such as a factory that returned an agent of another call
            self._agents_failed += 1
            _faults.write(f"No session for the call {info.id}, agent {name!r}", error, call=info.id)
            await _close_unused(info.id, agent)
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

    async def _agrees(self, recordings: Recordings, info: CallInfo) -> bool:
        """Whether this call may be recorded. A function of the application that fails counts as a refusal."""
        consent = recordings.config.consent
        agrees: object = consent is True
        if refuses(info):
            agrees = False
        elif callable(consent):
            what = f"consent={function_name(consent)}"
            try:
                agrees = await self._code.call(consent, info, what=what)
            except BaseException as error:
                if not is_fault(error):
                    raise
                ours = error if isinstance(error, DuologueError) else _failed(HookError, f"{what} failed", error)
                _faults.write(f"The call {info.id} is not recorded", ours, call=info.id)
                agrees = False
        recordings.refused += agrees is not True
        return agrees is True

    def _keep(self, session: weakref.ref[VoiceSession], seconds: float) -> None:
        """Have the record of a call that has just ended written."""
        if self._records is not None and (ended := session()) is not None:
            self._records.put(partial(call_entry, ended.info, ended.record, ended.history, seconds))

    def _hook(self, name: str) -> Hook | None:
        """A hook of the application; a plain one runs in a thread, so that it may block."""
        hook: Hook | None = getattr(self._options, name)
        if hook is None or is_async(hook):
            return hook
        code = self._hook_code

        async def run(*args: Any) -> None:
            await code.call(hook, *args, what=f"The hook {run.__name__}")

        run.__name__ = getattr(hook, "__name__", type(hook).__name__)
        return run

    def _config(self, info: CallInfo, agent: Agent, rules: Any) -> SessionConfig:
        config = self._options.config
        agent_name = config.agent_name or name_of(agent)[:MAX_AGENT_NAME]
        return replace(config, rules=rules, language=info.language, agent_name=agent_name)

    def _greeting(self, agent: Agent) -> str:
        if self._options.greeting is not None:
            return self._options.greeting
        return self._options.config.rules.greeting or greeting_of(agent)

    def _language(self, asked: str | None) -> str | None:
        language = self._options.config.language if asked is None else asked
        stt = self._models.stt
        languages = stt.languages if isinstance(stt, SttModel) else _languages_of(stt)
        return language_code(stt.name, languages, language) if languages else language

    def _visible(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers without those that look like secrets."""
        return {
            name: value
            for name, value in headers.items()
            if name in self._exposed or not any(part in name for part in SECRET_NAMES)
        }

    async def _user_data(self, request: CallRequest, info: CallInfo) -> Any:
        source = self._options.user_data
        if request.user_data is not None or not callable(source):
            return source if request.user_data is None else request.user_data
        what = f"user_data={function_name(source)}"
        try:
            return await self._code.call(source, *((info,) if arguments_needed(source) else ()), what=what)
        except BaseException as error:
            if not is_fault(error):
                raise
            self._user_data_failed += 1
            ours = error if isinstance(error, DuologueError) else _failed(HookError, f"{what} failed", error)
            _faults.write(f"No user data for the call {info.id}", ours, call=info.id)
            raise ours from ours.__cause__

    async def _make_named(self, name: str, info: CallInfo) -> Agent:
        """The agent that a call is handed over to."""
        factories = self._options.agents
        if name not in factories:
            known = f"Known: {', '.join(factories)}."
            raise ConfigError(f"There is no agent {name!r} to hand over to.", hint=known)
        return await self._make_agent(factories[name], info)

    async def _make_agent(self, factory: AgentFactory, info: CallInfo) -> Agent:
        if not factory.runs_code:
            return factory(info)
        what = f"The factory {factory.name} of the agent {info.agent!r}"
        try:
            if factory.is_async:
                made = await self._code.wait(factory.amake(info), what=what)
            else:
                made = await self._code.call(factory.make, info, what=what, dispose=partial(_close_unused, info.id))
        except BaseException as error:
            if not is_fault(error):
                raise
            self._agents_failed += 1
            ours = error if isinstance(error, DuologueError) else _failed(AgentError, f"{what} failed", error)
            _faults.write(f"No agent for the call {info.id}", ours, call=info.id)
            raise ours from ours.__cause__
        assert isinstance(made, Agent)
        return made


def _trace_id(session: weakref.ref[VoiceSession]) -> str:
    return alive.trace_id if (alive := session()) is not None else ""


async def _close_unused(call: str, made: Agent) -> None:
    """Close an agent whose call does not come about, unless it is one that answers others."""
    if is_unused(made):
        await close_unused(made, call)


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


def _failed(kind: type[DuologueError], what: str, error: BaseException) -> DuologueError:
    """Make an error with the type of the application's exception, without its message, which may hold a secret."""
    return with_cause(kind(f"{what}: {type(error).__name__}."), error)
