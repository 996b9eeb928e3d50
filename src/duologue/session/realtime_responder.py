"""Answers turns with a speech-to-speech model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Final

from duologue.agent import FunctionCall
from duologue.conversation.inputs import SayRequested
from duologue.errors import ProviderError
from duologue.realtime import (
    RealtimeAudio,
    RealtimeConnection,
    RealtimeModel,
    RealtimeResponseEvent,
    RealtimeText,
    RealtimeToolCall,
)
from duologue.session.realtime_link import ModelResponse, RealtimeLink
from duologue.session.realtime_tools import ModelReply, Tool
from duologue.session.responder import (
    Heard,
    Responder,
    ResponderCapabilities,
    ResponseItem,
    ResponseRequest,
    SaySpoken,
    SpokenAudio,
    SpokenText,
)
from duologue.tts import TextSpan, WordTiming
from duologue.tts.placement import SECONDS_PER_CHAR, Placement, TextPlacer

__all__ = ["RealtimeResponder"]

MAX_AUDIO_S: Final = 600.0
"""The longest response."""


class RealtimeResponder(Responder):
    """Has a speech-to-speech model answer from the user's audio.

    The turn is decided as for a `Cascade`, and the model is then asked to answer. `tools` are called by the names that
    the model knows them by; a tool that returns EndCall ends the call after the response.
    """

    def __init__(
        self, model: RealtimeModel, *, tools: Mapping[str, Tool] | None = None, language: str | None = None
    ) -> None:
        self.name: str = model.name
        self.rate: int = model.rate
        self.model = model
        self._tools = dict(tools or {})
        self._link = RealtimeLink(model, language)
        self._spoken: list[ModelResponse] = []
        """The model's responses in the newest reply."""
        self._count = 0
        self._seconds_per_char = SECONDS_PER_CHAR
        self._has_reported = False

    @property
    def capabilities(self) -> ResponderCapabilities:
        """What it can do."""
        return ResponderCapabilities(hears_audio=True, decides_turns=self.model.capabilities.decides_turns)

    @property
    def on_turn_ended(self) -> Callable[[float], None] | None:
        """Told the probability with which the model takes the user's turn for over."""
        return self._link.on_turn_ended

    @on_turn_ended.setter
    def on_turn_ended(self, told: Callable[[float], None] | None) -> None:
        self._link.on_turn_ended = told

    @property
    def late_events(self) -> int:
        """Events that the model sent for responses that were over or cancelled; they are ignored."""
        return self._link.late_events

    def hear(self, pcm: bytes) -> None:
        """Pass the user's audio on; the first of it opens the connection."""
        self._link.push(pcm)

    def truncate(self, heard: Heard) -> None:
        """Have the model forget what was not heard."""
        at = 0.0
        for response in self._spoken:
            if response.generation == heard.generation and response.connection is self._link.connection:
                seconds = min(max(heard.seconds - at, 0.0), response.seconds)
                self._link.call("truncate", response.id, seconds, heard.text if response.is_answer else "")
            at += response.seconds

    def cancel(self, generation: int) -> None:
        """Have the model stop."""
        for response in [r for r in self._link.responses.values() if r.generation == generation]:
            del self._link.responses[response.id]
            if response.connection is self._link.connection:
                self._link.call("cancel", response.id)

    async def aclose(self) -> None:
        """Close the connection."""
        self._spoken.clear()
        await self._link.aclose()

    async def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
        """Answer a turn, or say a text."""
        self._spoken = []
        reply = ModelReply(request, self.name)
        for say in request.says:
            async for item in self._response(reply, say, say.id):
                yield item
        async for item in self._response(reply, request.say, None):
            yield item
        while reply.says:
            say = reply.says.popleft()
            async for item in self._response(reply, say, say.id):
                yield item
        reply.is_written = True
        if reply.end_call is not None:
            yield reply.end_call

    async def _response(
        self, reply: ModelReply, say: SayRequested | None, within: int | None
    ) -> AsyncIterator[ResponseItem]:
        """One response of the model: the answer, or a text that it is to say; `within`: inside of an answer."""
        request = reply.request
        response, event = await self._begin(reply, say)
        placer = TextPlacer(self.name, aligned=self.model.capabilities.aligned, seconds_per_char=self._seconds_per_char)
        interruptible = say is None or say.interruptible
        has_text = False
        try:
            while True:
                placed: list[Placement] = []
                match event:
                    case None:
                        break
                    case RealtimeText():
                        placed = _placed(placer, event)
                        if say is None and not has_text:
                            has_text = True
                            request.output.text_started(request.generation)
                    case RealtimeAudio():
                        placed = placer.add_audio(self._seconds(response, event.pcm))
                for place in placed:
                    yield SpokenText(place.moved(reply.responses, reply.seconds), within, interruptible)
                if isinstance(event, RealtimeAudio) and event.pcm:
                    yield SpokenAudio(event.pcm, within)
                if isinstance(event, RealtimeToolCall):
                    yield FunctionCall(event.name, event.arguments, event.id)
                    result = await reply.call(self._tools, event)
                    if response.connection is self._link.connection:
                        self._link.call("tool_result", event.id, result)
                event = await response.next(self.name, request.config.speech_timeout)
        finally:
            self._leave(response, is_over=event is None)
        placer.end_text()
        for place in placer.end():
            yield SpokenText(place.moved(reply.responses, reply.seconds), within, interruptible)
        self._report(request, placer)
        reply.seconds += placer.audio
        if within is not None:
            yield SaySpoken(within)

    async def _begin(
        self, reply: ModelReply, say: SayRequested | None
    ) -> tuple[ModelResponse, RealtimeResponseEvent | None]:
        """Ask for a response, and return it with its first event.

        If the connection is lost before it begins, another one is asked, which has not heard the user and is given the
        words of the turn.
        """
        request = reply.request
        connection = await self._connected(request)
        try:
            return await self._ask(reply, say, connection)
        except ProviderError as error:
            if not error.retryable or self._link.connection is connection:
                raise
            self._spoken.pop()
            request.output.failed(error, request.turn.id)
        return await self._ask(reply, say, await self._connected(request))

    async def _connected(self, request: ResponseRequest) -> RealtimeConnection:
        connection = await self._link.connected(request.session, request.turn.history)
        if (fault := self._link.take_fault()) is not None:
            request.output.failed(fault, request.turn.id)
        return connection

    async def _ask(
        self, reply: ModelReply, say: SayRequested | None, connection: RealtimeConnection
    ) -> tuple[ModelResponse, RealtimeResponseEvent | None]:
        request = reply.request
        self._count += 1
        response = ModelResponse(f"response-{self._count}", request.generation, connection, is_answer=say is None)
        self._link.responses[response.id] = response
        self._spoken.append(response)
        text = request.turn.text if say is None and (request.is_typed or self._link.has_lost_audio) else None
        try:
            self._link.call("respond", response.id, text=text, say=None if say is None else say.text)
            event = await response.next(self.name, request.config.first_text_timeout)
        except BaseException:
            self._leave(response)
            raise
        reply.responses += 1
        return response, event

    def _leave(self, response: ModelResponse, *, is_over: bool = False) -> None:
        """Read no more of a response; one that is not over is to be stopped, or it would be taken for the next."""
        known = self._link.responses.pop(response.id, None)
        if known is not None and not is_over and response.connection is self._link.connection:
            with suppress(ProviderError):  # what ended the response is being raised, and says more
                self._link.call("cancel", response.id)

    def _report(self, request: ResponseRequest, placer: TextPlacer) -> None:
        self._seconds_per_char = placer.seconds_per_char
        if placer.fault is not None:
            request.output.failed(placer.fault, request.turn.id, repeated=self._has_reported)
            self._has_reported = True

    def _seconds(self, response: ModelResponse, pcm: bytes) -> float:
        """Check audio, and return its length."""
        if not isinstance(pcm, bytes) or len(pcm) % 2:
            raise ProviderError(f"{self.name} gave audio that is not whole 16-bit samples.", provider=self.name)
        seconds = len(pcm) / 2 / self.rate
        response.seconds += seconds
        if response.seconds > MAX_AUDIO_S:
            raise ProviderError(f"{self.name} gave a response of more than {MAX_AUDIO_S:g} s.", provider=self.name)
        return seconds


def _placed(placer: TextPlacer, event: RealtimeText) -> list[Placement]:
    """Place text if the model says that it sounds; without that it is placed by proportion."""
    placer.add_text(event.text)
    if event.start is None or event.end is None:
        return []
    word = event.text.strip()
    words = (WordTiming(word, event.start, event.end),) if len(word.split()) == 1 else ()
    return placer.add_span(TextSpan(event.text, event.start, event.end, words))
