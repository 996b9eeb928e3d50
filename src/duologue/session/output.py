"""Plays replies: starts and stops them as the rules say, paces their audio, and reports what was played."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from duologue.agent import EndCall, FunctionCall, ToolCall, Turn
from duologue.agent.faults import is_fault
from duologue.audio.format import FRAME
from duologue.conversation import effects, events, inputs
from duologue.conversation.history import Message, Segment
from duologue.conversation.inputs import SayRequested
from duologue.engine import Engine
from duologue.errors import AgentError, DuologueError, ProviderError, StreamError, because
from duologue.session.agent_writer import without_frames
from duologue.session.cancellation import finishes
from duologue.session.config import SessionConfig
from duologue.session.echo import EchoGuard
from duologue.session.events import FunctionCallRequested, ToolCalled
from duologue.session.host import Host
from duologue.session.measure import Stopwatch
from duologue.session.playout import Playout
from duologue.session.questions import QuestionFinder
from duologue.session.reply_task import ReplyTask
from duologue.session.responder import (
    Heard,
    Responder,
    ResponseItem,
    ResponseRequest,
    ResponseWriter,
    SaySpoken,
    SpokenAudio,
    SpokenText,
)
from duologue.session.sink import AudioSink
from duologue.turn.languages import language_pack

__all__ = ["OutputController"]

CLOSING = 1.0
"""Seconds that replies have to let go when the session ends."""
MAX_STUCK = 16
"""Replies that are not let go of; with one more the call ends."""
ROUNDING = 0.1
"""Seconds by which the text of a voice may exceed its audio."""
MAX_TOOL_NAME = 64
"""Characters of a tool's name in an event."""
RESPONDER_CLOSING = 65.0
"""Seconds that a responder has to close: a tool that has begun to change something may finish."""


class OutputController:
    """One reply at a time, prepared or played."""

    def __init__(
        self,
        host: Host,
        engine: Engine,
        responder: Responder,
        config: SessionConfig,
        sink: AudioSink | None,
        user_data: Any,
    ) -> None:
        self.host = host
        self.playout = Playout(responder.rate, lead=config.lead, max_ready=config.max_ready, chunk=config.chunk)
        self.stopwatch = Stopwatch()
        self.echo = (
            EchoGuard(responder.rate, config.rules.barge_in.echo_threshold, config.chunk)
            if config.echo == "server"
            else None
        )
        self._session = host.id
        self._config = config
        self._engine = engine
        self._responder = responder
        self._sink = sink
        self._user_data = user_data
        self._questions = QuestionFinder(language_pack(config.language))
        self._reply: ReplyTask | None = None
        self._earlier: list[ReplyTask] = []
        """Replies before the current one whose tasks have not ended."""
        self._played: tuple[int, float] | None = None
        """Generation of the reply that was cut off last, and the seconds of it that were played."""
        self._typed = 0
        """The turn that was decided last, if it was typed."""
        self._hears = responder.capabilities.hears_audio
        self._is_closed = False

    def mark(self, position: int) -> None:
        """The client has played output up to this position."""
        self.playout.marked(position, self._engine.clock.now())

    # --- effects of the rules ---

    def reply(self, e: effects.StartReply) -> None:
        """Have a turn answered; the audio of a speculation is held."""
        committed = asyncio.Event()
        # An agent may keep its turn: a strong reference to the session would keep that alive as well.
        report = partial(_report_tool, weakref.ref(self), e.turn, e.generation)
        turn = Turn(e.turn, e.text, e.history, committed.wait, self._user_data, report)
        self._start(e.generation, turn, committed, says=e.says, speculative=e.speculative)
        if not e.speculative:
            self._answering(e.generation, e.turn, prepared=False)

    def say(self, e: effects.StartSpeech) -> None:
        """Say a text that no agent is asked for."""
        committed = asyncio.Event()
        turn = Turn(0, "", tuple[Message, ...](), committed.wait)
        say = SayRequested(e.text, e.interruptible, e.say)
        self._start(e.generation, turn, committed, say=say, speculative=False)

    def _start(
        self,
        generation: int,
        turn: Turn,
        committed: asyncio.Event,
        *,
        speculative: bool,
        says: tuple[SayRequested, ...] = (),
        say: SayRequested | None = None,
    ) -> None:
        if not speculative:
            committed.set()
        self.playout.begin(generation, held=speculative)
        self._questions.begin()
        replies = self._earlier if self._reply is None else [*self._earlier, self._reply]
        self._earlier = [reply for reply in replies if not reply.done]
        if len(self._earlier) > MAX_STUCK:
            self.host.broken(
                AgentError(
                    f"The agent or the voice holds on to {len(self._earlier)} answers that were cancelled.",
                    hint="Let CancelledError through.",
                )
            )
        is_typed = turn.id > 0 and turn.id == self._typed
        request = ResponseRequest(generation, turn, self._session, self._config, self, says, is_typed, say, committed)
        self._reply = ReplyTask(self, self._responder, request)

    def commit(self, e: effects.CommitReply) -> None:
        """The turn is decided: let the prepared reply be played."""
        reply = self._reply
        if reply is not None and reply.generation == e.generation:
            self._answering(e.generation, reply.turn, prepared=True)
            reply.commit()
            self.playout.commit()
            self.pump(self._engine.clock.now())

    def _answering(self, generation: int, turn: int, *, prepared: bool) -> None:
        for call in self.stopwatch.answering(generation, prepared=prepared):
            self.tool_called(turn, generation, call)

    def tool_called(self, turn: int, generation: int, call: ToolCall) -> None:
        """Publish the times of a tool call, or keep them until the turn is decided."""
        placed = self.stopwatch.place_tool(generation, call)
        if placed is not None:
            pos, now = self.host.accepted, self._engine.clock.now()
            self.host.publish(ToolCalled(pos, now, turn, generation, call.name[:MAX_TOOL_NAME], *placed, call.outcome))

    def discard(self, e: effects.DiscardReply) -> None:
        """Drop a reply: its audio at once, its work within 100 ms."""
        reply, playout = self._reply, self.playout
        if reply is None or reply.generation != e.generation:
            return
        reply.cancel()
        if e.rollback:
            self._responder.truncate(Heard(e.generation))
        played, started = playout.played(self._engine.clock.now()), playout.started
        playout.drop()
        if started:
            self._played = (e.generation, played)
            if self.echo is not None:
                self.echo.flushed(self.host.accepted)
            self._call_sink("flush", e.generation)
            self.host.tell_rules(inputs.PlayoutFinished(e.generation, played, playout.mark is None))

    def heard(self, generation: int, text: str) -> None:
        """Tell the responder what was heard of a reply that was cut off."""
        if self._played is not None and self._played[0] == generation:
            played, self._played = self._played[1], None
            self._responder.truncate(Heard(generation, played, text))

    def hold(self, _: effects.Hold) -> None:
        """Keep a reply from being played that has not begun."""
        self.playout.block(True)

    def release(self, _: effects.Release) -> None:
        """Let it be played."""
        self.playout.block(False)
        self.pump(self._engine.clock.now())

    def duck(self, _: effects.Duck) -> None:
        """Play softly."""
        self.playout.duck(True)

    def unduck(self, _: effects.Unduck) -> None:
        """Play at full level again."""
        self.playout.duck(False)

    def pause(self, e: effects.Pause) -> None:
        """Stop, and keep the rest."""
        self.playout.pause(self._engine.clock.now())
        if self.echo is not None:
            self.echo.paused(self.host.accepted)
        self._call_sink("pause", e.generation)

    def resume(self, e: effects.Resume) -> None:
        """Go on."""
        self.playout.resume(self._engine.clock.now())
        if self.echo is not None:
            self.echo.resumed(self.host.accepted)
        self._call_sink("resume", e.generation)

    # --- for the session ---

    def turn_decided(self, event: events.TurnDecided, lag: float) -> None:
        """Note that a turn was decided; `lag` is input that has arrived and is not scored yet, in seconds."""
        self._typed = event.turn if event.reason == "text" else 0
        self.stopwatch.turn_decided(event, time.perf_counter(), lag)

    def hear(self, pcm: NDArray[np.int16]) -> None:
        """Pass the user's audio on to a responder that hears it."""
        if not self._hears:
            return
        try:
            self._responder.hear(pcm.tobytes())
        except Exception as cause:
            self._hears = False
            name = self._responder.name
            error = ProviderError(f"{name} failed to hear: {type(cause).__name__}.", provider=name)
            self.failed(because(error, cause))

    @property
    def hears_audio(self) -> bool:
        """True if the responder is given the user's audio."""
        return self._hears

    def is_answering(self, writer: ResponseWriter) -> bool:
        """Return True if `writer` writes the session's latest reply, and has not finished."""
        return self._reply is not None and writer.request is self._reply.request and not writer.is_written

    @property
    def is_behind(self) -> bool:
        """True while the next audio of the reply is missing, and does not wait for what is being played."""
        return self.playout.hungry and not (self._reply and self._reply.says_end)

    def sounds(self, generation: int) -> bool:
        """Return True if this reply is being played now."""
        playout = self.playout
        return playout.generation == generation and playout.active and playout.started and not playout.paused

    # --- for the responder ---

    @property
    def busy(self) -> bool:
        """True if the models have no time for work that may be in vain."""
        return self._engine.model_threads.busy

    @property
    def ready(self) -> float:
        """Seconds of audio that wait to be played."""
        return self.playout.ready

    async def room(self) -> None:
        """Wait until more audio is needed."""
        await self.playout.room()

    def text_started(self, generation: int) -> None:
        """Note that the answer's first words are there."""
        self.stopwatch.first_text.setdefault(generation, time.perf_counter())

    def failed(self, error: DuologueError, turn: int = 0, *, repeated: bool = False) -> None:
        """Report an error that does not end the reply."""
        self._engine.counters.response_faults += 1
        if not repeated:
            self.host.failed(error, turn)
        without_frames(error)

    # --- what a reply brings ---

    def _is_current(self, reply: ReplyTask) -> bool:
        """Return True if `reply` may still be played: every item of a response passes here."""
        return reply is self._reply and self.playout.active

    def take(self, reply: ReplyTask, item: ResponseItem) -> None:
        """Take an item of a response."""
        if not self._is_current(reply):
            return
        match item:
            case SpokenAudio():
                self._take_audio(reply, item)
            case SpokenText():
                self._take_text(reply, item)
            case SaySpoken():
                reply.says_end.append((reply.ready, item.say))
            case EndCall():
                reply.end_call = item.reason
            case FunctionCall():
                pos, now = self.host.accepted, self._engine.clock.now()
                self.host.publish(
                    FunctionCallRequested(
                        pos, now, reply.turn, reply.generation, item.id, item.name[:MAX_TOOL_NAME], item.arguments
                    )
                )

    def _take_audio(self, reply: ReplyTask, audio: SpokenAudio) -> None:
        if reply.is_answer and audio.say is None:
            self.stopwatch.first_clause.setdefault(reply.generation, time.perf_counter())
            if reply.own_from is None:
                reply.own_from = reply.ready
        reply.has_audio = True
        reply.ready += len(audio.pcm) / 2 / self.playout.rate
        self.playout.add(audio.pcm)
        self.pump(self._engine.clock.now())

    def _take_text(self, reply: ReplyTask, spoken: SpokenText) -> None:
        place = spoken.place
        reply.text_end = max(reply.text_end, place.end)
        segment = Segment(
            place.text,
            place.start,
            place.end,
            tuple((w.text, w.start, w.end) for w in place.words),
            asks_from=self._questions.asks_from(place),
            say=spoken.say,
            interruptible=spoken.interruptible,
            id=place.id,
        )
        self.host.tell_rules(inputs.SpeechQueued(reply.generation, segment))

    def reply_done(self, reply: ReplyTask, error: DuologueError | None) -> None:
        """Note that nothing more comes."""
        if error is not None:
            self.host.failed(error, reply.turn)
            without_frames(error)
        if not self._is_current(reply):
            return
        self.playout.finish()
        self.host.progressed()
        if reply.end_call and error is None:
            self.host.tell_rules(inputs.HangUpRequested(reply.generation, reply.end_call))
        if reply.has_audio:
            if error is not None:
                self.host.tell_rules(inputs.ReplyFailed(reply.generation, error.code))
            self.pump(self._engine.clock.now())
            return
        self.playout.drop()
        if error is not None:
            self._responder.truncate(Heard(reply.generation))
        self.host.tell_rules(inputs.ReplyFailed(reply.generation, error.code if error else "empty"))

    # --- playout ---

    def pump(self, now: float) -> None:
        """Send the frames that are due."""
        playout, counters = self.playout, self._engine.counters
        starved, late = playout.starved, playout.late
        is_over = playout.pump(now, self._send)
        counters.starved_frames += playout.starved - starved
        counters.late_frames += playout.late - late
        reply = self._reply
        if reply is not None and reply.says_end:
            self._report_says(reply, now)
        if is_over:
            # The client's last mark may be a little before the end, which is silence.
            played = self._all_of(reply) if playout.is_confirmed else playout.played(now)
            self.host.tell_rules(inputs.PlayoutFinished(playout.generation, played, playout.mark is None))

    def _all_of(self, reply: ReplyTask | None) -> float:
        """Seconds of a reply that was played to its end; the text of a voice may exceed its audio a little."""
        sent = self.playout.sent
        return sent if reply is None else max(sent, min(reply.text_end, sent + ROUNDING))

    def _report_says(self, reply: ReplyTask, now: float) -> None:
        """Report what the agent had said while it answered, as soon as it has been heard."""
        playout = self.playout
        while reply.says_end and playout.generation == reply.generation:
            end, say = reply.says_end[0]
            played = playout.played(now)
            if played < end - 2 * FRAME:  # part of a frame may wait for what follows, and another has just been sent
                return
            reply.says_end.popleft()
            self.host.tell_rules(inputs.SpeechPlayed(reply.generation, say, max(played, end), playout.mark is None))

    def _send(self, frame: bytes, position: int, generation: int) -> None:
        self._call_sink("send", frame, position, generation)
        pos = self.host.accepted
        if self.echo is not None:
            self.echo.played(pos, frame)
        if position == self.playout.began:
            self.host.tell_rules(inputs.PlayoutStarted(generation))
        reply = self._reply
        if reply is not None and reply.is_answer:
            at = (position - self.playout.began) / self.playout.rate
            if not reply.is_own(at):
                return
        now = self._engine.clock.now()
        measured = self.stopwatch.first_frame(frame, generation, pos, time.perf_counter(), now)
        if measured is not None:
            self.host.measured(measured)

    def _call_sink(self, call: Literal["send", "pause", "resume", "flush"], *args: Any) -> None:
        if self._sink is None:
            return
        try:
            getattr(self._sink, call)(*args)
        except Exception as cause:
            self._sink = None
            error = StreamError(
                f"The sink failed to {call}: {type(cause).__name__}.", hint="A sink never raises; correct it."
            )
            self.host.failed(because(error, cause))
            self.host.tell_rules(inputs.EndRequested("sink_failed"))

    # --- the end ---

    async def close(self) -> None:
        """Cancel all work, and wait a moment for it to let go."""
        replies = [reply for reply in (*self._earlier, self._reply) if reply is not None]
        for reply in replies:
            reply.cancel()
        await asyncio.gather(*(reply.closed(CLOSING) for reply in replies))
        if not all(reply.done for reply in replies):
            self.host.failed(AgentError(f"The agent did not let go of its answer within {CLOSING:g} s."))
        self._earlier, self._reply = [], None
        await self._close_responder()

    async def _close_responder(self) -> None:
        """Close an agent with something to close, such as connections, or a tool that must not be cut off."""
        if self._is_closed:
            return
        self._is_closed = True
        closing = asyncio.create_task(_closed(self._responder.aclose), name="close-responder")
        if not await finishes(closing, RESPONDER_CLOSING):
            self.host.failed(AgentError(f"The agent did not close within {RESPONDER_CLOSING:g} s."))
        elif (cause := closing.result()) is not None:
            error = AgentError(f"The agent failed to close: {type(cause).__name__}.")
            self.host.failed(because(error, cause))


def _report_tool(output: weakref.ref[OutputController], turn: int, generation: int, call: ToolCall) -> None:
    if (alive := output()) is not None:
        alive.tool_called(turn, generation, call)


async def _closed(aclose: Callable[[], Awaitable[object]]) -> BaseException | None:
    """Return what keeps a responder from closing."""
    try:
        await aclose()
    except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
        if not is_fault(cause):
            raise
        return cause
    return None
