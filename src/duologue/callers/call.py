"""One simulated caller in one call: speaks, listens, takes its turn. Everything is a plain call: no task, no wait."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from duologue.audio.format import FRAME, FRAME_SAMPLES, RATE
from duologue.audio.level import first_audible
from duologue.callers.connection import CallerConnection
from duologue.callers.load import Pace
from duologue.callers.log import CUT_OFF_S, Log, Turn
from duologue.callers.playback import Playback
from duologue.callers.script import HangUp, Say, Script
from duologue.callers.transcript_match import story_of
from duologue.callers.voice import Utterance
from duologue.errors import DuologueError, OverloadedError, StreamError
from duologue.wire import messages as wire
from duologue.wire.fields import VERSION, Audio
from duologue.wire.frames import HEADER_BYTES

__all__ = ["ANSWER_TIMEOUT_S", "PLAY_RATE", "Call", "VoiceBank"]

PLAY_RATE: Final = 24_000
"""Samples a second of the agent's voice: what most synthesizers produce, so that nothing is resampled."""

ANSWER_TIMEOUT_S: Final = 8.0
"""A caller who gets no answer for this long says it again."""

_MOST_REPEATS: Final = 3
_MARK_EVERY: Final = 8
"""Frames between playback marks: 160 ms."""
_HEADER: Final = struct.Struct("<QI")
_NEVER: Final = float("inf")
_NORMAL: Final = 1000
_IMPROPER: Final = ("", "timeout", "idle_timeout")
"""Why a call may not end, though the server closes it properly: without a word, or because it took too long."""


@dataclass(frozen=True, slots=True)
class VoiceBank:
    """What a caller can say, ready to be sent."""

    utterances: Mapping[str, Utterance]
    noise: tuple[bytes, ...]


class Call:
    """The call of one caller: `began` is when the run began by the clock `now`; `on_over` is called at the end."""

    def __init__(
        self,
        script: Script,
        voices: VoiceBank,
        pace: Pace,
        log: Log,
        *,
        caller: int,
        call: int,
        began: float,
        now: Callable[[], float],
        on_over: Callable[[], None],
        frames_a_chunk: int = 1,
    ) -> None:
        self.script = script
        self.started: bool = False
        self.error: DuologueError | None = None
        """What the server refused or broke off the call with."""
        self.close_code: int | None = None
        """Of the closing handshake."""
        self._voices = voices
        self._pace = pace
        self._log = log
        self._caller, self._call, self._run_began = caller, call, began
        self._line: CallerConnection | None = None
        self._now = now
        self._on_over = on_over
        self._playback = Playback(PLAY_RATE)
        # Speaking: positions are samples of the line, `_base` the moment of its first.
        self._base: float | None = None
        self._position = 0
        self._unsent: list[bytes] = []
        self._frames_a_chunk = frames_a_chunk
        """Frames of 20 ms that are sent together."""
        self._ticks = caller * 37
        self._frames: tuple[bytes, ...] = ()
        self._next = 0
        self._say: Say | None = None
        self._speak_at = _NEVER
        self._turns: list[Turn] = []
        # Listening.
        self._texts: dict[int, str] = {}
        self._audible = self._before = -1
        """The newest reply of which something was to be heard; the same when the caller last finished speaking."""
        self._starved = 0
        self._cut_at = _NEVER
        self._cut_in: Say | None = None
        self._timeout_at = _NEVER
        self._repeats = 0
        self._marked = 0
        self._gaps = self._duplicates = 0
        self._story: dict[int, wire.TranscriptFinal] = {}
        self._missed: list[tuple[float, float]] = []
        """Seconds of the line that the server says it missed."""
        self._ended = ""
        """Why the server says that the call is over."""

    # --- the line ---

    def begin(self, line: CallerConnection) -> None:
        """The line is open."""
        self._line = line
        start = wire.Start(version=VERSION, audio_out=Audio(rate=PLAY_RATE), greeting=self.script.greeted, marks=True)
        line.say(wire.dump(start))

    def end(self) -> None:
        """Ask for the end of the call."""
        if self._line is not None:
            self._line.say(wire.dump(wire.End()))

    def text(self, message: str) -> None:
        """A message came."""
        parsed = wire.parse_server(message)
        handle = _HANDLERS.get(type(parsed))
        if handle is not None:
            handle(self, parsed)

    def sound(self, message: bytes) -> None:
        """A frame of the agent's voice came."""
        now = self._now()
        position, generation = _HEADER.unpack_from(message)
        pcm = message[HEADER_BYTES:]
        start = self._playback.add(now, position, generation, len(pcm) // 2)
        self._timeout_at = now + ANSWER_TIMEOUT_S
        if start is None or generation <= self._audible:
            return
        first = first_audible(pcm)
        if first is not None:
            self._audible = generation
            self._reply_began(generation, start + first / PLAY_RATE)

    def closed(self, code: int | None, reason: str) -> None:
        """The line is closed."""
        self._log.closes[str(code) if code else "none"] += 1
        self.close_code = code
        if self.started and self._line is not None and (code != _NORMAL or self._ended in _IMPROPER):
            self._log.lost[f"{code or 'broke off'} {self._ended}".strip()] += 1
        if not self.started and self.error is None:
            self.error = StreamError(f"The server closed the connection with code {code}: {reason or 'no reason'}.")
        self.settle()
        self._on_over()

    def settle(self) -> None:
        """Write down what is counted over the whole call, once; nothing more is sent."""
        if self._line is None:
            return
        self._line = None
        log = self._log
        log.ack_gap_samples += self._gaps
        log.duplicate_samples += self._duplicates
        log.starved_frames += self._playback.starved
        if self._story:
            log.stories.append(story_of(self._turns, list(self._story.values()), self._missed))

    # --- every 20 ms ---

    def tick(self, due: float) -> None:
        """Speak the 20 ms that end at `due`, and send what makes a chunk."""
        line = self._line
        if line is None:
            return
        if self._base is None:
            self._base = due - FRAME
        chunk = self._frames[self._next] if self._next < len(self._frames) else self._idle(due)
        self._unsent.append(chunk)
        self._position += FRAME_SAMPLES
        if len(self._unsent) == self._frames_a_chunk:
            start = self._position - FRAME_SAMPLES * self._frames_a_chunk
            line.send(_HEADER.pack(start, 0) + b"".join(self._unsent))
            self._unsent.clear()
        self._ticks += 1
        if self._frames:
            self._next += 1
            if self._next == len(self._frames):
                self._spoken_out(due)
        if self._ticks % _MARK_EVERY == 0:
            self._mark(line)

    def _idle(self, due: float) -> bytes:
        if due >= self._speak_at and self._say is not None:
            if self._playback.sounding(due) and not self._say.goes_on:
                self._speak_at = self._pace.next_start(self._playback.end)
            else:
                return self._speak(self._say)
        elif due >= self._cut_at and self._cut_in is not None and self._playback.sounding(due):
            say, self._cut_in, self._cut_at = self._cut_in, None, _NEVER
            return self._speak(say, interrupts=True)
        elif due >= self._timeout_at:
            self._answer_timed_out(due)
        return self._voices.noise[self._ticks % len(self._voices.noise)]

    def _mark(self, line: CallerConnection) -> None:
        played = self._playback.played(self._now())
        if played > self._marked:
            self._marked = played
            line.say(f'{{"type":"mark","position":{played}}}')

    # --- speaking ---

    def _speak(self, say: Say, *, interrupts: bool = False) -> bytes:
        assert self._base is not None
        wanted = self._pace.length()
        options = [self._voices.utterances[text] for text in say.texts]
        utterance = min(options, key=lambda option: abs(option.seconds - wanted))
        self._say, self._speak_at, self._timeout_at = say, _NEVER, _NEVER
        self._frames, self._next = utterance.frames, 0
        onset, end = (self._position + utterance.onset) / RATE, (self._position + utterance.end) / RATE
        since = self._base - self._run_began
        turn = Turn(
            self._caller, self._call, self.script.kind, say.act, utterance.text,
            since + onset, since + end, onset, end, goes_on=say.goes_on, interrupts=interrupts,
        )  # fmt: skip
        self._turns.append(turn)
        self._log.turns.append(turn)
        return utterance.frames[0]

    def _spoken_out(self, due: float) -> None:
        self._frames = ()
        self._next = 0
        turn = self._turns[-1]
        turn.ended = True
        self._before = self._audible
        if turn.goes_on:
            self._answer("", due)
        else:
            self._pace.spoke(turn.spoken_s)
            self._timeout_at = due + ANSWER_TIMEOUT_S

    def _answer(self, said: str, free: float) -> None:
        act = self.script.answer(said)
        self._timeout_at = _NEVER
        match act:
            case Say(goes_on=True):
                self._say, self._speak_at = act, free
            case Say():
                self._say, self._speak_at = act, self._pace.next_start(free)
            case HangUp():
                self.end()

    def _answer_timed_out(self, due: float) -> None:
        if self._turns and self._turns[-1].generation is None:
            self._turns[-1].unanswered = True
        self._repeats += 1
        if self._repeats > _MOST_REPEATS:
            self._timeout_at = _NEVER
            self.end()
        elif self._turns and self._say is not None:
            self._speak_at, self._timeout_at = due, _NEVER
        else:
            self._answer("", due)

    # --- listening ---

    def _reply_began(self, generation: int, at: float) -> None:
        """The first audible sample of a reply sounds at this moment."""
        since = at - self._run_began
        turn = self._turns[-1] if self._turns else None
        if turn is None:
            self._log.greetings += 1
        elif turn.ended and turn.generation is None and since >= turn.end_s:
            turn.generation = generation
            if not turn.goes_on:
                turn.voice_to_voice_s = since - turn.end_s
            self._starved = self._playback.starved
        if self._speak_at < _NEVER and self._say is not None and not self._say.goes_on:
            self._speak_at = _NEVER  # the agent goes on: listen first
        cut = self.script.cut_in(self._texts.get(generation, "")) if not self._frames else None
        self._cut_at, self._cut_in = (at + cut[0], cut[1]) if cut else (_NEVER, None)

    def _on_started(self, _: wire.Started) -> None:
        self.started = True
        self._log.calls += 1
        if self.script.greeted:
            self._timeout_at = self._now() + ANSWER_TIMEOUT_S
        else:
            self._answer("", self._now())

    def _on_agent_text(self, message: wire.AgentText) -> None:
        self._texts[message.generation] = f"{self._texts.get(message.generation, '')} {message.text}".strip()

    def _on_agent_heard(self, message: wire.AgentHeard) -> None:
        self._texts.pop(message.generation, None)
        turn = self._turns[-1] if self._turns else None
        if turn is not None and turn.generation == message.generation:
            turn.reply = message.said
            turn.starved_frames = self._playback.starved - self._starved
        self._cut_at = _NEVER
        if message.interrupted or self._frames:
            if not self._frames:
                self._timeout_at = self._now() + ANSWER_TIMEOUT_S
            return
        if message.generation >= self._before:
            self._repeats = 0
            self._answer(message.said, max(self._now(), self._playback.end))

    def _on_final(self, message: wire.TranscriptFinal) -> None:
        if self.script.kind == "monologue":
            self._story[message.turn] = message
            return
        turn = next((t for t in reversed(self._turns) if t.line_onset_s - CUT_OFF_S <= message.end_s), None)
        if turn is None:
            self._log.stray_turns += 1
            return
        for before in self._turns:
            if before is not turn and before.heard.pop(message.turn, None) is not None:
                before.joined = True
                turn.joins = f"{turn.joins} {before.joins} {before.said}".strip()
        turn.heard[message.turn] = message.text
        turn.reason = message.reason
        turn.heard_end_s = message.end_s
        turn.cut_off = turn.cut_off or message.end_s < turn.line_end_s - CUT_OFF_S

    def _on_latency(self, message: wire.Latency) -> None:
        turn = next((t for t in reversed(self._turns) if message.turn in t.heard), None)
        if turn is not None:
            turn.processing_s = message.processing_s
            turn.stages_s = message.stages
            turn.speculation = message.speculation
            turn.told_generation = message.generation
            turn.told_voice_to_voice_s = message.voice_to_voice_s
            turn.parts_s = message.parts

    def _on_pause(self, message: wire.Pause) -> None:
        self._playback.pause(self._now(), message.generation)

    def _on_resume(self, message: wire.Resume) -> None:
        self._playback.resume(self._now(), message.generation)

    def _on_interrupted(self, message: wire.Interrupted) -> None:
        now = self._now()
        turn = self._turns[-1] if self._turns else None
        mine = turn is not None and turn.interrupts and turn.yield_s is None
        if turn is not None and mine and self._playback.generation <= message.generation:
            turn.yield_s = self._playback.silent_since(now) - self._run_began - turn.onset_s
        self._playback.drop(now, message.generation)

    def _on_decision(self, message: wire.Decision) -> None:
        match message.name:
            case "audio_gap":
                start, end = message.fields.get("start"), message.fields.get("end")
                if isinstance(start, int) and isinstance(end, int):
                    self._log.input_gaps[message.reason] += end - start
                    if self.script.kind == "monologue":
                        self._missed.append((start / RATE, end / RATE))
            case "evidence_late":
                self._log.late_evidence += 1
            case "false_interruption":
                self._log.false_interruptions += 1
            case "yield_measured":
                self._on_yield(message)

    def _on_yield(self, message: wire.Decision) -> None:
        """The server fell silent: note it with the interruption that it gave way to, the first time."""
        turn = self._turns[-1] if self._turns else None
        silenced, behind = message.fields.get("silenced"), message.fields.get("behind")
        if turn is None or not turn.interrupts or turn.paused_s is not None or message.at_s < turn.line_onset_s:
            return
        if isinstance(silenced, float | int) and isinstance(behind, float | int):
            turn.paused_s = message.at_s + behind - turn.line_onset_s
            turn.settled_s, turn.silenced_s = float(behind), float(silenced)

    def _on_ack(self, message: wire.Ack) -> None:
        self._gaps, self._duplicates = message.gaps, message.duplicates

    def _on_ended(self, message: wire.Ended) -> None:
        self._ended = message.reason

    def _on_error(self, message: wire.Error) -> None:
        if self.started:
            self._log.errors[message.code] += 1
        if message.fatal:
            kind = OverloadedError if message.code == OverloadedError.code else StreamError
            self.error = kind(message.message, hint=message.hint, retry_after=message.retry_after_s)


_HANDLERS: Final[dict[type, Callable[[Call, Any], None]]] = {
    wire.Started: Call._on_started,
    wire.AgentText: Call._on_agent_text,
    wire.AgentHeard: Call._on_agent_heard,
    wire.TranscriptFinal: Call._on_final,
    wire.Latency: Call._on_latency,
    wire.Pause: Call._on_pause,
    wire.Resume: Call._on_resume,
    wire.Interrupted: Call._on_interrupted,
    wire.Decision: Call._on_decision,
    wire.Ack: Call._on_ack,
    wire.Error: Call._on_error,
    wire.Ended: Call._on_ended,
}
