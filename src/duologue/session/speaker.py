"""The agent's mouth: makes replies, paces their sound, and stops, pauses or discards them as the rules say."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Literal, Protocol

from duologue.agent import Agent, ToolCall, Turn
from duologue.agent.faults import is_fault
from duologue.conversation import effects as do
from duologue.conversation import inputs as got
from duologue.conversation.history import Segment
from duologue.engine import Engine
from duologue.errors import AgentError, DuologueError, StreamError, because
from duologue.session.cancellation import finishes
from duologue.session.config import SessionConfig
from duologue.session.echo import EchoGuard
from duologue.session.events import ToolCalled, TurnMeasured
from duologue.session.measure import Stopwatch
from duologue.session.playout import FRAME, Playout
from duologue.session.reply import Clause, ReplyRun
from duologue.tts import Speech, TextToSpeech
from duologue.turn.languages import language_pack, question_start

__all__ = ["AudioSink", "Speaker"]

CLOSING = 1.0
"""Seconds that the reply has to let go when the session ends."""
MAX_STUCK = 16
"""Replies that are not let go of; with one more the call ends."""
MAX_TOOL_NAME = 64
"""Characters of a tool's name in an event."""
AGENT_CLOSING = 65.0
"""Seconds that an agent has to close: a tool that has begun to change something is let finish."""


class AudioSink(Protocol):
    """Where the agent's voice goes, one for each session.

    Every method is a plain call on the loop's thread and never waits. A sink whose client is gone or stuck takes all
    calls and does nothing; the transport ends the session. One that raises is not called again, and the call ends.
    """

    def send(self, pcm: bytes, position: int, generation: int) -> None:
        """Play 20 ms of 16-bit mono PCM at the session's `output_rate`; `position` is the samples sent before it."""
        ...

    def pause(self, generation: int) -> None:
        """Stop sounding at once, and keep the rest."""
        ...

    def resume(self, generation: int) -> None:
        """Go on where playback was paused."""
        ...

    def flush(self, generation: int) -> None:
        """Drop what has not sounded of this generation and older."""
        ...


class Host(Protocol):
    """What the speaker needs of its session."""

    id: str

    @property
    def accepted(self) -> int:
        """Samples of input so far."""
        ...

    def tell_rules(self, input_: got.Input) -> None:
        """Tell the rules."""
        ...

    def failed(self, error: DuologueError, turn: int = 0, *, logged: bool = False) -> None:
        """Publish an error, of this turn if of any."""
        ...

    def broken(self, error: Exception) -> None:
        """The call cannot go on."""
        ...

    def progressed(self) -> None:
        """What the session waits for may have come."""
        ...

    def measured(self, measured: TurnMeasured) -> None:
        """A turn was answered audibly."""
        ...

    def tool_called(self, called: ToolCalled) -> None:
        """The agent's call of a tool is over."""
        ...


class Speaker:
    """One reply at a time, prepared or sounding."""

    def __init__(
        self,
        host: Host,
        engine: Engine,
        agent: Agent,
        tts: TextToSpeech,
        config: SessionConfig,
        sink: AudioSink | None,
        user_data: Any,
    ) -> None:
        self.owner = host.id
        self.config = config
        self.tts = tts
        self.playout = Playout(tts.rate, lead=config.lead, max_ready=config.max_ready, chunk=config.chunk)
        self.stopwatch = Stopwatch()
        self.echo = (
            EchoGuard(tts.rate, config.rules.barge_in.echo_threshold, config.chunk) if config.echo == "server" else None
        )
        self.host = host
        self._engine = engine
        self._agent = agent
        self._sink = sink
        self._user_data = user_data
        self._language = language_pack(config.language)
        self._run: ReplyRun | None = None
        self._closing: list[ReplyRun] = []
        """Runs before the current one whose tasks have not ended."""
        self._agent_closed = False

    def mark(self, position: int) -> None:
        """The client has played output up to this position."""
        self.playout.marked(position, self._engine.clock.now())

    # --- what the rules want done ---

    def reply(self, e: do.StartReply) -> None:
        """Have the agent answer; the sound of a speculation is held."""
        run = self._begin(e.generation, e.turn, speculative=e.speculative)
        # An agent may keep its turn: a strong reference to the session would keep that alive as well.
        report = partial(_report_tool, weakref.ref(self), e.turn, e.generation)
        turn = Turn(e.turn, e.text, e.history, run.committed, self._user_data, report)
        run.answer(self._agent, turn, tuple(self._closing), e.says)
        if not e.speculative:
            self._answering(e.generation, e.turn, prepared=False)

    def say(self, e: do.StartSpeech) -> None:
        """Speak a text that no agent is asked for."""
        self._begin(e.generation, 0, speculative=False).say(e.text, interruptible=e.interruptible)

    def _begin(self, generation: int, turn: int, *, speculative: bool) -> ReplyRun:
        self.playout.begin(generation, held=speculative)
        runs = self._closing if self._run is None else [*self._closing, self._run]
        self._closing = [run for run in runs if not run.done]
        if len(self._closing) > MAX_STUCK:
            self.host.broken(
                AgentError(
                    f"The agent or the voice holds on to {len(self._closing)} answers that were cancelled.",
                    hint="Let CancelledError through.",
                )
            )
        self._run = run = ReplyRun(self, generation, turn, speculative=speculative)
        return run

    def commit(self, e: do.CommitReply) -> None:
        """The turn is decided: let the prepared reply sound."""
        if self._run and self._run.generation == e.generation:
            self._answering(e.generation, self._run.turn, prepared=True)
            self._run.commit()
            self.playout.commit()
            self.pump(self._engine.clock.now())

    def _answering(self, generation: int, turn: int, *, prepared: bool) -> None:
        for call in self.stopwatch.answering(generation, prepared=prepared):
            self.tool_called(turn, generation, call)

    def tool_called(self, turn: int, generation: int, call: ToolCall) -> None:
        """Publish a tool call of the agent, or keep it until the turn is decided."""
        placed = self.stopwatch.place_tool(generation, call)
        if placed is not None:
            pos, now = self.host.accepted, self._engine.clock.now()
            self.host.tool_called(
                ToolCalled(pos, now, turn, generation, call.name[:MAX_TOOL_NAME], *placed, call.outcome)
            )

    def discard(self, e: do.DiscardReply) -> None:
        """Drop a reply: its sound at once, its work within 100 ms."""
        run, playout = self._run, self.playout
        if run is None or run.generation != e.generation:
            return
        run.cancel()
        if e.rollback:
            run.roll_back()
        played, started = playout.played(self._engine.clock.now()), playout.started
        playout.drop()
        if started:
            if self.echo is not None:
                self.echo.flushed(self.host.accepted)
            self._sound("flush", e.generation)
            self.host.tell_rules(got.PlayoutFinished(e.generation, played, playout.mark is None))

    def hold(self, _: do.Hold) -> None:
        """Keep a reply from sounding that has not begun to."""
        self.playout.block(True)

    def release(self, _: do.Release) -> None:
        """Let it sound."""
        self.playout.block(False)
        self.pump(self._engine.clock.now())

    def duck(self, _: do.Duck) -> None:
        """Play softly."""
        self.playout.duck(True)

    def unduck(self, _: do.Unduck) -> None:
        """Play at full level again."""
        self.playout.duck(False)

    def pause(self, e: do.Pause) -> None:
        """Stop, and keep the rest."""
        self.playout.pause(self._engine.clock.now())
        if self.echo is not None:
            self.echo.paused(self.host.accepted)
        self._sound("pause", e.generation)

    def resume(self, e: do.Resume) -> None:
        """Go on."""
        self.playout.resume(self._engine.clock.now())
        if self.echo is not None:
            self.echo.resumed(self.host.accepted)
        self._sound("resume", e.generation)

    def is_answering(self, run: ReplyRun) -> bool:
        """Whether this is the session's latest reply, and its agent has not finished."""
        return run is self._run and not run.is_written

    @property
    def is_behind(self) -> bool:
        """True while the next sound of the reply is not there, and does not wait for what is being played."""
        return self.playout.hungry and not (self._run and self._run.says_end)

    def sounds(self, generation: int) -> bool:
        """Whether this reply is to be heard now."""
        playout = self.playout
        return playout.generation == generation and playout.active and playout.started and not playout.paused

    # --- what the reply brings ---

    @property
    def busy(self) -> bool:
        """The models have so much to do that nothing should be done in vain."""
        return self._engine.workers.busy

    def reply_text(self, run: ReplyRun) -> None:
        """The first text came."""
        self.stopwatch.first_text.setdefault(run.generation, time.perf_counter())

    def reply_speech(self, run: ReplyRun, clause: Clause, speech: Speech) -> None:
        """A stretch of sound is ready."""
        if run is not self._run or not self.playout.active or not speech.pcm:
            return
        if run.asked and clause.say is None:
            self.stopwatch.first_clause.setdefault(run.generation, time.perf_counter())
            if run.own_from is None:
                run.own_from = run.ready
        run.spoke = True
        run.ready += speech.duration
        self.playout.add(speech.pcm)
        exact = speech.words if speech.timings == "exact" else ()
        text = speech.text.strip()
        segment = Segment(
            text,
            speech.duration,
            tuple((w.text, w.start, w.end) for w in exact),
            asks_from=question_start(text, speech.duration, self._language),
            say=clause.say,
            interruptible=clause.interruptible,
        )
        self.host.tell_rules(got.SpeechQueued(run.generation, segment))
        self.pump(self._engine.clock.now())

    def say_ready(self, run: ReplyRun, say: int) -> None:
        """All of a `say` inside a reply is ready."""
        if run is self._run:
            run.says_end.append((run.ready, say))

    def reply_done(self, run: ReplyRun, error: DuologueError | None) -> None:
        """Nothing more will come."""
        if error is not None:
            self.host.failed(error, run.turn, logged=True)
        if run is not self._run or not self.playout.active:
            return
        self.playout.finish()
        self.host.progressed()
        if run.end_call and error is None:
            self.host.tell_rules(got.HangUpRequested(run.generation, run.end_call))
        if run.spoke:
            if error is not None:
                self.host.tell_rules(got.ReplyFailed(run.generation, error.code))
            self.pump(self._engine.clock.now())
            return
        self.playout.drop()
        if error is not None:
            run.roll_back()
        self.host.tell_rules(got.ReplyFailed(run.generation, error.code if error else "empty"))

    def failed(self, error: DuologueError, turn: int) -> None:
        """Something failed beside the reply."""
        self.host.failed(error, turn, logged=True)

    # --- sound ---

    def pump(self, now: float) -> None:
        """Send the frames that are due."""
        playout, counters = self.playout, self._engine.counters
        starved, late = playout.starved, playout.late
        heard = playout.pump(now, self._send)
        counters.starved_frames += playout.starved - starved
        counters.late_frames += playout.late - late
        run = self._run
        if run is not None and run.says_end:
            self._report_says(run, now)
        if heard:
            played = playout.played(now)
            self.host.tell_rules(
                got.PlayoutFinished(playout.generation, played, playout.mark is None, playout.is_confirmed)
            )

    def _report_says(self, run: ReplyRun, now: float) -> None:
        """Report what the agent said while it answered, as soon as it has been heard."""
        playout = self.playout
        while run.says_end and playout.generation == run.generation:
            end, say = run.says_end[0]
            played = playout.played(now)
            if played < end - 2 * FRAME:  # part of a frame may wait for what follows, and another has just been sent
                return
            run.says_end.popleft()
            self.host.tell_rules(got.SpeechPlayed(run.generation, say, max(played, end), playout.mark is None))

    def _send(self, frame: bytes, position: int, generation: int) -> None:
        self._sound("send", frame, position, generation)
        pos = self.host.accepted
        if self.echo is not None:
            self.echo.played(pos, frame)
        if position == self.playout.began:
            self.host.tell_rules(got.PlayoutStarted(generation))
        run = self._run
        if run is not None and run.asked and not run.is_own((position - self.playout.began) / self.playout.rate):
            return
        now = self._engine.clock.now()
        measured = self.stopwatch.first_frame(frame, generation, pos, time.perf_counter(), now)
        if measured is not None:
            self.host.measured(measured)

    def _sound(self, call: Literal["send", "pause", "resume", "flush"], *args: Any) -> None:
        """Call the sink."""
        if self._sink is None:
            return
        try:
            getattr(self._sink, call)(*args)
        except Exception as cause:
            self._sink = None
            error = StreamError(
                f"The sink failed to {call}: {type(cause).__name__}.", hint="A sink never raises; mend it."
            )
            self.host.failed(because(error, cause))
            self.host.tell_rules(got.EndRequested("sink_failed"))

    async def close(self) -> None:
        """Cancel all work, and wait a moment for it to let go."""
        runs = [run for run in (*self._closing, self._run) if run is not None]
        for run in runs:
            run.cancel()
        await asyncio.gather(*(run.closed(CLOSING) for run in runs))
        if not all(run.done for run in runs):
            self.host.failed(AgentError(f"The agent did not let go of its answer within {CLOSING:g} s."))
        self._closing, self._run = [], None
        await self._close_agent()

    async def _close_agent(self) -> None:
        """An agent with something to close, such as connections, or a tool that must not be cut off."""
        aclose = getattr(self._agent, "aclose", None)
        if aclose is None or self._agent_closed:
            return
        self._agent_closed = True
        closing = asyncio.create_task(_closed(aclose), name="close-agent")
        if not await finishes(closing, AGENT_CLOSING):
            self.host.failed(AgentError(f"The agent did not close within {AGENT_CLOSING:g} s."))
        elif (cause := closing.result()) is not None:
            error = AgentError(f"The agent failed to close: {type(cause).__name__}.")
            self.host.failed(because(error, cause))


def _report_tool(speaker: weakref.ref[Speaker], turn: int, generation: int, call: ToolCall) -> None:
    if (alive := speaker()) is not None:
        alive.tool_called(turn, generation, call)


async def _closed(aclose: Callable[[], Awaitable[object]]) -> BaseException | None:
    """What keeps an agent from closing."""
    try:
        await aclose()
    except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
        if not is_fault(cause):
            raise
        return cause
    return None
