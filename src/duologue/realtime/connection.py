"""One conversation with a speech-to-speech service over pydantic-ai's `RealtimeConnection`."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import BinaryAudio, RealtimeSessionErrorEvent
from pydantic_ai.realtime import codec
from pydantic_ai.realtime.codec import RealtimeConnection as Wire
from pydantic_ai.realtime.lifecycle import (
    AnswersRevised,
    InputLost,
    ResponseEnded,
    ResponseRequestRefused,
    ResponseStarted,
    StaleEvent,
)

from duologue.audio.microphone import Microphone
from duologue.errors import DeadlineError, DuologueError, ProviderError, ProviderUnavailableError
from duologue.realtime import (
    RealtimeAudio,
    RealtimeDone,
    RealtimeEvent,
    RealtimeFailed,
    RealtimeText,
    RealtimeToolCall,
    RealtimeTurnEnded,
)
from duologue.realtime.answers import Answers
from duologue.realtime.failures import error_of, response_error
from duologue.realtime.usage import RealtimeUsage
from duologue.telemetry.usage import count_tokens

__all__ = ["ServiceConnection"]

MIN_COMMIT_S: Final = 0.1
"""Services refuse to answer less audio than this."""
MAX_WAITING: Final = 256
"""Inputs that may wait to be sent."""
MAX_UNREAD: Final = 4096
"""Events that may wait to be read."""
OLD_S: Final = 3.0
"""A response that the service began by itself so long before it is asked for may answer something else, such as an
"uh-huh" that the session did not take for a turn..."""
NEWER_TIMEOUT_S: Final = 1.5
"""...so a newer one is waited for, and it is used if none begins in this time."""
ENDED: Final = ("live_session_expired", "live_session_connection_lost")
"""Codes of GPT-Live for the end of a session, after which another can be had."""
SAY: Final = "<system>Say this text word for word, and nothing else: {text}</system>"
HEARD: Final = "<system>The user interrupted your last answer, and heard only this of it: {text}</system>"


class ServiceConnection:
    """Sends what the session asks for in order, by one task, and sorts what comes by the session's responses."""

    def __init__(
        self,
        name: str,
        wire: Wire,
        opened: AbstractAsyncContextManager[Wire],
        *,
        profile: Any,
        stall_timeout: float,
        usage: RealtimeUsage,
    ) -> None:
        self._name = name
        self._wire = wire
        self._opened = opened
        self._stall_timeout = stall_timeout
        self._usage = usage
        self._input_rate: int = profile.get("audio_input_sample_rate", 24_000)
        self._output_rate: int = profile.get("audio_output_sample_rate", 24_000)
        self._owns_turns = not profile.get("supports_manual_turn_control", False)
        self._cancels = profile.get("supports_interruption", False)
        self._truncates = profile.get("supports_output_truncation", False)
        self._is_live = profile.get("synthesizes_turn_boundary", False)
        """It is GPT-Live, which speaks only while audio comes, and whose answers differ by the pauses between them."""
        self._was_heard = False
        """GPT-Live has transcribed words of the user since its last answer began."""
        self._microphone = Microphone(self._input_rate, keeps_silence=self._is_live)
        self._uncommitted_s = 0.0
        """Seconds of audio that were handed over since the last turn."""
        self._inputs: deque[tuple[Any, str | None]] = deque()
        """What is to be sent, and the response that it asks for or goes on with."""
        self._changed = asyncio.Event()
        self._sent = 0
        """How many inputs were sent: the service's events name an input by its index."""
        self._asked: OrderedDict[int, str] = OrderedDict()
        """Responses by the index of the input that asked for them."""
        self._answers = Answers(owns_turns=self._owns_turns)
        self._calls: dict[str, str] = {}
        """Responses that wait for the result of a tool, by its id."""
        self._error_code: str | None = None
        self._error: DuologueError | None = None
        """Why nothing can be sent any more."""
        self._due: float | None = None
        """When the next message of the service has to be there; None if no response is due."""
        self._out: deque[RealtimeEvent] = deque()
        self._news = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._write(), name="realtime-writer"),
            asyncio.create_task(self._read(), name="realtime-reader"),
        ]

    # --- what the session asks for ---

    def push(self, pcm: bytes) -> None:
        """Hear 16 kHz mono PCM16 of the user."""
        if self._microphone.push(pcm):
            self._flush()

    def respond(self, response: str, *, text: str | None = None, say: str | None = None) -> None:
        """Answer what was heard, a typed text, or say a text."""
        self._usage.responses += 1
        self._answers.ask(response)
        if say is not None:
            self._put(SAY.format(text=say), response)
        elif text is not None:
            if self._uncommitted_s and not self._owns_turns:
                self._put(codec.ClearAudio())
            self._uncommitted_s = 0.0
            self._put(text, response)
        elif self._owns_turns:
            loop, held_since = asyncio.get_running_loop(), self._answers.held_since()
            if held_since is not None and loop.time() - held_since > OLD_S:
                self._answers.want(response)
                loop.call_later(NEWER_TIMEOUT_S, self._use_held, response)
            else:
                self._out.extend(self._answers.bind(response))
        else:
            self._flush()
            if self._uncommitted_s >= MIN_COMMIT_S:
                self._put(codec.CommitAudio())
                self._uncommitted_s = 0.0
            self._put(codec.CreateResponse(), response)
        self._set_due()
        self._news.set()

    def _use_held(self, response: str) -> None:
        """Take the old response, because no newer one has begun."""
        self._out.extend(self._answers.bind_late(response))
        self._news.set()

    def tool_result(self, call: str, output: str) -> None:
        """Give the result of a tool."""
        response = self._calls.pop(call, None)
        if response is not None:
            if (answer := self._answers.get(response)) is not None:
                answer.open_calls -= 1
            self._put(codec.ToolResult(call, output=output), response)
            self._set_due()
            self._news.set()

    def truncate(self, response: str, seconds: float, text: str) -> None:
        """Have the service forget what was not heard of a response."""
        answer = self._answers.get(response)
        if answer is None or not answer.items:
            return
        if self._truncates:
            for item, played in answer.cuts(seconds, self._output_rate):
                self._put(codec.TruncateOutput(round(played * 1000), item_id=item))
        elif not self._owns_turns:
            self._put(codec.TextContext(HEARD.format(text=text or "nothing")))

    def cancel(self, response: str) -> None:
        """Stop a response."""
        answer = self._answers.get(response)
        if answer is None or answer.is_over:
            return
        answer.is_cancelled = True
        self._calls = {call: of for call, of in self._calls.items() if of != response}
        if self._cancels:
            self._put(codec.CancelResponse())

    async def aclose(self) -> None:
        """Close the connection."""
        self._fail(ProviderUnavailableError(f"{self._name} is closed.", provider=self._name))
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.wait(self._tasks)
        finally:
            await self._opened.__aexit__(None, None, None)

    # --- sending ---

    def _flush(self) -> None:
        pcm = self._microphone.take()
        if pcm:
            seconds = len(pcm) / 2 / self._input_rate
            self._uncommitted_s += seconds
            self._usage.heard_s += seconds
            self._put(BinaryAudio(pcm, media_type="audio/pcm"))

    def _put(self, content: Any, response: str | None = None) -> None:
        """Have an input sent. Raises ProviderError if nothing can be sent, or too much waits."""
        if self._error is not None:
            raise self._error
        if len(self._inputs) >= MAX_WAITING:
            raise ProviderUnavailableError(f"{self._name} does not take what is sent.", provider=self._name)
        self._inputs.append((content, response))
        self._changed.set()

    async def _write(self) -> None:
        """Send inputs in order, each within `stall_timeout`."""
        while True:
            while not self._inputs:
                self._changed.clear()
                await self._changed.wait()
            content, response = self._inputs.popleft()
            index, self._sent = self._sent, self._sent + 1
            if response is not None:
                self._asked[index] = response
                if len(self._asked) > MAX_WAITING:
                    self._asked.popitem(last=False)
            try:
                async with asyncio.timeout(self._stall_timeout):
                    await self._wire.send(content)
            except UserError as error:  # such as text for a service that only hears
                if response is not None and (answer := self._answers.get(response)) is not None:
                    answer.is_over = True
                    self._out.append(RealtimeFailed(response, error_of(self._name, error, "refused an input")))
                    self._news.set()
            except Exception as error:
                self._fail(error_of(self._name, error, "did not take what was sent"))
                return

    # --- reading ---

    async def __aiter__(self) -> AsyncIterator[RealtimeEvent]:
        while True:
            while self._out:
                yield self._out.popleft()
            if self._error is not None:
                raise self._error
            self._news.clear()
            try:
                async with asyncio.timeout_at(self._due):
                    await self._news.wait()
            except TimeoutError:
                if self._due is not None and self._due <= asyncio.get_running_loop().time():
                    raise DeadlineError(
                        f"{self._name} sent nothing for {self._stall_timeout:g} s.", provider=self._name
                    ) from None

    async def _read(self) -> None:
        """Sort what the service sends, and put off the deadline with each message of it."""
        try:
            async for frame in self._wire.frames():
                for item in frame:
                    if not isinstance(item, StaleEvent):
                        self._out.extend(self._events(item))
                if frame:  # GPT-Live sends silence all the time, which is no progress
                    self._set_due()
                self._news.set()
                if len(self._out) > MAX_UNREAD:
                    raise ProviderError(
                        f"{self._name} sent more than {MAX_UNREAD} events at once.", provider=self._name
                    )
            raise ProviderUnavailableError(f"{self._name} closed the connection.", provider=self._name)
        except Exception as error:
            self._fail(error_of(self._name, error, "broke off the connection"))

    def _fail(self, error: DuologueError) -> None:
        self._error = self._error or error
        self._news.set()

    def _set_due(self) -> None:
        """Expect a message within `stall_timeout` if a response is due, and none otherwise."""
        if not self._answers.is_due:
            self._due = None
            return
        self._due = asyncio.get_running_loop().time() + self._stall_timeout

    def _events(self, item: Any) -> Iterator[RealtimeEvent]:
        """Yield the events of the session's responses that an item stands for."""
        answers = self._answers
        match item:
            case ResponseStarted() if self._is_live and not (item.answers or self._was_heard or answers.goes_on):
                answers.ignore()  # the rest of an answer with a long pause in it, which nothing may take for the next
                self._usage.cut += 1
            case codec.InputTranscript() if item.text.strip():
                self._was_heard = True
            case ResponseStarted():
                self._was_heard = False
                asked = next((self._asked[i] for i in item.answers if i in self._asked), None)
                if answers.start(item.response_id, asked, asyncio.get_running_loop().time()):
                    yield RealtimeTurnEnded()  # it would not answer unless it thought that the user has finished
            case codec.AudioDelta() if (answer := answers.of(item.response_id)) and not answer.is_cancelled:
                answer.add(item.item_id or "", len(item.data))
                self._usage.spoken_s += len(item.data) / 2 / self._output_rate
                yield from answers.pass_on(answer, RealtimeAudio(answer.id, item.data))
            case codec.OutputTranscript() if (answer := answers.of(item.response_id)) and not answer.is_cancelled:
                if text := answer.new_text(item.text, is_final=item.is_final):
                    yield from answers.pass_on(answer, RealtimeText(answer.id, text))
            case codec.ToolCall() if (answer := answers.of(item.response_id)) and not answer.is_cancelled:
                answer.open_calls += 1
                answer.has_called = True
                self._calls[item.tool_call_id] = answer.id
                call = RealtimeToolCall(answer.id, item.tool_call_id, item.tool_name, item.args or "{}")
                yield from answers.pass_on(answer, call)
            case codec.SessionUsage():
                self._usage.input_tokens += item.usage.input_tokens
                self._usage.output_tokens += item.usage.output_tokens
                count_tokens(self._name, read=item.usage.input_tokens, written=item.usage.output_tokens)
            case RealtimeSessionErrorEvent():
                if not item.recoverable:
                    raise self._session_error(item.code)
                self._usage.errors += 1
                self._error_code = item.code
            case InputLost() | ResponseRequestRefused():
                for index in item.input_ids:
                    if (response := self._asked.get(index)) is not None:
                        yield from self._failed(response)
            case AnswersRevised():
                for response in (self._asked[i] for i in item.claimed if i in self._asked):
                    yield from answers.claim(item.response_id, response)
            case ResponseEnded() if answer := answers.end(item.response_id):
                if item.status in ("failed", "lost"):
                    yield from self._failed(answer.id)
                elif answer.is_cancelled or not answer.has_called:
                    answer.is_over = True
                    yield from answers.pass_on(answer, RealtimeDone(answer.id))

    def _failed(self, response: str) -> Iterator[RealtimeEvent]:
        code, self._error_code = self._error_code, None
        if (answer := self._answers.get(response)) is not None and not answer.is_over:
            answer.is_over = True
            yield from self._answers.pass_on(answer, RealtimeFailed(answer.id, response_error(self._name, code)))

    def _session_error(self, code: str | None) -> DuologueError:
        if code in ENDED:
            return ProviderUnavailableError(f"{self._name} ended the session ({code}).", provider=self._name)
        if code:
            return response_error(self._name, code)
        return ProviderUnavailableError(f"{self._name} closed the connection.", provider=self._name)
