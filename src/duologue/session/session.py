"""A live conversation: audio in, the rules, and what they want done. Everything here runs on the loop's thread.

This module is long because it is the whole surface of a call: what transports, applications and the engine call. What
each call does is in the parts: `UserInput`, `EvidenceRequester`, `Conversation`, `OutputController`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import numpy as np
from numpy.typing import NDArray

from duologue.agent import Call, CallInfo
from duologue.agent.call import DetachedCall
from duologue.agent.closing import close_unused
from duologue.agent.faults import FaultLog, is_fault
from duologue.agent.function import as_agent, greeting_of
from duologue.audio.format import FRAME, RATE, WINDOW
from duologue.conversation import effects, events, inputs
from duologue.conversation.conversation import Conversation
from duologue.conversation.eagerness import Eagerness
from duologue.conversation.effects import Effect
from duologue.conversation.events import Event
from duologue.conversation.history import Message
from duologue.conversation.inputs import Input, Now
from duologue.conversation.question import AnswerKind, expected_answer
from duologue.conversation.state import CallState, SessionState
from duologue.engine import Engine
from duologue.errors import (
    ConfigError,
    DuologueError,
    HookError,
    InvalidAudioError,
    InvalidStateError,
    SessionAlreadyActiveError,
    SessionNotActiveError,
    with_cause,
)
from duologue.session.call_trace import CallTrace, Parties
from duologue.session.cancellation import finishes
from duologue.session.cascade import Cascade
from duologue.session.checkpoint import CallCheckpoint, agent_state, json_or_none, load_agent_state
from duologue.session.config import SessionConfig
from duologue.session.event_bus import EventBus
from duologue.session.events import (
    BudgetExceeded,
    ErrorRaised,
    FunctionCallRequested,
    HandedOver,
    Metered,
    Subscription,
    ToolCalled,
    TurnMeasured,
    YieldMeasured,
)
from duologue.session.evidence import EvidenceRequester
from duologue.session.hooks import Hook, Hooks
from duologue.session.host import WeakHost
from duologue.session.input_buffer import InputBuffer
from duologue.session.live_call import LiveCall
from duologue.session.meter import Meter
from duologue.session.observer import CallObserver, Observers
from duologue.session.output import OutputController
from duologue.session.record import CallRecord
from duologue.session.recorded import RECORDING, read_recording
from duologue.session.responder import Responder, ResponseWriter, current_writer
from duologue.session.roster import MakeAgent, Roster, agent_maker
from duologue.session.saying import SpeechHandle, SpeechHandles
from duologue.session.sink import AudioSink
from duologue.session.speaking import VoiceState
from duologue.session.turn_meter import TurnMeter
from duologue.session.user_input import UserInput
from duologue.stt import SpeechToText, SttModel
from duologue.telemetry.context import CONTEXTS
from duologue.tts import TextToSpeech, TtsModel
from duologue.turn import WordsPolicy
from duologue.turn.words import Words

__all__ = ["Tap", "VoiceSession"]

_faults = FaultLog(logging.getLogger(__name__))

Tap = Callable[[Input, Now], None]
"""Observes each input to the rules, with its position and wall time."""


class VoiceSession:
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
        self.info: CallInfo = call or CallInfo(id=uuid.uuid4().hex[:12], user_data=user_data)
        user_data = self.info.user_data if user_data is None else user_data
        self.id: str = self.info.id
        c = config or SessionConfig()
        self.config: SessionConfig = c
        if c.echo == "server" and engine.vad.window != WINDOW:
            raise ConfigError(
                f"{engine.vad.name} scores windows of {engine.vad.window} samples, and echo is told by {WINDOW}.",
                hint='Set echo to "client" or "none", or use another detector.',
            )
        self.engine = engine
        self.trace_id: str = ""
        """The id of its trace, 32 hexadecimal digits; empty if no traces are exported."""
        self.record: CallRecord = CallRecord(self.id)
        self.vad_row = -1
        self.has_pending_audio: bool = False
        self._rules = Conversation(c.rules_of_call())
        self._call = self._rules.call
        self._window = engine.vad.window
        hearing = InputBuffer(window=self._window, max_bytes=c.max_buffer_bytes, max_lag=int(c.max_input_lag * RATE))
        self._host = host = WeakHost(self)
        self._observers = Observers(host)
        words = words or engine.words
        if isinstance(words, Words):
            words = words.of(c.language)
        self._evidence = EvidenceRequester(host, engine, engine.stt(stt), words, c, hearing)
        self._responder = responder or _cascade(engine, tts, agent, self.info)
        self._roster = Roster(self.info, agents if callable(agents) else agent_maker(agents or {}))
        self._voices = dict(voices or {})
        self._says = SpeechHandles()
        self._output = OutputController(host, engine, self._responder, c, sink, user_data, self._observers)
        self._input = UserInput(
            host, engine, self._rules, self._output, hearing, self._evidence.live, c, self._observers
        )
        self._output.replies.recordings = self._says.recordings
        self._output.replies.call_of = partial(_live_call, weakref.ref(self))
        self._hooks = Hooks(host.failed)
        self._on_start, self._on_turn, self._on_end = on_start, on_turn, on_end
        self._event_bus = EventBus()
        meter = TurnMeter(self.id, engine.telemetry)
        self._event_bus.watch(meter.follow, meter.end)
        self._inputs: deque[Input] = deque()
        self._taps: tuple[Tap, ...] = ()
        self._telling = False
        self._suspended_at: float | None = None
        """When the client went; None while it is there."""
        self._handled_at = 0.0
        """When the input came that the rules handle."""
        self._ended = asyncio.Event()
        self._progress: asyncio.Event | None = None

    # --- life ---

    async def __aenter__(self) -> Self:
        if self._rules.call.state is not CallState.INITIAL:
            raise SessionAlreadyActiveError(f"Session {self.id} has been started before.")
        self.engine.attach(self)
        CONTEXTS.begin(self.id, self.engine.telemetry.metrics)
        self._begin_trace()
        self._input.arrivals.at = self.engine.clock.now()
        self._hooks.call(self._on_start, self)
        self._evidence.start()
        self.tell_rules(self._evidence.call(agent_speculates=self._responder.capabilities.speculative))
        return self

    def _begin_trace(self) -> None:
        if (tracer := self.engine.telemetry.tracer) is None:
            return
        language = self.config.language or ""
        agent = self.info.agent or self.config.agent_name
        parties = Parties(agent, self._evidence.name, self._responder.name, language)
        trace = CallTrace(self.id, tracer, parties, is_sampled=self.engine.telemetry.is_sampled)
        self.trace_id = trace.trace_id
        self._event_bus.watch(trace.follow, trace.end)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await (self.close() if error is None else self.hang_up())

    async def close(self, reason: str = "closed") -> None:
        """End the call once the agent has finished: what it is answering, and what waits to be said.

        Waits at most `closing_timeout` of the rules for that, then hangs up. Returns when the hooks have been called;
        at once if it is called by the agent or by a hook, which would wait for themselves.
        """
        if self._is_live:
            self.tell_rules(inputs.EndRequested(reason, after_speech=True))
            if self._answering() is not None or self._hooks.is_running_here:
                return
            await self._finish_speech()
        await self.hang_up(reason)

    async def hang_up(self, reason: str = "closed") -> None:
        """End the call at once, drop all work, and wait until the hooks have been called."""
        self.tell_rules(inputs.EndRequested(reason))
        self.engine.detach(self)
        self._output.fillers.close()
        await self._evidence.close()
        await self._output.replies.close()
        self._says.clear()
        await self._hooks.close()
        self._host.close()

    async def abandon(self) -> None:
        """Close the agent of a session that is never started: it was refused, or nobody is left to talk to."""
        if self._rules.call.state is CallState.INITIAL:
            await self._output.replies.close()
            self._host.close()

    def _answering(self) -> ResponseWriter | None:
        """The writer of the reply that this code is called from, if it is one of this session."""
        writer = current_writer.get()
        return writer if writer is not None and self._output.replies.is_answering(writer) else None

    async def _finish_speech(self) -> None:
        """Wait until the call has ended by itself."""
        limit = self.config.rules.closing_timeout
        if self.engine.paced:
            await finishes(asyncio.ensure_future(self._ended.wait()), limit)
            return
        for _ in range(round(limit / FRAME)):  # nobody else moves the clock on
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
            "stt": self._evidence.stt_name,
            "words": self._evidence.words_name,
            "turn_model": "" if turn_model is None else turn_model.name,
            "responder": self._responder.name,
        }

    @property
    def starved(self) -> int:
        """Frames of 20 ms in which speech was owed and none was ready."""
        return self._output.playout.starved

    @property
    def accepted(self) -> int:
        """Samples of input so far, gaps included."""
        return self._input.hearing.end

    @property
    def dropped(self) -> int:
        """Samples of input that were dropped because they waited longer than `max_input_lag`."""
        return self._input.hearing.dropped

    def events(self, *, max_queue: int = 256) -> Subscription:
        """All events from now on, for one reader; ends when the session does."""
        return self._event_bus.subscribe(max_queue)

    def watch(self, on_event: Callable[[Event], None], on_end: Callable[[str], None]) -> None:
        """Call `on_event` with each event from now on, and `on_end` with the reason after the last.

        For transports: plain calls on the loop's thread, which must neither wait nor raise. Others read `events()`.
        """
        self._event_bus.watch(on_event, on_end)

    def meter(self, every: float) -> None:
        """Tell from now on what the detectors make of the sound: a `Metered` each `every` seconds of audio, about."""
        self._input.meter = Meter(every)

    def tap(self, tap: Tap) -> None:
        """Call `tap` with each input to the rules, just before the rules handle it.

        For recordings and replays: a plain call on the loop's thread, which must not wait. A tap that raises is
        removed, and the call goes on. Raises InvalidStateError once the session has been started: a recording that
        lacks its beginning cannot be replayed.
        """
        if self._rules.call.state is not CallState.INITIAL:
            raise InvalidStateError(f"Session {self.id} has been started.", hint="Register taps before the start.")
        self._taps += (tap,)

    def observe(self, observer: CallObserver) -> None:
        """Show `observer` both sides' audio, each input to the rules and its effects, until the call has ended.

        Raises InvalidStateError once the session has been started, as `tap` does.
        """
        if self._rules.call.state is not CallState.INITIAL:
            raise InvalidStateError(f"Session {self.id} has been started.", hint="Register observers before the start.")
        self._observers.add(observer)

    # --- a client that goes, and comes back ---

    def suspend(self) -> None:
        """The client is gone and may come back: the agent pauses, and no time passes for the conversation.

        Nothing is sent to the sink until `unsuspend`. `hang_up` ends the call as always.
        """
        if self._suspended_at is None and self._is_live:
            self._suspended_at = self.engine.clock.now()
            self._output.playout.suspend(self._suspended_at)

    def unsuspend(self, catch_up: float = 0.0) -> None:
        """The client is back: go on where the call was suspended.

        Args:
            catch_up: Seconds of audio that it may send late, at once, without any being dropped.
        """
        if self._suspended_at is None:
            return
        now = self.engine.clock.now()
        self._input.unsuspend(now - self._suspended_at, catch_up)
        self._suspended_at = None
        self._output.playout.unsuspend(now)

    def checkpoint(self) -> CallCheckpoint:
        """The state of the call, to go on with it in another session, also of another process."""
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
        """Go on from a checkpoint; before the session is started.

        Raises InvalidStateError once it has been started, and AgentError if the agent cannot use its state.
        """
        if self._rules.call.state is not CallState.INITIAL:
            raise InvalidStateError(f"Session {self.id} has been started.", hint="Restore before the start.")
        if isinstance(self._responder, Cascade):
            load_agent_state(self._responder.agent, checkpoint.agent_state)
        self._rules.resume(checkpoint.history, checkpoint.turn, checkpoint.generation)
        self._output.playout.position = round(checkpoint.output_s * self._output.playout.rate)
        self._roster.current = checkpoint.agent

    # --- what a transport and an application call ---

    def process_audio(self, pcm: bytes) -> int:
        """Take 16 kHz mono PCM16, 20 to 100 ms at a time; returns the bytes accepted. A plain call that never waits.

        Where more than `max_input_lag` waits, the oldest is dropped as a gap. Raises InvalidAudioError for bytes that
        are not whole samples, SessionNotActiveError before the session is started and after it has ended.
        """
        self._check_live()
        if len(pcm) & 1:
            raise InvalidAudioError(f"{len(pcm)} bytes are not whole 16-bit samples.")
        dropped = self._input.write(pcm, self.engine.clock.now())
        counters = self.engine.counters
        counters.chunks += 1
        counters.dropped_samples += dropped
        if self._input.hearing.waiting >= self._window:
            self.has_pending_audio = True
        return max(0, len(pcm) - 2 * dropped)

    def skip_audio(self, samples: int) -> None:
        """Note that the next `samples` samples are lost; they count as silence, where that has not been noted yet."""
        self._check_live()
        self._input.skip(samples, self.engine.clock.now())
        self.has_pending_audio = True

    async def feed(self, pcm: bytes) -> None:
        """Take audio of any length as fast as it can be understood: for files."""
        frame = int(FRAME * RATE) * 2
        for i in range(0, len(pcm), frame):
            while self._input.hearing.lag * 2 > self.config.max_input_lag * RATE:
                self._check_live()
                await asyncio.sleep(FRAME / 2)
            self.process_audio(pcm[i : i + frame])

    async def say(self, text: str, *, interruptible: bool = True) -> SpeechHandle:
        """Have the agent say `text` as soon as the floor is free.

        Called by the agent while it answers, the text becomes a part of its answer, at this point of it.
        """
        self._check_live()
        return await self._say(text, interruptible)

    async def _say(self, text: str, interruptible: bool, recording: bytes | None = None) -> SpeechHandle:
        key, handle = self._says.add(text)
        if recording is not None:
            self._says.recordings[key] = recording
        writer = self._answering()
        self._request_say(inputs.SayRequested(text, interruptible, key, writer.request.generation if writer else 0))
        if writer is not None:
            await writer.say_within(text, key, interruptible=interruptible)
        return handle

    def _request_say(self, say: inputs.SayRequested) -> None:
        try:
            self.tell_rules(say)
        except DuologueError:
            self._says.end(say.id)
            raise

    async def play(
        self, wav: str | os.PathLike[str] | bytes | BinaryIO, *, text: str = "", interruptible: bool = True
    ) -> SpeechHandle:
        """Play a WAV file as `say` says a text; `text` is what it says, for the history.

        Raises InvalidAudioError for what is no WAV file, is empty, or is longer than MAX_PLAY_S, and ConfigError if a
        responder other than an agent and a voice answers.
        """
        self._check_live()
        self._check_cascade()
        audio = await asyncio.to_thread(read_recording, wav, self._responder.rate)
        self._check_live()
        return await self._say(text or RECORDING, interruptible, audio)

    @property
    def agent_name(self) -> str:
        """The name of the agent that answers now."""
        return self._roster.current

    async def hand_over(self, agent: str, *, greeting: str | None = None) -> None:
        """Have another agent of `agents=` answer from the next turn on; it is given the whole history.

        What is being said is said first, then the new agent's `greeting`: its own, or the one given here; "" for none.
        Raises ConfigError if there is no such agent, and what its factory fails with: then nothing changes.
        """
        self._check_live()
        cascade = self._check_cascade()
        made = await self._roster.get(agent, cascade.agent)
        if not self._is_live and not cascade.has_met(made):
            await close_unused(made, self.id)
        self._check_live()
        cascade.keep(made)
        text = greeting_of(made) if greeting is None else greeting
        self._roster.current = agent
        cascade.change_agent(made)
        self.record.agents.append(agent)
        self.tell_rules(inputs.SettingsChanged(agent_speculates=made.speculative))
        self._publish(HandedOver(self._input.hearing.position, self.engine.clock.now(), agent))
        if text:
            key, _ = self._says.add(text)
            try:
                self._request_say(inputs.SayRequested(text, True, key))
            except DuologueError as error:  # too much waits to be said: the agent answers, and does not greet
                self.failed(error)

    def configure(
        self,
        *,
        voice: str | None = None,
        action_delay: float | None = None,
        timeout: float | None = None,
        barge_in: bool | None = None,
        eagerness: Eagerness | None = None,
    ) -> None:
        """Change settings from now on; None keeps what there is. `voice` is one of `voices=`, of the same rate.

        The others are those of TurnTaking. Raises ConfigError for what cannot be, and changes nothing then.
        """
        self._check_live()
        if voice is not None and voice not in self._voices:
            raise ConfigError(f"There is no voice {voice!r} here.", hint=f"Known: {', '.join(self._voices) or 'none'}.")
        tts = None if voice is None else self.engine.tts(self._voices[voice])
        if tts is not None and tts.rate != self._check_cascade().rate:
            raise ConfigError(
                f"The voice {voice!r} speaks at {tts.rate} Hz, and that of this call at {self._responder.rate} Hz.",
                hint="Change to a voice of the same rate.",
            )
        new = None if tts is None else VoiceState(tts)
        self.tell_rules(inputs.SettingsChanged(action_delay, timeout, barge_in, eagerness=eagerness))
        if new is not None:
            self._check_cascade().change_voice(new)

    def expect(self, kind: AnswerKind, *lengths: int) -> None:
        """Declare what the user's next turn is to answer; called by the agent, it belongs to the answer it is giving.

        `lengths` are the numbers of digits, letters or words that a complete answer may have. Raises ConfigError for
        what cannot be.
        """
        self._check_live()
        writer = self._answering()
        generation = writer.request.generation if writer else 0
        self.tell_rules(inputs.AnswerExpected(expected_answer(kind, lengths), generation))

    def _check_cascade(self) -> Cascade:
        if not isinstance(self._responder, Cascade):
            raise ConfigError(f"{self._responder.name} answers by itself, without an agent and a voice.")
        return self._responder

    def interrupt(self) -> None:
        """Silence the agent, and forget what waits to be said."""
        self._check_live()
        self.tell_rules(inputs.InterruptRequested())

    def clear_buffers(self) -> None:
        """Forget everything pending on both sides: the utterance, the reply, what waits to be said."""
        self._check_live()
        self.tell_rules(inputs.ClearRequested())

    def begin_turn(self) -> None:
        """The button to talk is down: all until `end_turn` is one turn. Interrupts the agent."""
        self._check_live()
        self.tell_rules(inputs.TurnBegun())

    def end_turn(self) -> None:
        """The button is up: the turn is over."""
        self._check_live()
        self.tell_rules(inputs.TurnEnded())

    def send_text(self, text: str) -> None:
        """The user typed a turn."""
        self._check_live()
        if text.strip():
            self.tell_rules(inputs.TextArrived(text.strip()))

    def mark_playback(self, position: int) -> None:
        """The client has played output up to this position, of those counted in `AudioSink.send`."""
        self._output.mark(position)

    @property
    def _is_live(self) -> bool:
        return self._call.state is CallState.LIVE

    def _check_live(self) -> None:
        if not self._is_live:
            raise SessionNotActiveError(f"Session {self.id} is {self._rules.call.state}.")

    # --- the tick ---

    @property
    def sounding(self) -> bool:
        """True while a reply is prepared or played."""
        return self._output.playout.active

    def window_ready(self) -> bool:
        """Note what is missing before the next window; True where a whole one waits to be scored."""
        hearing, live = self._input.hearing, self._call.state is CallState.LIVE
        if hearing.gaps and live:
            self.engine.vad.reset(self.vad_row)
            self._input.tell_gaps()
            live = self._call.state is CallState.LIVE
        self.has_pending_audio = ready = live and hearing.window_ready()
        return ready

    def read_window(self, out: NDArray[np.int16]) -> None:
        """Copy the next window into `out` and go past it."""
        hearing = self._input.hearing
        hearing.read_window(out)
        self._observers.heard(hearing.position - self._window, out)

    def window_scored(self, probability: float) -> None:
        """The score of the window that was read last."""
        score = self._input.window_scored(probability)
        if score is not None:
            self.tell_rules(score)
            if self._input.meter is not None:
                self._input.measure(self._input.meter, score)

    def tick(self, now: float) -> None:
        """Send what is due, and note what is missing."""
        if self._suspended_at is not None:
            return
        if self._input.tick(now, paced=self.engine.paced):
            self.has_pending_audio = True
        self._output.pump(now)

    # --- the rules ---

    def tell_rules(self, input_: Input) -> None:
        """Tell the rules, and do what they want done. What that brings about is told after it, in order."""
        waiting = self._inputs
        waiting.append(input_)
        if self._telling:
            return
        self._telling = True
        hearing, clock = self._input.hearing, self.engine.clock
        try:
            while waiting:
                now = Now(hearing.position, clock.now())
                self._handled_at = now.wall
                input_ = waiting.popleft()
                for tap in self._taps:
                    self._observe(tap, input_, now)
                for effect in self._handle(input_, now) if self._observers.all else self._rules.handle(input_, now):
                    if isinstance(effect, Event):
                        self._publish(effect)
                    else:
                        DO[type(effect)](self, effect)
        finally:
            self._telling = False
            self.progressed()
            if self._call.machine.state is CallState.ENDED:
                self._finish()

    def _handle(self, input_: Input, now: Now) -> list[Effect]:
        """Have the rules handle an input, and show it to the observers, also where the rules refuse it."""
        try:
            effects = self._rules.handle(input_, now)
        except Exception:
            self._observers.told(input_, now, ())
            raise
        self._observers.told(input_, now, effects)
        return effects

    def _observe(self, tap: Tap, input_: Input, now: Now) -> None:
        try:
            tap(input_, now)
        except BaseException as error:  # SystemExit, too: it would end the loop, and with it all other calls
            if not is_fault(error):
                raise
            self._taps = tuple(other for other in self._taps if other is not tap)
            failure = HookError(f"An input tap raised {type(error).__name__}, and is removed.")
            self.failed(with_cause(failure, error))

    def failed(self, error: DuologueError, turn: int = 0) -> None:
        """Log and publish an error, of this turn if of any."""
        _faults.write(f"Session {self.id}" + (f", turn {turn}" if turn else ""), error, call=self.id, turn=turn)
        self._publish(
            ErrorRaised(
                self._input.hearing.position,
                self.engine.clock.now(),
                error.code,
                error.message,
                error.next_step,
                error.retryable,
                error.provider,
                turn,
            )
        )

    def broken(self, error: Exception) -> None:
        """The engine cannot serve the session any more: tell why, and end the call."""
        if not isinstance(error, DuologueError):
            # Its words may hold what is not the client's to read; the log has them.
            hint = "Start a new one; the server's log says why."
            error = with_cause(DuologueError(f"The session broke off: {type(error).__name__}.", hint=hint), error)
        self.failed(error)
        self.tell_rules(inputs.EndRequested("error"))

    def measured(self, measured: TurnMeasured) -> None:
        """A turn was answered audibly."""
        self._publish(measured)
        for part, took, budget in self.config.budget.overruns(measured.parts, measured.voice_to_voice):
            turn, generation = measured.turn, measured.generation
            self._publish(BudgetExceeded(measured.pos, measured.wall, turn, generation, part, took, budget))
        self._hooks.call(self._on_turn, self, measured)

    def publish(self, event: ToolCalled | FunctionCallRequested | Metered) -> None:
        """Publish an event that a part of the session observed."""
        self._publish(event)

    def _publish(self, event: Event) -> None:
        self.record.take(event)
        match event:
            case events.SpeechStopped():
                self._output.stopwatch.stopped(event)
            case events.TurnScored():
                self._output.stopwatch.scored(event)
            case events.TurnDecided():
                self._output.turn_decided(event, self._input.hearing.lag / RATE)
            case events.AgentHeard():
                self._output.replies.heard(event.generation, event.text)
            case events.SayEnded():
                self._says.end(event.say, event.heard, interrupted=event.interrupted)
            case _:
                pass
        self._event_bus.tell(event)

    def _pause(self, e: effects.Pause) -> None:
        self._output.pause(e)
        self._yielded(e.generation, "pause")

    def _discard_reply(self, e: effects.DiscardReply) -> None:
        sounded = self._output.sounds(e.generation)
        self._output.discard(e)
        if sounded:
            self._yielded(e.generation, "cut_off")

    def _yielded(self, generation: int, reason: Literal["pause", "cut_off"]) -> None:
        """The agent has just fallen silent."""
        now = self.engine.clock.now()
        behind = self._input.hearing.lag / RATE + now - self._input.arrivals.at
        self._publish(
            YieldMeasured(self._input.hearing.position, now, generation, reason, now - self._handled_at, behind)
        )

    def _ask_words(self, e: effects.RequestTranscript) -> None:
        self._evidence.request_transcript(e, (e.due - self._input.hearing.position) / RATE)

    def _ask_sound(self, e: effects.RequestEndOfTurn) -> None:
        self._evidence.request_end_of_turn(e, (e.due - self._input.hearing.position) / RATE)

    def _end_call(self, _: effects.EndCall) -> None:
        self.engine.detach(self)

    def _finish(self) -> None:
        """The call has ended, and what its end brought about has been told."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._evidence.stop()
        CONTEXTS.forget(self.id)
        self._observers.ended(self.record)
        self._hooks.call(self._on_end, self, self.record)
        self._event_bus.end(self.record.reason)

    # --- for those who drive it with recorded sound ---

    @property
    def settled(self) -> bool:
        """True where nothing is open on either side, and no more sound waits to be scored than a tick leaves."""
        return self._rules.is_idle and self._input.hearing.lag < 2 * self._window

    def behind(self) -> bool:
        """True where audio must not go on yet: evidence that is due next, or speech that is owed, is not there."""
        due = self._input.hearing.position + self._window
        return self._rules.waits_for_evidence(due) or self._rules.speech_owed or self._output.is_behind

    def progressed(self) -> None:
        """Wake who waits for progress."""
        if self._progress is not None:
            self._progress.set()

    async def progress(self) -> None:
        """Return when something has come: evidence, or speech."""
        if self._progress is None:
            self._progress = asyncio.Event()
        self._progress.clear()
        await self._progress.wait()


def _cascade(engine: Engine, tts: TextToSpeech | TtsModel | None, agent: Any, call: CallInfo) -> Responder:
    if tts is None or agent is None:
        raise ConfigError("A session needs tts and agent, or a responder.", hint="Pass both, or responder.")
    return Cascade(as_agent(agent, call), engine.tts(tts))


DO: dict[type, Callable[[VoiceSession, Any], None]] = {
    effects.RequestTranscript: VoiceSession._ask_words,
    effects.RequestEndOfTurn: VoiceSession._ask_sound,
    effects.RequestPartial: lambda s, e: s._evidence.request_partial(e),
    effects.DropAsk: lambda s, e: s._evidence.drop(e.ask),
    effects.StartReply: lambda s, e: s._output.reply(e),
    effects.CommitReply: lambda s, e: s._output.commit(e),
    effects.StartSpeech: lambda s, e: s._output.say(e),
    effects.Fill: lambda s, e: s._output.fill(e),
    effects.Hold: lambda s, e: s._output.hold(e),
    effects.Release: lambda s, e: s._output.release(e),
    effects.DiscardReply: VoiceSession._discard_reply,
    effects.Duck: lambda s, e: s._output.duck(e),
    effects.Unduck: lambda s, e: s._output.unduck(e),
    effects.Pause: VoiceSession._pause,
    effects.Resume: lambda s, e: s._output.resume(e),
    effects.EndCall: VoiceSession._end_call,
}


def _live_call(session: weakref.ref[VoiceSession], committed: Callable[[], Awaitable[object]]) -> Call:
    alive = session()
    return DetachedCall() if alive is None else LiveCall(alive, committed)
