"""Answers turns with an agent that writes and a voice that speaks what it has written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from duologue.agent import Agent
from duologue.agent.closing import close_agents
from duologue.agent.text import repaired
from duologue.errors import AgentError
from duologue.session.agent_writer import AgentWriter, say_pieces
from duologue.session.responder import (
    Heard,
    Responder,
    ResponderCapabilities,
    ResponseItem,
    ResponseRequest,
    SpokenAudio,
)
from duologue.session.speaking import SpokenResponse, VoiceState
from duologue.session.text_queue import Piece, TextQueue
from duologue.tts import TextToSpeech
from duologue.tts.clauses import clauses_of

__all__ = ["MAX_PIECES", "Cascade"]

MAX_PIECES: Final = 4
"""Clauses that may wait for the voice; then the agent waits."""
MAX_TOKENS: Final = 64
"""The same for a voice that takes streamed text."""


class Cascade(Responder):
    """An agent and a voice. The agent's text is spoken while it is written.

    A voice that takes streamed text gets each piece on arrival; others get one clause at a time.
    """

    def __init__(self, agent: Agent, tts: TextToSpeech) -> None:
        self.name: str = tts.name
        self.rate: int = tts.rate
        self.agent: Agent = agent
        self._voice = VoiceState(tts)
        self._writers: dict[int, AgentWriter] = {}
        """By generation: the newest, and those before it that have not released the agent."""
        self._agents = [agent]
        """All that have answered."""

    @property
    def capabilities(self) -> ResponderCapabilities:
        """What it can do."""
        return ResponderCapabilities(speculative=self.agent.speculative)

    @property
    def voice(self) -> TextToSpeech:
        """The voice that speaks now."""
        return self._voice.tts

    def change_agent(self, agent: Agent) -> None:
        """Have another agent answer from the next turn on; the present answer continues."""
        self.keep(agent)
        self.agent = agent

    def keep(self, agent: Agent) -> None:
        """Close an agent with the others."""
        if not self.has_met(agent):
            self._agents.append(agent)

    def has_met(self, agent: Agent) -> bool:
        """Return True for an agent that `aclose` closes."""
        return any(agent is met for met in self._agents)  # agents may be equal, or not comparable

    def change_voice(self, voice: VoiceState) -> None:
        """Have another voice, of the same rate, speak the next responses."""
        self._voice, self.name = voice, voice.tts.name

    def truncate(self, heard: Heard) -> None:
        """Put an agent with state back if nothing of its answer was heard."""
        if not heard.seconds and (writer := self._writers.get(heard.generation)) is not None:
            writer.roll_back()

    def cancel(self, generation: int) -> None:
        """Stop the agent."""
        if (writer := self._writers.get(generation)) is not None:
            writer.cancel()

    async def released(self, generation: int) -> None:
        """Return once an answer has released the agent."""
        if (writer := self._writers.get(generation)) is not None:
            await writer.closed()

    async def aclose(self) -> None:
        """Close the agents that can be closed, all of them at once. The code that made the voice closes it."""
        self._writers.clear()
        if (cause := await close_agents(self._agents)) is not None:
            raise cause

    def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
        """Answer a turn, or say a text. The agent is asked at once, before the first item is read."""
        queue = TextQueue(MAX_PIECES if self._voice.in_clauses else MAX_TOKENS)
        writer = None
        if request.say is None:
            writer = self._start_writer(request, queue)
        else:
            say, text = request.say, repaired(request.say.text)
            if (audio := request.recordings.get(say.id)) is not None:
                queue.put_ahead(Piece(text, interruptible=say.interruptible, audio=audio))
            else:
                for part in clauses_of(text) if self._voice.in_clauses else [text]:
                    queue.put_ahead(Piece(part, interruptible=say.interruptible))
            queue.put_nowait(None)
        # The call's voice may be changed while this response goes on.
        return self._items(SpokenResponse(self._voice, request, queue, writer), writer)

    async def _items(self, response: SpokenResponse, writer: AgentWriter | None) -> AsyncIterator[ResponseItem]:
        has_sound = False
        try:
            async with aclosing(response.items()) as items:
                async for item in items:
                    has_sound = has_sound or isinstance(item, SpokenAudio)
                    yield item
        finally:
            if writer is not None:
                writer.stop()  # where the voice failed, the agent need not go on
        if writer is None:
            return
        if writer.end_call is not None:
            yield writer.end_call
        if writer.error is not None:
            raise writer.error
        if not (has_sound or writer.end_call or writer.may_stay_silent):
            raise AgentError(
                "The agent gave no answer that can be spoken.",
                hint="Yield some text, or EndCall to end the call; or set may_stay_silent = True on the agent.",
            )

    def _start_writer(self, request: ResponseRequest, queue: TextQueue) -> AgentWriter:
        for say in request.says:
            for piece in say_pieces(say.text, say.id, say.interruptible, self._voice.in_clauses, request.recordings):
                queue.put_ahead(piece)
        self._writers = {g: writer for g, writer in self._writers.items() if not writer.is_written}
        writer = AgentWriter(
            self.agent, request, queue, in_clauses=self._voice.in_clauses, after=tuple(self._writers.values())
        )
        self._writers[request.generation] = writer
        return writer
