"""The user's audio before it reaches the rules: buffered, without the agent's echo, and scored window by window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.conversation import inputs
from duologue.conversation.conversation import Conversation
from duologue.conversation.state import CallState
from duologue.engine import Engine
from duologue.session.arrivals import Arrivals
from duologue.session.config import SessionConfig
from duologue.session.host import Host
from duologue.session.input_buffer import InputBuffer
from duologue.session.meter import Meter
from duologue.session.observer import Observers
from duologue.session.output import OutputController
from duologue.session.recognition import LiveRecognition

__all__ = ["UserInput"]

DOUBT_PADDING = RATE
"""Samples kept before windows that are held back: more than an utterance reaches back."""
DISCARD_EVERY_S = 0.25
"""Seconds between two times of freeing old audio: doing so each tick would cost more than it saves."""


class UserInput:
    """The input half of a session. Plain calls on the loop's thread."""

    def __init__(
        self,
        host: Host,
        engine: Engine,
        rules: Conversation,
        output: OutputController,
        hearing: InputBuffer,
        live: LiveRecognition | None,
        config: SessionConfig,
        observers: Observers,
    ) -> None:
        self.hearing = hearing
        """The audio that may still be needed."""
        self.arrivals: Arrivals = Arrivals(config.missing_after)
        self.doubtful: list[inputs.VadScored] = []
        """Windows that may be the agent's own echo, until that is decided; at most a second."""
        self.meter: Meter | None = None
        self._host = host
        self._rules = rules
        self._output = output
        self._live = live
        """The streaming recognizer that gets the audio as it is scored; None if there is none."""
        self._window = engine.vad.window
        self._clock = engine.clock
        self._config = config
        self._observers = observers
        self._call = rules.call
        self._discard_at = 0.0

    def write(self, pcm: bytes, now: float) -> int:
        """Take audio that has just arrived; returns the samples that had to be dropped for it."""
        arrivals = self.arrivals
        samples = len(pcm) >> 1
        if samples > arrivals.largest or now - arrivals.at > arrivals.usual:
            arrivals.note(samples, now)
        else:
            arrivals.at = now
        return self.hearing.write(pcm)

    def skip(self, samples: int, now: float) -> None:
        """Note that audio is lost."""
        self.hearing.skip(self.arrivals.cover(samples, now), "lost")

    def tick(self, now: float, *, paced: bool) -> bool:
        """Free audio that is no longer needed. True if audio is missing, which counts as silence from now on."""
        arrivals = self.arrivals
        missing = paced and now - arrivals.at >= arrivals.timeout
        if missing:
            self.hearing.skip(arrivals.fill(now), "missing")
        elif now >= arrivals.relearn_at:
            arrivals.relearn(now)
        if now >= self._discard_at:
            self._discard_at = now + DISCARD_EVERY_S
            needed = self.doubtful[0].start - DOUBT_PADDING if self.doubtful else self._rules.needs_from
            self.hearing.discard(needed if self._live is None else self._live.needs_from(needed))
        return missing

    def behind(self, now: float) -> float:
        """Seconds of audio that the rules have not seen at `now`: what waits here, and what was not sent yet."""
        return self.hearing.lag / RATE + max(0.0, now - self.arrivals.at)

    def unsuspend(self, seconds: float, catch_up: float) -> None:
        """Resume after so many seconds in which no audio could arrive; up to `catch_up` seconds of it arrive late."""
        self.arrivals.at += seconds
        self.hearing.allow_lag(round(catch_up * RATE))

    def window_scored(self, probability: float) -> inputs.VadScored | None:
        """Take the score of the window that was read last, and return the input for the rules.

        None if the input follows later, because the window may be the agent's own echo, or not at all.
        """
        end = self.hearing.position
        echo_ratio = 0.0
        echo = self._output.echo
        window = self._window
        echoes = echo is not None and echo.active(end)
        if self.arrivals.ahead >= window and not echoes and self._take_back(probability):
            return None
        if echo is not None and echoes:
            rules = self._config.rules
            doubtful = min(rules.speech.stop_threshold, rules.barge_in.doubt_threshold)
            alert, may_be_speech = echo.alert(end), probability >= doubtful
            mic = self.hearing.read(end - window, end)
            if alert or may_be_speech:
                echo_ratio = echo.echo_ratio(end, mic, may_be_speech)
            else:
                echo.unheard(end, mic)
            if alert:
                self._replace(end - window, echo.residual)
        if self._output.replies.hears_audio:
            self._output.replies.hear(self.hearing.read(end - window, end), end)
        score = inputs.VadScored(end - window, end, probability, echo_ratio)
        if echo is not None and echo.in_doubt(end):
            self.doubtful.append(score)
            return None
        if self.doubtful:
            self._resolve_doubt()
        if self._live is not None:
            self._live.push(score.start, score.end)
        return score

    def _resolve_doubt(self) -> None:
        """Report the windows that were held back until it was known whether they are the agent's own echo."""
        echo, scores = self._output.echo, self.doubtful
        self.doubtful = []
        for score in scores:
            if echo and echo.is_heard:
                score = score._replace(echo_ratio=1.0)
                if self._live is not None:  # a responder that hears audio must not hear the agent's echo
                    self._replace(score.start, np.zeros(score.end - score.start, np.int16))
            if self._live is not None:
                self._live.push(score.start, score.end)
            self._host.tell_rules(score)
            if self.meter is not None:
                self.measure(self.meter, score)

    def _replace(self, start: int, samples: NDArray[np.int16]) -> None:
        self.hearing.replace(start, samples)
        self._observers.cleaned(start, samples)

    def measure(self, meter: Meter, score: inputs.VadScored) -> None:
        """Pass a score that the rules have got on to observers."""
        measured = meter.take(score, self._rules, self._clock.now())
        if measured is not None and self._call.state is CallState.LIVE:
            self._host.publish(measured)

    def _take_back(self, probability: float) -> bool:
        """Leave a silent window out where silence was invented for audio that came late; False if that is unsafe.

        Otherwise the session's time would stay ahead of the client's for the rest of the call.
        """
        safe = probability < self._config.rules.speech.stop_threshold and self._rules.is_idle
        if not (safe and self.hearing.take_back(self._window)):
            return False
        self.arrivals.ahead -= self._window
        return True

    def tell_gaps(self) -> None:
        """Report the audio that is missing before the next window."""
        if self.doubtful:
            self._resolve_doubt()
        while self._call.state is CallState.LIVE and (gap := self.hearing.next_gap()):
            if self._live is not None:
                self._live.skip(gap.start, gap.end)
            self._host.tell_rules(gap)
