"""The session of one call: what it is made of, how it begins and ends, and what can be read of it.

It is longer than 300 lines because most of its methods are the descriptions that users read. Its base classes have the
rest: what applications and agents may have a call do (`CallCommands`), and how a call is driven (`SessionDriver`).
"""

from __future__ import annotations

import asyncio
import uuid
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

from duologue.agent import CallInfo
from duologue.agent.function import as_agent
from duologue.audio.format import FRAME, WINDOW, check_position
from duologue.conversation import inputs
from duologue.conversation.config import MAX_NUMBER
from duologue.conversation.conversation import Conversation
from duologue.conversation.events import Event
from duologue.conversation.history import Message
from duologue.conversation.state import CallState, SessionState
from duologue.engine import Engine
from duologue.errors import ConfigError, InvalidStateError, SessionAlreadyActiveError
from duologue.session.call_trace import Parties
from duologue.session.cancellation import finishes
from duologue.session.cascade import Cascade
from duologue.session.checkpoint import CallCheckpoint, agent_state, json_or_none, load_agent_state
from duologue.session.commands import CallCommands
from duologue.session.config import SessionConfig
from duologue.session.denoised_input import input_of
from duologue.session.end_reason import end_reason
from duologue.session.events import Subscription
from duologue.session.evidence import EvidenceRequester
from duologue.session.hooks import CallHooks, Hook
from duologue.session.host import WeakHost
from duologue.session.live_call import live_call
from duologue.session.meter import Meter
from duologue.session.observer import CallObserver, Observers, Tap
from duologue.session.output import OutputController
from duologue.session.parts import SessionParts
from duologue.session.publisher import EventPublisher
from duologue.session.record import CallRecord
from duologue.session.responder import Responder
from duologue.session.roster import MakeAgent, Roster, agent_maker
from duologue.session.saying import SpeechHandles
from duologue.session.sink import AudioSink
from duologue.session.talk_button import TalkButton
from duologue.session.user_input import UserInput
from duologue.stt import SpeechToText, SttModel
from duologue.telemetry.context import CONTEXTS
from duologue.tts import TextToSpeech, TtsModel
from duologue.turn import WordsPolicy
from duologue.turn.words import Words

__all__ = ["VoiceSession"]


class VoiceSession(CallCommands):
    """A conversation between one user and one agent. Use it as `async with session:`.

    `stt` and `tts` are services, or models that the engine runs. `agent` is anything that `as_agent` takes. A
    `responder` takes the place of `tts` and `agent`. `sink` receives the agent's voice. `call` is what is known of the
    call. `agents` are those that it may be handed over to: what `as_agent` takes, by name, or a function that makes
    them; `voices` are those that it may change to. Hooks may be plain or async: `on_start(session)`,
    `on_turn(session, measured)`, `on_end(session, record)`.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        stt: SpeechToText | SttModel,
        tts: TextToSpeech | TtsModel | None = None,
        agent: Any = None,
        responder: Responder | None = None,
        config: SessionConfig | None = None,
        sink: AudioSink | None = None,
        words: WordsPolicy | None = None,
        user_data: Any = None,
        call: CallInfo | None = None,
        agents: Mapping[str, Any] | MakeAgent | None = None,
        voices: Mapping[str, TextToSpeech | TtsModel] | None = None,
        on_start: Hook | None = None,
        on_turn: Hook | None = None,
        on_end: Hook | None = None,
    ) -> None:
        info = call or CallInfo(id=uuid.uuid4().hex[:12], user_data=user_data)
        user_data = info.user_data if user_data is None else user_data
        c = config or SessionConfig()
        if c.echo == "server" and engine.vad.window != WINDOW:
            raise ConfigError(
                f"{engine.vad.name} scores windows of {engine.vad.window} samples; detecting echo needs {WINDOW}.",
                hint='Set echo to "client" or "none", or use another detector.',
            )
        rules = Conversation(c.rules_of_call())
        hearing = input_of(c, engine.vad.window)
        self._host = host = WeakHost(self, info.id)
        observers = Observers(host)
        words = words or engine.words
        if isinstance(words, Words):
            words = words.of(c.language)
        evidence = EvidenceRequester(host, engine, engine.stt(stt), words, c, hearing)
        responder = responder or _cascade(engine, tts, agent, info)
        roster = Roster(info, agents if callable(agents) else agent_maker(agents or {}))
        says = SpeechHandles()
        output = OutputController(host, engine, responder, c, sink, user_data, observers)
        output.replies.recordings = says.recordings
        output.replies.call_of = partial(live_call, weakref.ref(self))
        user = UserInput(host, engine, rules, output, hearing, evidence.live, c, observers)
        publisher = EventPublisher(engine, c, CallRecord(info.id), user, output, says)
        hooks = CallHooks(host.failed, on_start, on_turn, on_end)
        button = TalkButton(host, rules, hearing, engine.vad.window)
        parts = SessionParts(info, c, engine, rules, observers, evidence, output, user, button, publisher, hooks)
        super().__init__(parts, responder, says, roster, voices or {})
        self.trace_id: str = ""
        """The id of its trace, 32 hexadecimal digits; empty if no traces are exported."""
        self.is_recorded: bool = False
        """Whether a server records the call."""
        self._resumes = False
        """It continues a call that was admitted before, in another process."""

    # --- life ---

    async def __aenter__(self) -> Self:
        if self._call.state is not CallState.INITIAL:
            raise SessionAlreadyActiveError(f"Session {self.id} has been started before.")
        self.engine.attach(self, resumes=self._resumes)
        CONTEXTS.begin(self.id, self.engine.telemetry.metrics, self.record.usage)
        agent = self.info.agent or self.config.agent_name
        parties = Parties(agent, self._evidence.name, self._responder.name, self.config.language or "")
        self.trace_id = self._publisher.trace(parties)
        self._input.arrivals.at = self.engine.clock.now()
        self._hooks.start(self)
        self._evidence.start()
        self.tell_rules(self._evidence.call(agent_speculates=self._responder.capabilities.speculative))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await (self.close() if error is None else self.hang_up())

    async def close(self, reason: str = "closed") -> None:
        """End the call once the agent has finished: what it is answering, and what waits to be said.

        Waits at most `closing_timeout` of the rules for that, then hangs up. Returns when the hooks have been called;
        at once if it is called by the agent or by a hook, which would wait for themselves. Raises ConfigError for a
        reason that is no text.
        """
        reason = end_reason(reason, "closed")
        if self._is_live:
            self.tell_rules(inputs.EndRequested(reason, after_speech=True))
            self._excuse_silence()
            if self._answering() is not None or self._hooks.is_running_here:
                return
            await self._finish_speech()
        await self.hang_up(reason)

    async def hang_up(self, reason: str = "closed") -> None:
        """End the call at once, drop all work, and wait until the hooks have been called.

        Raises ConfigError for a reason that is no text.
        """
        self.tell_rules(inputs.EndRequested(end_reason(reason, "closed")))
        self.engine.detach(self)
        self._output.fillers.close()
        await self._evidence.close()
        await self._output.replies.close()
        self._says.clear()
        await self._hooks.close()
        self._host.close()

    async def abandon(self) -> None:
        """Close the agent of a session that is never started: it was refused, or the client has gone."""
        if self._call.state is CallState.INITIAL:
            await self._output.replies.close()
            self._host.close()

    async def _finish_speech(self) -> None:
        """Wait until the call has ended by itself."""
        limit = self.config.rules.closing_timeout
        if self.engine.paced:
            await finishes(asyncio.ensure_future(self._ended.wait()), limit)
            return
        for _ in range(round(limit / FRAME)):  # nothing else advances the clock
            if self._ended.is_set():
                return
            self.engine.advance(FRAME)
            await asyncio.sleep(0)

    async def wait_ended(self) -> str:
        """Return the reason when the call has ended."""
        await self._ended.wait()
        return self.record.reason

    @property
    def state(self) -> SessionState:
        """One word for what the session does."""
        return self._rules.state

    @property
    def history(self) -> tuple[Message, ...]:
        """What was said, as heard."""
        return self._rules.history.snapshot()

    @property
    def output_rate(self) -> int:
        """Samples a second of what the sink is given."""
        return self._output.playout.rate

    @property
    def components(self) -> dict[str, str]:
        """The names of what hears, judges and answers in this call."""
        turn_model = self.engine.turn_model
        return {
            "vad": self.engine.vad.name,
            "stt": self._evidence.name,
            "words": self._evidence.words_name,
            "turn_model": "" if turn_model is None else turn_model.name,
            "responder": self._responder.name,
        }

    @property
    def starved(self) -> int:
        """Frames of 20 ms in which speech was due and none was ready."""
        return self._output.playout.starved

    @property
    def dropped(self) -> int:
        """Samples of input that were dropped because they waited longer than `max_input_lag`."""
        return self._input.hearing.dropped

    def events(self, *, max_queue: int = 256) -> Subscription:
        """All events from now on, for one reader; ends when the session does."""
        return self._publisher.bus.subscribe(max_queue)

    def watch(self, on_event: Callable[[Event], None], on_end: Callable[[str], None]) -> None:
        """Call `on_event` with each event from now on, and `on_end` with the reason after the last.

        For transports: plain calls on the loop's thread, which must neither wait nor raise. Others read `events()`.
        If `on_event` raises it is called no more, and the call ends; `on_end` is called all the same.
        """
        self._publisher.bus.watch(on_event, on_end, carries_call=True)

    def meter(self, every: float) -> None:
        """Tell from now on what the detectors make of the sound: a `Metered` each `every` seconds of audio, about.

        Raises ConfigError for what is no number of seconds.
        """
        if not 0 <= every <= MAX_NUMBER:
            raise ConfigError(f"every is {every}, and must be a number of seconds.")
        self._input.meter = Meter(every)

    def tap(self, tap: Tap) -> None:
        """Call `tap` with each input to the rules, just before the rules handle it.

        For recordings and replays: a plain call on the loop's thread, which must not wait. A tap that raises is
        removed, and the call goes on. Raises InvalidStateError once the session has been started: a recording that
        lacks its beginning cannot be replayed.
        """
        self._check_new("Register taps before the start.")
        self._observers.taps += (tap,)

    def observe(self, observer: CallObserver) -> None:
        """Show `observer` both sides' audio, each input to the rules and its effects, until the call has ended.

        Raises InvalidStateError once the session has been started, as `tap` does.
        """
        self._check_new("Register observers before the start.")
        self._observers.add(observer)

    def _check_new(self, hint: str) -> None:
        if self._call.state is not CallState.INITIAL:
            raise InvalidStateError(f"Session {self.id} has been started.", hint=hint)

    # --- a client that goes, and comes back ---

    def suspend(self) -> None:
        """The client has gone and may come back: the agent pauses, and no time passes for the conversation.

        Nothing is sent to the sink until `unsuspend`. `hang_up` ends the call as always.
        """
        if self._suspended_at is None and self._is_live:
            self._suspended_at = self.engine.clock.now()
            self._output.playout.suspend(self._suspended_at)

    def unsuspend(self, catch_up: float = 0.0) -> None:
        """The client is back: resume where the call was suspended.

        Args:
            catch_up: Seconds of audio that it may send late, at once, without any being dropped.
        """
        since, now = self._suspended_at, self.engine.clock.now()
        if since is None:
            return
        self._suspended_at = None
        self._input.unsuspend(now - since, catch_up)
        self._output.playout.unsuspend(since, now)

    def checkpoint(self) -> CallCheckpoint:
        """The state of the call, with which another session can continue it, also in another process."""
        agent = self._responder.agent if isinstance(self._responder, Cascade) else None
        return CallCheckpoint(
            history=self.history,
            turn=self._rules.user_turn.last_turn,
            generation=self._rules.generation,
            output_s=self._output.playout.position / self._output.playout.rate,
            agent=self._roster.current,
            agent_state=agent_state(agent, self.id),
            user_data=json_or_none(self.info.user_data),
        )

    def restore(self, checkpoint: CallCheckpoint) -> None:
        """Continue from a checkpoint; before the session is started.

        Raises InvalidStateError once it has been started, and AgentError if the agent cannot use its state.
        """
        self._check_new("Restore before the start.")
        if isinstance(self._responder, Cascade):
            load_agent_state(self._responder.agent, checkpoint.agent_state)
        self._rules.resume(checkpoint.history, checkpoint.turn, checkpoint.generation)
        self._output.playout.position = round(checkpoint.output_s * self._output.playout.rate)
        self._roster.current = checkpoint.agent
        self._resumes = True

    def mark_playback(self, position: int) -> None:
        """The client has played output up to this position, of those counted in `AudioSink.send`.

        Raises ConfigError for what is no position; what lies beyond the audio that was sent counts as its end.
        """
        self._output.mark(check_position(position))


def _cascade(engine: Engine, tts: TextToSpeech | TtsModel | None, agent: Any, call: CallInfo) -> Responder:
    if tts is None or agent is None:
        raise ConfigError("A session needs tts and agent, or a responder.", hint="Pass both, or responder.")
    return Cascade(as_agent(agent, call), engine.tts(tts))
