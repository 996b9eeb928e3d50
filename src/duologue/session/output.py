"""Plays replies: does what the rules want done with them, paces their audio, and reports what was played.

The module is over 300 lines because what the rules want done with a reply, what the reply brings and what was played
meet in the same state.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any, Final

from duologue.agent import EndCall, FunctionCall, ToolCall
from duologue.audio.format import FRAME, RATES
from duologue.audio.resample import Resampler
from duologue.conversation import effects, events, inputs
from duologue.engine import Engine
from duologue.errors import ConfigError, DuologueError
from duologue.session.agent_writer import without_frames
from duologue.session.config import SessionConfig
from duologue.session.echo import EchoGuard
from duologue.session.end_reason import end_reason
from duologue.session.fillers import STARVED_S, Fillers
from duologue.session.host import Host
from duologue.session.measure import Stopwatch
from duologue.session.observer import Observers
from duologue.session.playout import Playout
from duologue.session.replies import Replies
from duologue.session.reply_task import ReplyTask
from duologue.session.responder import (
    Responder,
    ResponderCapabilities,
    ResponseItem,
    SaySpoken,
    SpokenAudio,
    SpokenText,
)
from duologue.session.segments import SegmentMaker
from duologue.session.sink import AudioSink, SinkOutput
from duologue.session.tool_reports import ToolReports
from duologue.tts.placement import Placement
from duologue.turn.languages import language_pack

__all__ = ["OutputController"]

ROUNDING: Final = 0.1
"""Seconds by which the text of a voice may exceed its audio."""


class OutputController:
    """The agent's side of a session: one reply at a time, prepared or played."""

    def __init__(
        self,
        host: Host,
        engine: Engine,
        responder: Responder,
        config: SessionConfig,
        sink: AudioSink | None,
        user_data: Any,
        observers: Observers,
    ) -> None:
        self.host = host
        self._observers = observers
        if not isinstance(responder.capabilities, ResponderCapabilities):
            raise ConfigError(f"{responder.name} declares no ResponderCapabilities.", hint="Derive it from Responder.")
        self.replies: Replies = Replies(host, responder, config, user_data)
        self.sink: SinkOutput = SinkOutput(host, sink)
        if responder.rate not in RATES:
            rates = ", ".join(map(str, RATES))
            raise ConfigError(f"{responder.name} speaks at {responder.rate!r} Hz, and must speak at one of {rates} Hz.")
        can = self.sink.capabilities
        rate, chunk = can.rate or responder.rate, can.frame or config.chunk
        self.playout: Playout = Playout(
            rate,
            lead=max(config.lead, chunk),
            max_ready=config.max_ready,
            chunk=chunk,
            replays=not can.can_pause,
            reports_marks=can.reports_marks,
        )
        self.stopwatch: Stopwatch = Stopwatch()
        self.tools: ToolReports = ToolReports(host, self.stopwatch, engine.clock)
        self.echo: EchoGuard | None = (
            EchoGuard(rate, config.rules.barge_in.echo_threshold, chunk) if config.echo == "server" else None
        )
        self._engine = engine
        self._rate = responder.rate
        self.fillers: Fillers = Fillers(host.id, responder, engine.standby)
        self._resampler = None if rate == responder.rate else Resampler(responder.rate, rate)
        self._segments = SegmentMaker(language_pack(config.language))

    # --- effects of the rules ---

    def reply(self, e: effects.StartReply) -> None:
        """Have a turn answered; the audio of a speculation is held."""
        self._begin(e.generation, held=e.speculative)
        self.replies.answer(e, self)
        if not e.speculative:
            self.tools.answering(e.generation, e.turn, prepared=False)

    def say(self, e: effects.StartSpeech) -> None:
        """Say a text that no agent is asked for."""
        self._begin(e.generation, held=False)
        self.replies.say(e, self, self.fillers.kept(e.text) if not e.say else None)

    def fill(self, e: effects.Fill) -> None:
        """Say a text while the reply is late."""
        audio = self.fillers.kept(e.text)
        if audio is None:
            self.fillers.speak(e.text, partial(self._play_filler, e))
        else:
            self._play_filler(e, audio)

    def _play_filler(self, e: effects.Fill, pcm: bytes) -> None:
        """Play a filler inside the reply, unless that has audio by now."""
        reply = self.replies.of(e.generation)
        if reply is None or not pcm or not self._is_current(reply) or not self.playout.needs_audio:
            return
        seconds = len(pcm) / 2 / self._rate
        reply.fillers.append((reply.ready - sum(length for _, length in reply.fillers), seconds))
        place = Placement(0, e.text, reply.ready, reply.ready + seconds)
        reply.has_audio = True
        reply.ready = reply.text_end = place.end
        self.host.tell_rules(inputs.SpeechQueued(e.generation, self._segments.segment(SpokenText(place))))
        self._add(e.generation, pcm)

    def _begin(self, generation: int, *, held: bool) -> None:
        self.playout.begin(generation, held=held)
        self.fillers.begin()
        self._segments.begin()
        if self._resampler is not None:
            self._resampler.flush()  # nothing of the reply before may sound in this one

    def commit(self, e: effects.CommitReply) -> None:
        """The turn is decided: let the prepared reply be played."""
        if (reply := self.replies.of(e.generation)) is not None:
            self.tools.answering(e.generation, reply.turn, prepared=True)
            reply.commit()
            self.playout.commit()
            self.pump(self._engine.clock.now())

    def discard(self, e: effects.DiscardReply) -> None:
        """Drop a reply: its audio at once, its work within 100 ms."""
        playout = self.playout
        if (reply := self.replies.of(e.generation)) is None:
            return
        self.replies.cancel(reply, unheard=e.rollback)
        played, started = playout.played(self._engine.clock.now()), playout.started
        playout.drop()
        if started:
            self.replies.cut_off(e.generation, played)
            if self.echo is not None:
                self.echo.flushed(self.host.accepted)
            self.sink.flush(e.generation)
            self.host.tell_rules(inputs.PlayoutFinished(e.generation, played, playout.mark is None))

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
            if self.sink.capabilities.can_pause:
                self.echo.paused(self.host.accepted)
            else:
                self.echo.flushed(self.host.accepted)
        self.sink.pause(e.generation)

    def resume(self, e: effects.Resume) -> None:
        """Resume."""
        self.playout.resume(self._engine.clock.now())
        if self.echo is not None:
            self.echo.resumed(self.host.accepted)
        self.sink.resume(e.generation)

    # --- for the session ---

    def turn_decided(self, event: events.TurnDecided, behind: float) -> None:
        """Note that a turn was decided, `behind` seconds after the audio that decided it."""
        self.replies.turn_decided(event)
        self.stopwatch.turn_decided(event, time.perf_counter(), behind)

    def mark(self, position: int) -> None:
        """The client has played output up to this position."""
        self.playout.marked(position, self._engine.clock.now())

    @property
    def is_behind(self) -> bool:
        """True while the next audio of the reply is missing, and does not wait for what is being played."""
        reply = self.replies.current
        return self.playout.needs_audio and not (reply and reply.says_end)

    def sounds(self, generation: int) -> bool:
        """Return True if this reply is being played now."""
        playout = self.playout
        return playout.generation == generation and playout.active and playout.started and not playout.paused

    def tool_called(self, turn: int, generation: int, call: ToolCall) -> None:
        """Take the times of a tool call."""
        self.tools.called(turn, generation, call)

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

    def speech_requested(self, generation: int) -> None:
        """Note that the voice is given the first text of the answer."""
        self.stopwatch.clause.setdefault(generation, time.perf_counter())

    def failed(self, error: DuologueError, turn: int = 0, *, repeated: bool = False) -> None:
        """Report an error that does not end the reply."""
        self._engine.counters.response_faults += 1
        if not repeated:
            self.host.failed(error, turn)
        without_frames(error)

    # --- what a reply brings ---

    def _is_current(self, reply: ReplyTask) -> bool:
        """Return True if `reply` may still be played: every item of a response passes here."""
        return reply is self.replies.current and self.playout.active

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
                reply.end_call = end_reason(item.reason, EndCall().reason)
            case FunctionCall():
                self.tools.requested(reply.turn, reply.generation, item)

    def _take_audio(self, reply: ReplyTask, audio: SpokenAudio) -> None:
        if reply.is_answer and audio.say is None:
            self.stopwatch.first_clause.setdefault(reply.generation, time.perf_counter())
            if reply.own_from is None:
                reply.own_from = reply.ready
        reply.has_audio = True
        reply.ready += len(audio.pcm) / 2 / self._rate
        self._add(reply.generation, audio.pcm)

    def _add(self, generation: int, pcm: bytes) -> None:
        self.playout.add(pcm if self._resampler is None else self._resampler.process(pcm))
        if self.fillers.is_told:
            self.host.tell_rules(inputs.SpeechResumed(generation))
        self.fillers.begin()
        self.pump(self._engine.clock.now())

    def _note_starved(self, now: float) -> None:
        """Tell the rules if the reply has had no audio for a while."""
        fillers = self.fillers
        if fillers.dry_since is None:
            fillers.dry_since = now
        elif not fillers.is_told and now - fillers.dry_since >= STARVED_S:
            fillers.is_told = True
            self.host.tell_rules(inputs.SpeechStarved(self.playout.generation, now - fillers.dry_since))

    def _take_text(self, reply: ReplyTask, spoken: SpokenText) -> None:
        if reply.fillers:
            spoken = replace(spoken, place=reply.moved(spoken.place))
        reply.text_end = max(reply.text_end, spoken.place.end)
        self.host.tell_rules(inputs.SpeechQueued(reply.generation, self._segments.segment(spoken)))

    def reply_done(self, reply: ReplyTask, error: DuologueError | None) -> None:
        """Note that nothing more comes."""
        if error is not None:
            self.host.failed(error, reply.turn)
            without_frames(error)
        if not self._is_current(reply):
            return
        if self._resampler is not None and reply.has_audio:
            self.playout.add(self._resampler.flush())
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
            self.replies.unheard(reply)
        self.host.tell_rules(inputs.ReplyFailed(reply.generation, error.code if error else "empty"))

    # --- playout ---

    def pump(self, now: float) -> None:
        """Send the frames that are due."""
        playout = self.playout
        if not playout.active:
            return
        starved, late = playout.starved, playout.late
        is_over = playout.pump(now, self._send)
        if playout.starved > starved:
            self._engine.counters.starved_frames += playout.starved - starved
            self._note_starved(now)
        if playout.late > late:
            self._engine.counters.late_frames += playout.late - late
        reply = self.replies.current
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
        self.sink.send(frame, position, generation)
        if self._observers.all:
            self._observers.spoke(frame, position, generation, self.host.accepted, self._engine.clock.now())
        if self.echo is not None:
            self.echo.played(self.host.accepted, frame)
        if position == self.playout.began:
            self.host.tell_rules(inputs.PlayoutStarted(generation))
        if not self.stopwatch.awaits(generation):
            return
        reply = self.replies.current
        if reply is None or not reply.is_own((position - self.playout.began) / self.playout.rate):
            return
        pos, now = self.host.accepted, self._engine.clock.now()
        measured = self.stopwatch.first_frame(frame, generation, pos, time.perf_counter(), now)
        if measured is not None:
            self.host.measured(measured)
