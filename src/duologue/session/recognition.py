"""Answers the rules from a streaming recognizer: the words of a span, partials to show, opinions on the turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final as Constant

from duologue.audio.format import RATE
from duologue.conversation import effects, inputs
from duologue.engine import Recognizer
from duologue.errors import DeadlineError, DuologueError
from duologue.session.config import SessionConfig
from duologue.session.host import WordsHost
from duologue.session.input_buffer import AudioSource
from duologue.session.reopening import ReopeningStream
from duologue.session.stream_checks import StreamChecks
from duologue.session.transcripts import Span, TranscriptBuffer
from duologue.stt import EndOfTurn, Final

__all__ = ["DEFAULT_LATENCY_S", "LiveRecognition"]

DEFAULT_LATENCY_S: Constant = 0.3
"""Of a recognizer that declares none, until it has been measured."""
LATENCY_STEP_S: Constant = 0.005
"""The least change of the expected latency that is reported to the rules."""
MAX_REQUESTS: Constant = 16
"""Spans that may wait for their words; the rules ask for a handful."""
STALL_LATENCIES: Constant = 4.0
"""A stream that takes so many times its expected latency to answer has stalled, if that is longer than its share of
`words_timeout`."""


@dataclass(slots=True)
class Request:
    """Words that were asked for and have not come."""

    ask: effects.RequestTranscript
    span: Span
    asked_at: float
    """Seconds of the session's clock."""
    gives_up: asyncio.TimerHandle
    stalls: asyncio.TimerHandle | None
    reopened: bool = False
    """The stream was reopened meanwhile: its duration is not the provider's latency."""

    def cancel(self) -> None:
        """Stop its timers."""
        self.gives_up.cancel()
        if self.stalls is not None:
            self.stalls.cancel()


class LiveRecognition:
    """The recognition of one call by a provider that streams. All but `close` are plain calls on the loop's thread."""

    def __init__(
        self,
        stt: Recognizer,
        config: SessionConfig,
        audio: AudioSource,
        now: Callable[[], float],
        *,
        measures: bool,
    ) -> None:
        self.stream: ReopeningStream = ReopeningStream(stt, config, audio)
        self.push: Callable[[int, int], None] = self.stream.push
        self.skip: Callable[[int, int], None] = self.stream.skip
        self._host: WordsHost | None = None
        self._stt = stt
        self._config = config
        self._now = now
        self._measures = measures
        self._buffer = TranscriptBuffer()
        self._checks = StreamChecks(stt.name, stt.capabilities)
        self._requests: dict[int, Request] = {}
        self._last: Span | None = None
        """The span that was asked for last, of speech that has ended."""
        self._shown: effects.RequestPartial | None = None
        self._shown_text = ""
        self._told_latency = self.latency
        self._outage_reported = False

    def start(self, host: WordsHost, session: str) -> None:
        """Open the stream: the call begins."""
        self._host = host
        self._checks.on_fault = host.note_fault
        self.stream.start(self, session)

    def stop(self) -> None:
        """Close the stream, because the call has ended; `close` waits for it."""
        self._host = self._checks.on_fault = None
        for request in self._requests.values():
            request.cancel()
        self._requests.clear()
        self.stream.stop()

    async def close(self) -> bool:
        """Close the stream and forget what was asked for; False if the provider does not let go in time."""
        self.stop()
        return await self.stream.close()

    @property
    def latency(self) -> float:
        """Seconds after which words are due."""
        estimate = self._stt.latency
        expected = estimate.expected if estimate is not None else None
        return DEFAULT_LATENCY_S if expected is None else expected

    def needs_from(self, position: int) -> int:
        """The first sample before `position` that a stream may still have to be given again, or `position`."""
        if not self._requests:
            return position
        start = min(request.ask.start for request in self._requests.values())
        return min(position, max(start, self._buffer.covered))

    @property
    def errors(self) -> dict[str, int]:
        """How often the provider failed or broke its contract, by kind."""
        counts = dict(self._checks.counts)
        if self.stream.close_failures:
            counts["close_failed"] = self.stream.close_failures
        return counts

    # --- what the rules ask for ---

    def request(self, ask: effects.RequestTranscript) -> None:
        """Answer with the words from `ask.start` to `ask.end` as soon as they are known."""
        host, down = self._host, self.stream.down
        if host is None:
            return
        if down is not None:
            self.stream.revive()
            host.fail_words(ask, down, reported=True)
            return
        if len(self._requests) >= MAX_REQUESTS:
            self.drop(next(iter(self._requests)))
        span = Span.after(self._last, ask.start, ask.end)
        if ask.final:
            self._last = span
            self._buffer.forget(min(s.lower for s in (span, *(r.span for r in self._requests.values()))))
        loop, limit = asyncio.get_running_loop(), self._config.words_timeout
        stall = max(limit / (self._config.max_retries + 1), STALL_LATENCIES * self.latency)
        request = self._requests[ask.ask] = Request(
            ask,
            span,
            self._now(),
            loop.call_later(limit, self._time_out, ask.ask),
            loop.call_later(stall, self._stall, ask.ask) if stall < limit else None,
        )
        if not self._try(request):
            self.stream.finalize(ask.end)

    def show(self, ask: effects.RequestPartial) -> None:
        """Publish partial transcripts from `ask.start` on."""
        if self._shown is None or self._shown.start != ask.start:
            self._shown_text = ""
        self._shown = ask
        if self.stream.down is not None:
            self.stream.revive()  # so that it may be back before the words are asked for
        self._show()

    def drop(self, ask: int) -> None:
        """The answer is no longer needed."""
        request = self._requests.pop(ask, None)
        if request is not None:
            request.cancel()

    # --- what the stream says ---

    @property
    def covered(self) -> int:
        """The position up to which finals have come."""
        return self._buffer.covered

    @property
    def awaited(self) -> int:
        """The position up to which words are waited for; -1 if none are."""
        return max((request.ask.end for request in self._requests.values()), default=-1)

    def take(self, event: object) -> None:
        """Take an event of the stream."""
        host = self._host
        checked = self._checks.check(event, self.stream.sent, self._buffer.covered)
        if checked is None or host is None:
            return
        if isinstance(checked, EndOfTurn):
            host.tell_rules(inputs.TurnJudged(checked.position, checked.probability, checked.eager))
            return
        if isinstance(checked, Final):
            self.stream.works()
            self._outage_reported = False
            self._buffer.add(checked)
        else:
            self._buffer.show(checked)
        self._show()
        for request in [*self._requests.values()]:
            self._try(request)

    def reopens(self) -> None:
        """The stream was given up, and another is about to be opened."""
        self._checks.note("reopened")
        self._buffer.partial = None
        for request in self._requests.values():
            request.reopened = True

    def went_down(self, error: DuologueError) -> None:
        """Fail what is waited for; the reason is published once, until words come again."""
        if self._host is None:
            return
        self._checks.note("down")
        if not self._outage_reported:
            self._outage_reported = True
            self._host.report(error)
        for request in [*self._requests.values()]:
            self.drop(request.ask.ask)
            self._host.fail_words(request.ask, error, reported=True)

    def _show(self) -> None:
        ask = self._shown
        if ask is None or self._host is None:
            return
        span = Span.after(self._last, ask.start, self.stream.end + RATE)
        text = self._buffer.text(span, so_far=True)
        if text and text != self._shown_text:
            self._shown_text = text
            self._host.tell_rules(inputs.PartialArrived(ask.ask, text))

    def _try(self, request: Request) -> bool:
        """Answer a request if its words are there."""
        ask = request.ask
        so_far = not ask.final or not self._stt.capabilities.finalizes
        text = self._buffer.text(request.span, so_far=so_far)
        if not self._buffer.reaches(ask.end, so_far=so_far) and (ask.final or not text):
            return False
        if ask.ask in self._requests:  # an answer may have had another one dropped
            self._measure(request)
            self._finish(request, text, so_far=so_far)
        return True

    def _finish(self, request: Request, text: str, *, so_far: bool) -> None:
        assert self._host is not None, "there are requests only during the call"
        self.drop(request.ask.ask)
        if request.ask.final:
            self._buffer.claim(request.span, so_far=so_far)
        self._host.answer_words(request.ask, text)

    def _measure(self, request: Request) -> None:
        """Note how long the words took, and tell the rules if that changes when they are due."""
        estimate = self._stt.latency
        if estimate is None or self._host is None or not self._measures or request.reopened or not request.ask.final:
            return
        estimate.note(self._now() - request.asked_at)
        latency = self.latency
        if abs(latency - self._told_latency) >= LATENCY_STEP_S:
            self._told_latency = latency
            self._host.tell_rules(inputs.WordsLatencyMeasured(latency))

    def _stall(self, ask: int) -> None:
        """The words do not come: another stream may be better."""
        if self.stream.is_open:
            self._requests[ask].stalls = None
            self._checks.note("stalled")
            name = self._stt.name
            self.stream.give_up(DeadlineError(f"{name} does not answer.", provider=name))

    def _time_out(self, ask: int) -> None:
        """The time is up: make do with the words so far, if there are any."""
        assert self._host is not None, "there are requests only during the call"
        request = self._requests[ask]
        text = self._buffer.text(request.span, so_far=True)
        if text:
            self._checks.note("unfinished")
            self._finish(request, text, so_far=True)
            return
        self.drop(ask)
        limit, name = self._config.words_timeout, self._stt.name
        error = DeadlineError(f"{name} gave no words within {limit:g} s.", provider=name)
        self._host.fail_words(request.ask, error, reported=False)
