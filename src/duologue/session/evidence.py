"""Evidence for the rules: requests go to the recognizer and to the turn model, and results return as inputs.

The module is over 300 lines because all kinds of evidence share their tasks, their deadlines and how they fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from duologue.agent.faults import is_fault
from duologue.agent.text import repaired
from duologue.audio.format import RATE
from duologue.audio.level import speech_level
from duologue.conversation import effects, inputs
from duologue.conversation.evidence import SOUND_WINDOW
from duologue.engine import Engine, Recognizer
from duologue.engine.accounting import owned_by
from duologue.engine.recognizers import as_float
from duologue.errors import DeadlineError, DuologueError, OverloadedError, ProviderError
from duologue.resilience.retry import RETRIES
from duologue.session.cancellation import drop_cancel_traceback
from duologue.session.config import SessionConfig
from duologue.session.failures import provider_failed
from duologue.session.host import Host
from duologue.session.input_buffer import AudioSource
from duologue.session.provider_use import count_stream, count_transcription
from duologue.session.recognition import LATENCY_STEP_S, LiveRecognition
from duologue.session.retry import pause_before_retry
from duologue.session.stream_checks import check_transcript
from duologue.stt import Transcript
from duologue.stt.buffered import PARTIAL_TIMEOUT_S
from duologue.telemetry.names import SPEECH_TO_TEXT
from duologue.telemetry.usage import count_retry, watch_service
from duologue.turn import WordsPolicy
from duologue.turn.languages import language_pack
from duologue.turn.understanding import understood

__all__ = ["EvidenceRequester", "leaves_open"]

SOUND_SHARE = 0.5
"""Utilization of the model threads above which turns are judged by their words alone..."""
OPEN = (0.7, 0.9)
"""...except turns whose words give a probability in this range, where audio can still change the decision."""
CLOSING = 1.0
"""Seconds in which tasks of providers must end after the session."""
MAX_STUCK = 16
"""Tasks that may refuse to end; with one more the call ends."""


def leaves_open(ask: effects.RequestEndOfTurn) -> bool:
    """True if its words do, so that its audio is worth judging even under load."""
    return ask.words is not None and OPEN[0] < ask.words < OPEN[1]


class EvidenceRequester:
    """One task for each request; the rules have at most one for words and one for the audio of a turn at a time."""

    def __init__(
        self,
        host: Host,
        engine: Engine,
        stt: Recognizer,
        words: WordsPolicy,
        config: SessionConfig,
        audio: AudioSource,
    ) -> None:
        self.host = host
        self._engine = engine
        self._stt = stt
        self.name: str = stt.name
        self._words = words
        self._config = config
        self._audio = audio
        measures = engine.paced  # unpaced audio waits for words, so their latency is not measurable
        can = stt.capabilities
        self.live: LiveRecognition | None = (
            LiveRecognition(stt, config, audio, engine.clock.now, measures=measures) if can.streaming else None
        )
        """None for a recognizer that transcribes whole spans."""
        self._measured = stt.latency if measures else None
        self._told_latency: float | None = None
        self._language = language_pack(config.language)
        self._asks: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        """All unfinished tasks, dropped ones included."""
        self._partial: asyncio.Task[None] | None = None

    @property
    def words_name(self) -> str:
        """The name of the policy that judges the words."""
        return self._words.name

    def call(self, *, agent_speculates: bool) -> inputs.CallRequested:
        """Which evidence this session can have, for the rules."""
        can, latency = self._stt.capabilities, self._stt.latency
        self._told_latency = latency.expected if latency is not None else can.typical_latency
        return inputs.CallRequested(
            agent_speculates,
            judges_sound=self._engine.turn_model is not None and not can.estimates_sound,
            streams_words=self.live is not None,
            words_latency=self._told_latency if self.live is None else self.live.latency,
            words_latency_per_s=can.latency_per_s,
        )

    def start(self) -> None:
        """Open the stream of the recognizer, which lasts for the call."""
        if self.live is not None:
            self.live.start(self, self.host.id)

    def request_transcript(self, ask: effects.RequestTranscript, due_in: float) -> None:
        """Transcribe a span; the words are due in `due_in` seconds."""
        if self.live is not None:
            self.live.request(ask)
        else:
            self._start(ask.ask, self._hear(ask, self._audio.read(ask.start, ask.end).tobytes(), due_in))

    def request_end_of_turn(self, ask: effects.RequestEndOfTurn, due_in: float) -> None:
        """Judge a span by its audio; under a load at which that would delay transcripts, skip it."""
        threads = self._engine.model_threads
        if threads.backlog > due_in or (threads.utilization > SOUND_SHARE and not leaves_open(ask)):
            threads.counters.rationed += 1
            self.host.tell_rules(inputs.EvidenceFailed(ask.ask, OverloadedError.code))
            return
        pcm = self._audio.read(max(ask.start, ask.end - SOUND_WINDOW), ask.end)
        self._start(ask.ask, self._judge(ask, pcm.tobytes(), due_in))

    def request_partial(self, ask: effects.RequestPartial) -> None:
        """Publish partial transcripts: from the stream, or one pass at a time if the recognizer has room for it."""
        if self.live is not None:
            self.live.show(ask)
            return
        under_way = self._partial is not None and not self._partial.done()
        if not under_way and self._stt.may_show(ask.end - ask.start):
            pcm = self._audio.read(ask.start, ask.end).tobytes()
            self._partial = self._task(self._show(ask, pcm), f"partial-{ask.ask}")

    def drop(self, ask: int) -> None:
        """The answer is no longer needed."""
        task = self._asks.pop(ask, None)
        if task is not None:
            task.cancel()
        elif self.live is not None:
            self.live.drop(ask)

    def stop(self) -> None:
        """Stop the stream of the recognizer; `close` waits for it."""
        if self.live is not None:
            self.live.stop()
            for stt, seconds in self.live.stream.used():
                count_stream(stt, seconds, self.host.id)

    async def close(self) -> None:
        """Drop all requests, and wait a moment until their tasks have ended."""
        self._asks.clear()
        for task in self._tasks:
            task.cancel()
        closed = self.live is None or await self.live.close()
        if self._tasks or not closed:
            stuck = bool(self._tasks) and (await asyncio.wait(self._tasks, timeout=CLOSING))[1]
            if stuck or not closed:
                self.host.failed(ProviderError(f"{self._stt.name} did not let go of its work within {CLOSING:g} s."))

    def _start(self, ask: int, work: Coroutine[Any, Any, None]) -> None:
        self._asks[ask] = self._task(work, f"ask-{ask}")

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        if len(self._tasks) >= MAX_STUCK:
            self.host.broken(
                ProviderError(
                    f"{self._stt.name} holds on to {len(self._tasks)} pieces of work that were cancelled.",
                    hint="Let CancelledError through.",
                )
            )
        task = asyncio.create_task(work, name=name, context=owned_by(self.host.id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(drop_cancel_traceback)
        return task

    async def _hear(self, ask: effects.RequestTranscript, pcm: bytes, due_in: float) -> None:
        limit = self._config.words_timeout
        deadline = asyncio.get_running_loop().time() + due_in
        if ask.may_go_on:
            await self._stt.hold()
        asked_at = self._engine.clock.now()
        try:
            async with asyncio.timeout(limit):
                found = await self._transcribe(pcm, deadline)
        except TimeoutError:
            error = DeadlineError(f"{self._stt.name} gave no words within {limit:g} s.", provider=self._stt.name)
            self._fail(ask, error)
        except DuologueError as error:
            self._fail(ask, error)
        except asyncio.CancelledError as cause:
            if ask.ask not in self._asks:
                raise
            # Code of the recognizer cancelled the task that runs it: the words are waited for.
            self._fail(ask, provider_failed(self._stt.name, cause))
        else:
            if self._measured is not None:
                self._measure(self._engine.clock.now() - asked_at, len(pcm) / 2 / RATE)
            self.answer_words(ask, found.text, found.ending_odds, found.sound_estimate)

    def _measure(self, took: float, audio: float) -> None:
        """Note how long a batch service took, and tell the rules if that changes when its words are due."""
        assert self._measured is not None, "a model's latency is not measured"
        self._measured.note(took - self._stt.capabilities.latency_per_s * audio)
        latency = self._measured.expected
        if latency is not None and abs(latency - (self._told_latency or 0.0)) >= LATENCY_STEP_S:
            self._told_latency = latency
            self.host.tell_rules(inputs.WordsLatencyMeasured(latency))

    def answer_words(
        self, ask: effects.RequestTranscript, text: str, ending_odds: float = 0.0, sound_estimate: float | None = None
    ) -> None:
        """Judge the words that were asked for, and tell the rules."""
        level = speech_level(self._audio.read(ask.start, ask.end)) if text else None
        try:
            words = understood(ask, text, self._words, self._language, ending_odds, level, sound_estimate)
        except BaseException as cause:
            if not is_fault(cause):
                raise
            self._fail(ask, provider_failed(self._words.name, cause))
        else:
            self._answer(words)

    def fail_words(self, ask: effects.RequestTranscript, error: DuologueError, *, reported: bool) -> None:
        """Tell the rules that there will be no words, and publish the error unless that was `reported`."""
        if reported:
            self._answer(inputs.EvidenceFailed(ask.ask, error.code))
        else:
            self._fail(ask, error)

    def tell_rules(self, input_: inputs.Input) -> None:
        """Tell the rules of the session."""
        self.host.tell_rules(input_)

    def report(self, error: DuologueError) -> None:
        """Publish an error that belongs to no turn."""
        self.host.failed(error)

    def note_fault(self, error: DuologueError | None) -> None:
        """Count a fault of the recognizer, and publish it unless it is None."""
        self._engine.counters.recognition_faults += 1
        if error is not None:
            self.host.failed(error)

    async def _transcribe(self, pcm: bytes, deadline: float) -> Transcript:
        attempt, now = 0, asyncio.get_running_loop().time
        RETRIES.note_call()
        while True:
            began, result, served = now(), "failed", watch_service()
            try:
                found = await self._stt.transcribe(pcm, language=self._config.language, deadline=deadline)
                check_transcript(self._stt.name, found)
                result = "done"
                return replace(found, text=repaired(found.text).strip())
            except DuologueError as error:
                if not error.retryable or attempt == self._config.max_retries or not RETRIES.spend():
                    raise
                pause = pause_before_retry(attempt, error)
            except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
                if not is_fault(cause):
                    result = "cancelled"
                    raise
                raise provider_failed(self._stt.name, cause) from cause
            finally:
                count_transcription(self._stt, result, now() - began, pcm, served)
            count_retry(self._stt.name, SPEECH_TO_TEXT)
            await asyncio.sleep(pause)
            attempt += 1

    async def _judge(self, ask: effects.RequestEndOfTurn, pcm: bytes, due_in: float) -> None:
        model = self._engine.turn_model
        assert model is not None, "the rules ask for the sound only where a model is at hand"
        deadline = asyncio.get_running_loop().time() + due_in
        try:
            # Its cost is not counted: it reads up to 8 s repeatedly, at a small part of the cost of recognition.
            probability = float(
                await self._engine.model_threads.submit(model, as_float(pcm), deadline, count_usage=False)
            )
            if not 0.0 <= probability <= 1.0:
                raise ProviderError(f"{model.name} gave the probability {probability:g}.", provider=model.name)
        except DuologueError as error:
            self._fail(ask, error)
        except Exception as cause:
            self._fail(ask, provider_failed(model.name, cause))
        else:
            self._answer(inputs.SoundScored(ask.ask, probability))

    async def _show(self, ask: effects.RequestPartial, pcm: bytes) -> None:
        deadline = asyncio.get_running_loop().time() + PARTIAL_TIMEOUT_S
        try:
            async with asyncio.timeout(self._config.words_timeout):
                transcript = await self._stt.transcribe(pcm, language=self._config.language, deadline=deadline)
                check_transcript(self._stt.name, transcript)
        except BaseException as cause:
            if not is_fault(cause):
                raise
            return  # partial words: the final pass over the same audio reports the error
        self.host.tell_rules(inputs.PartialArrived(ask.ask, repaired(transcript.text)))

    def _answer(self, answer: inputs.WordsArrived | inputs.SoundScored | inputs.EvidenceFailed) -> None:
        self._asks.pop(answer.ask, None)
        self.host.tell_rules(answer)

    def _fail(self, ask: effects.RequestTranscript | effects.RequestEndOfTurn, error: DuologueError) -> None:
        self.host.failed(error, ask.turn)
        self._answer(inputs.EvidenceFailed(ask.ask, error.code))
