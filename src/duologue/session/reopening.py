"""A recognition stream that lasts for a call: reopened after a fault, with the audio that no final covers.

The module is over 300 lines because a stream is opened, read, replaced and closed in one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Protocol
from typing import Final as Constant

from duologue.agent.faults import is_fault
from duologue.audio.format import RATE
from duologue.engine import Recognizer
from duologue.engine.accounting import owned_by
from duologue.errors import DuologueError, OverloadedError, ProviderError
from duologue.session.agent_writer import without_frames
from duologue.session.cancellation import drop_cancel_traceback
from duologue.session.config import SessionConfig
from duologue.session.failures import provider_failed
from duologue.session.input_buffer import AudioSource
from duologue.session.retry import pause_before_retry
from duologue.session.stream_use import StreamUses
from duologue.stt import RecognitionStream

__all__ = ["ReopeningStream"]

MAX_OPENED: Constant = 64
"""Streams opened in one call, all faults together."""
COOLDOWN_S: Constant = 5.0
"""Seconds after which a recognizer that is down is tried again, when words are requested."""
STABLE_S: Constant = 10.0
"""Seconds after which a stream counts as a success, with or without words in it."""
CLOSING_S: Constant = 1.0
"""Seconds that the reading task has to end with its call..."""
LET_GO_S: Constant = 0.5
"""...and a stream to close."""
MAX_EVENTS: Constant = 500
"""Events within EVENTS_WITHIN_S of the loop's time; more is a fault."""
EVENTS_WITHIN_S: Constant = 1.0
MAX_SILENCE: Constant = RATE
"""Samples of silence pushed for one gap, at most; the position jumps over the rest."""
MAX_REPLAY: Constant = 30 * RATE
"""Samples pushed again after a fault, at most..."""
REPLAY_PIECE: Constant = RATE // 10
"""...in pieces of so many."""


class Owner(Protocol):
    """The recipient of the events of a stream."""

    @property
    def covered(self) -> int:
        """The position up to which finals have come."""
        ...

    @property
    def awaited(self) -> int:
        """The position up to which words are waited for; -1 if none are."""
        ...

    def take(self, event: object) -> None:
        """Take an event, whatever it is."""
        ...

    def reopens(self) -> None:
        """The stream was closed after a fault, and another is about to be opened."""
        ...

    def went_down(self, error: DuologueError) -> None:
        """No stream can be opened, for this reason."""
        ...


class ReopeningStream:
    """Feeds one call's audio to a stream of the recognizer, and its events to the owner.

    One task reads for the whole call. `push`, `skip`, `finalize` and `give_up` are plain calls on the loop's thread.
    After a fault the next stream is opened after a pause that doubles, `max_retries` times in a row. Then the
    recognizer is down, and is tried once more when `revive` is called.
    """

    def __init__(self, stt: Recognizer, config: SessionConfig, audio: AudioSource) -> None:
        self.owner: Owner | None = None
        """None before the call begins and once it has ended, so that neither keeps the other from being freed."""
        self.opened: int = 0
        """Streams opened so far; all but the first after a fault."""
        self.sent: int = 0
        """The position up to which the open stream has got audio."""
        self.end: int = 0
        """The position up to which audio has arrived."""
        self.down: DuologueError | None = None
        """Why no stream is open, and none is being opened."""
        self.close_failures: int = 0
        """Streams that did not close as they should..."""
        self._failures_before = 0
        """...before the last."""
        self._uses = StreamUses()
        self._stt = stt
        self._config = config
        self._audio = audio
        self._stream: RecognitionStream | None = None
        self._reopen: Callable[[], RecognitionStream] | None = None
        """Opens the successor of the last stream, if that provides one, as a stream of a list of providers does."""
        self._task: asyncio.Task[None] | None = None
        self._limit: asyncio.Timeout | None = None
        self._interrupted: DuologueError | None = None
        """Why the current stream is being replaced."""
        self._failures = 0
        """Faults in a row, without a final between them."""
        self._down_since = 0.0
        self._revived = asyncio.Event()
        self._finalize_at = -1
        """A position that audio must reach before the stream is asked to finalize; -1 if none waits."""

    def start(self, owner: Owner, session: str) -> None:
        """Open the first stream, for the work of this session."""
        self.owner = owner
        self._task = asyncio.create_task(self._run(owner), name="recognition", context=owned_by(session))
        self._task.add_done_callback(drop_cancel_traceback)

    def stop(self) -> None:
        """Stop reading; the task closes the stream."""
        if self.owner is not None and self._task is not None:
            self.owner = self._stream = None
            self._failures_before = self.close_failures
            self._task.cancel()

    async def close(self) -> bool:
        """Close the stream; False if the provider does not end in time."""
        self.stop()
        if self._task is None:
            return True
        _, stuck = await asyncio.wait([self._task], timeout=CLOSING_S)
        return not stuck and self.close_failures == self._failures_before

    @property
    def is_open(self) -> bool:
        """True while a stream takes audio."""
        return self._stream is not None

    def used(self) -> list[tuple[Any, float]]:
        """The recognizers that were used, and the seconds of audio that each stream of theirs has got."""
        return self._uses.seconds(self.sent)

    def push(self, start: int, end: int) -> None:
        """Pass on audio that was scored."""
        self.end = end
        if self._stream is not None:
            self._send(self._stream, self._audio.read(start, end).tobytes(), start)

    def skip(self, start: int, end: int) -> None:
        """Pass on a gap, as silence."""
        self.end = end
        if self._stream is not None:
            self._send(self._stream, bytes(2 * min(end - start, MAX_SILENCE)), start)
            self.sent = max(self.sent, end)
            self._finalize_if_sent()

    def finalize(self, position: int) -> None:
        """Ask for finals up to `position`, once the audio before it has been pushed."""
        if not self._stt.capabilities.finalizes:
            return
        if self._stream is None or position > self.sent:
            self._finalize_at = max(self._finalize_at, position)
            return
        self._finalize_at = -1
        try:
            self._stream.finalize(position)
        except BaseException as cause:
            if not is_fault(cause):
                raise
            self.give_up(provider_failed(self._stt.name, cause))

    def give_up(self, error: DuologueError) -> None:
        """Close the stream that is open, because of `error`, and open another."""
        blame = getattr(self._stream, "give_up", None)  # streams of a list of providers count faults
        self._stream = None
        if blame is not None:
            blame(error)
        if self._limit is not None and self._interrupted is None:
            self._interrupted = error
            self._limit.reschedule(asyncio.get_running_loop().time())

    def works(self) -> None:
        """A final has arrived: reset the count of faults."""
        self._failures = 0

    def revive(self) -> None:
        """Try again if the recognizer has been down for a while."""
        if asyncio.get_running_loop().time() - self._down_since >= COOLDOWN_S:
            self._revived.set()

    def _send(self, stream: RecognitionStream, pcm: bytes, position: int) -> None:
        try:
            stream.push(pcm, position)
        except BaseException as cause:  # SystemExit, too: it would end the loop, and with it all other calls
            if not is_fault(cause):
                raise
            self.give_up(provider_failed(self._stt.name, cause))
            return
        self.sent = position + len(pcm) // 2
        self._finalize_if_sent()

    def _finalize_if_sent(self) -> None:
        if 0 <= self._finalize_at <= self.sent:
            self.finalize(self._finalize_at)

    # --- the task ---

    async def _run(self, owner: Owner) -> None:
        loop = asyncio.get_running_loop()
        while True:
            opened_at = loop.time()
            error, may_reopen = await self._listen(owner)
            self._interrupted = None
            if self.owner is None:  # the provider swallowed the cancellation
                return
            self._failures = 1 if loop.time() - opened_at >= STABLE_S else self._failures + 1
            if may_reopen and self._failures <= self._config.max_retries and self.opened < MAX_OPENED:
                owner.reopens()
                pause = pause_before_retry(self._failures - 1, error)
                without_frames(error)
                await asyncio.sleep(pause)
                continue
            self.down, self._down_since = error, loop.time()
            owner.went_down(error)
            without_frames(error)
            if self.opened >= MAX_OPENED:
                return
            self._revived.clear()
            await self._revived.wait()
            self._failures = self._config.max_retries  # one attempt

    async def _listen(self, owner: Owner) -> tuple[DuologueError, bool]:
        """Open a stream and read it until it ends; returns its error, and whether another stream may succeed."""
        name, stream, events = self._stt.name, None, None
        self.opened += 1
        try:
            async with asyncio.timeout(None) as self._limit:
                reopen, self._reopen = self._reopen, None
                stream = reopen() if reopen else self._stt.stream(language=self._config.language)
                self._reopen = getattr(stream, "reopen", None)
                self.down = None
                self._replay(stream, owner)
                events = aiter(stream)
                await self._read(stream, events, owner)
            hint = "A stream lasts until it is closed. A provider of whole utterances declares streaming=False."
            ended = ProviderError(f"{name} ended its stream during the call.", hint=hint, provider=name)
            return self._interrupted or ended, True
        except TimeoutError as cause:
            return self._interrupted or provider_failed(name, cause), True
        except DuologueError as error:
            return error, error.retryable
        except BaseException as cause:
            # A provider that cancelled the task that runs it has failed: the call needs another stream.
            by_itself = isinstance(cause, asyncio.CancelledError) and self.owner is not None
            if not (by_itself or is_fault(cause)):
                raise
            return provider_failed(name, cause), True
        finally:
            self._stream = self._limit = None
            self._uses.closed(self.sent)
            if stream is not None:
                await self._let_go(stream, events)

    def _replay(self, stream: RecognitionStream, owner: Owner) -> None:
        """Push again the audio that no final covers, as far as it is kept, and repeat an open request."""
        at = self.sent = max(owner.covered, self._audio.first, self.end - MAX_REPLAY)
        self._uses.opened(getattr(stream, "provider", self._stt), at, stream)
        while at < self.end:
            end = min(at + REPLAY_PIECE, self.end)
            stream.push(self._audio.read(at, end).tobytes(), at)
            at = self.sent = end
        self._stream = stream
        self._finalize_at = -1
        if owner.awaited >= 0:
            self.finalize(owner.awaited)

    async def _read(self, stream: RecognitionStream, events: AsyncIterator[object], owner: Owner) -> None:
        loop = asyncio.get_running_loop()
        second, count = loop.time(), 0
        async for event in events:
            if stream is not self._stream:
                return
            if loop.time() - second >= EVENTS_WITHIN_S:
                second, count = loop.time(), 0
            count += 1
            if count > MAX_EVENTS:
                name = self._stt.name
                raise OverloadedError(f"{name} sent {count} events within a second.", provider=name)
            owner.take(event)
            if count % 8 == 0:
                await asyncio.sleep(0)  # a stream that never waits must not hold up other calls

    async def _let_go(self, stream: RecognitionStream, events: AsyncIterator[object] | None) -> None:
        try:
            async with asyncio.timeout(LET_GO_S):
                await stream.aclose()
                if isinstance(events, AsyncGenerator):
                    await events.aclose()  # it may hold a socket
        except BaseException as cause:
            if not is_fault(cause):
                raise
            self.close_failures += 1  # the fault that is reported is the one for which it is closed
