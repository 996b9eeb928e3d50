"""Drives the rules of one live call: audio in, the tick, inputs, effects. Everything runs on the loop's thread.

What the effects do is in the parts: `EvidenceRequester`, `OutputController`, `EventPublisher`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duologue.agent import CallInfo
from duologue.audio.format import FRAME, RATE, as_pcm, check_gap
from duologue.conversation import effects, inputs
from duologue.conversation.effects import Effect
from duologue.conversation.events import Event
from duologue.conversation.inputs import Input, Now
from duologue.conversation.state import CallState
from duologue.engine import Engine
from duologue.errors import DuologueError, InvalidAudioError, SessionNotActiveError, with_cause
from duologue.session.config import SessionConfig
from duologue.session.events import FunctionCallRequested, Metered, ToolCalled, TurnMeasured
from duologue.session.parts import SessionParts
from duologue.session.record import CallRecord
from duologue.telemetry.context import CONTEXTS

__all__ = ["SessionDriver"]


class SessionDriver:
    """Tells the rules what happens, and has the parts of the session do what the rules want done.

    `VoiceSession` is one: it makes the parts, begins the call and ends it.
    """

    def __init__(self, parts: SessionParts) -> None:
        self.info: CallInfo = parts.info
        self.id: str = parts.info.id
        self.config: SessionConfig = parts.config
        self.engine: Engine = parts.engine
        self.record: CallRecord = parts.publisher.record
        self.vad_row: int = -1
        self.has_pending_audio: bool = False
        self._rules = parts.rules
        self._call = parts.rules.call
        self._machine = parts.rules.call.machine
        self._observers = parts.observers
        self._evidence = parts.evidence
        self._output = parts.output
        self._input = parts.user
        self._hearing = parts.user.hearing
        self._publisher = parts.publisher
        self._hooks = parts.hooks
        self._window = parts.engine.vad.window
        self._button = parts.button
        self._inputs: deque[Input] = deque()
        self._telling = False
        self._suspended_at: float | None = None
        """When the client went; None while it is there."""
        self._handled_at = 0.0
        """When the input came that the rules handle."""
        self._ended = asyncio.Event()
        self._progress: asyncio.Event | None = None

    # --- the user's audio ---

    @property
    def accepted(self) -> int:
        """Samples of input so far, gaps included."""
        return self._hearing.end

    def process_audio(self, pcm: bytes) -> int:
        """Take 16 kHz mono PCM16, 20 to 100 ms at a time; returns the bytes accepted. A plain call that never waits.

        Where more than `max_input_lag` waits, the oldest is dropped as a gap. Raises InvalidAudioError for what
        is no bytes or no whole samples, SessionNotActiveError before the session is started and after it has ended.
        """
        if self._machine.state is not CallState.LIVE:
            self._check_live()
        if type(pcm) is not bytes:
            pcm = as_pcm(pcm)
        if len(pcm) & 1:
            raise InvalidAudioError(f"{len(pcm)} bytes are not whole 16-bit samples.")
        dropped = self._input.write(pcm, self.engine.clock.now())
        counters = self.engine.counters
        counters.chunks += 1
        counters.dropped_samples += dropped
        if self._hearing.waiting >= self._window:
            self.has_pending_audio = True
        return max(0, len(pcm) - 2 * dropped) if dropped else len(pcm)

    def skip_audio(self, samples: int) -> None:
        """Note that the next `samples` samples are lost; they count as silence unless that was noted before.

        Raises ConfigError for what is no number of samples.
        """
        self._check_live()
        self._input.skip(check_gap(samples), self.engine.clock.now())
        self.has_pending_audio = True

    async def feed(self, pcm: bytes) -> None:
        """Take audio of any length as fast as it can be understood: for files."""
        frame, pcm = int(FRAME * RATE) * 2, as_pcm(pcm)
        for i in range(0, len(pcm), frame):
            while self._hearing.lag * 2 > self.config.max_input_lag * RATE:
                self._check_live()
                await asyncio.sleep(FRAME / 2)
            self.process_audio(pcm[i : i + frame])

    @property
    def _is_live(self) -> bool:
        return self._call.state is CallState.LIVE

    def _check_live(self) -> None:
        if not self._is_live:
            raise SessionNotActiveError(f"Session {self.id} is {self._call.state}.")

    # --- the tick ---

    @property
    def sounding(self) -> bool:
        """True while a reply is prepared or played."""
        return self._output.playout.active

    def window_ready(self) -> bool:
        """Note what is missing before the next window; True if a whole one waits to be scored."""
        hearing, machine = self._hearing, self._machine
        if hearing.gaps and machine.state is CallState.LIVE:
            self.engine.vad.reset(self.vad_row)
            self._input.tell_gaps()
            if self._button.waiting:
                self._button.advance()
        live = machine.state is CallState.LIVE
        self.has_pending_audio = ready = live and hearing.window_ready()
        return ready

    def read_window(self, out: NDArray[np.int16]) -> None:
        """Copy the next window into `out` and go past it."""
        hearing = self._hearing
        hearing.read_window(out)
        if self._observers.all:
            self._observers.heard(hearing.position - self._window, out)

    def window_scored(self, probability: float) -> None:
        """The score of the window that was read last."""
        score = self._input.window_scored(probability)
        if score is not None:
            self.tell_rules(score)
            if self._button.waiting:
                self._button.advance()
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
        """Hand an input to the rules and carry out their effects. Inputs that this causes follow in order."""
        waiting = self._inputs
        waiting.append(input_)
        if self._telling:
            return
        self._telling = True
        hearing, observers, now_of = self._hearing, self._observers, self.engine.clock.now
        try:
            while waiting:
                now = Now(hearing.position, now_of())
                self._handled_at = now.wall
                input_ = waiting.popleft()
                if observers.taps:
                    observers.tap(input_, now)
                for effect in self._handle(input_, now) if observers.all else self._rules.handle(input_, now):
                    if isinstance(effect, Event):
                        self._publisher.publish(effect)
                    else:
                        DO[type(effect)](self, effect)
        finally:
            self._telling = False
            if self._progress is not None:
                self._progress.set()
            if self._machine.state is CallState.ENDED:
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

    def failed(self, error: DuologueError, turn: int = 0) -> None:
        """Log and publish an error, of this turn if of any."""
        self._publisher.failed(error, turn)

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
        self._publisher.measured(measured)
        self._hooks.turn(self, measured)

    def publish(self, event: ToolCalled | FunctionCallRequested | Metered) -> None:
        """Publish an event that a part of the session observed."""
        self._publisher.publish(event)

    def _pause(self, e: effects.Pause) -> None:
        self._output.pause(e)
        self._publisher.yielded(e.generation, "pause", self._handled_at)

    def _discard_reply(self, e: effects.DiscardReply) -> None:
        sounded = self._output.sounds(e.generation)
        self._output.discard(e)
        if sounded:
            self._publisher.yielded(e.generation, "cut_off", self._handled_at)

    def _ask_words(self, e: effects.RequestTranscript) -> None:
        self._evidence.request_transcript(e, (e.due - self._hearing.position) / RATE)

    def _ask_sound(self, e: effects.RequestEndOfTurn) -> None:
        self._evidence.request_end_of_turn(e, (e.due - self._hearing.position) / RATE)

    def _end_call(self, _: effects.EndCall) -> None:
        self.engine.detach(self)

    def _finish(self) -> None:
        """The call has ended, and the events of its end are published."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._evidence.stop()
        CONTEXTS.forget(self.id)
        self._observers.ended(self.record)
        self._hooks.end(self, self.record)
        self._publisher.bus.end(self.record.reason)

    # --- for those who drive it with recorded sound ---

    @property
    def settled(self) -> bool:
        """True if nothing is open on either side, and no more sound waits to be scored than a tick leaves."""
        return self._rules.is_idle and self._hearing.lag < 2 * self._window

    def behind(self) -> bool:
        """True if audio must not go on yet: evidence or speech that is due has not arrived."""
        due = self._hearing.position + self._window
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


DO: dict[type, Callable[[SessionDriver, Any], None]] = {
    effects.RequestTranscript: SessionDriver._ask_words,
    effects.RequestEndOfTurn: SessionDriver._ask_sound,
    effects.RequestPartial: lambda s, e: s._evidence.request_partial(e),
    effects.DropAsk: lambda s, e: s._evidence.drop(e.ask),
    effects.StartReply: lambda s, e: s._output.reply(e),
    effects.CommitReply: lambda s, e: s._output.commit(e),
    effects.StartSpeech: lambda s, e: s._output.say(e),
    effects.Fill: lambda s, e: s._output.fill(e),
    effects.Hold: lambda s, e: s._output.hold(e),
    effects.Release: lambda s, e: s._output.release(e),
    effects.DiscardReply: SessionDriver._discard_reply,
    effects.Duck: lambda s, e: s._output.duck(e),
    effects.Unduck: lambda s, e: s._output.unduck(e),
    effects.Pause: SessionDriver._pause,
    effects.Resume: lambda s, e: s._output.resume(e),
    effects.EndCall: SessionDriver._end_call,
}
