"""What an application and its agent may have a call do: say, play, hand over, change settings, interrupt, type."""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import BinaryIO

from duologue.agent.closing import close_unused
from duologue.agent.function import greeting_of
from duologue.agent.text import repaired
from duologue.conversation import inputs
from duologue.conversation.eagerness import Eagerness
from duologue.conversation.question import AnswerKind, expected_answer
from duologue.errors import ConfigError, DuologueError
from duologue.session.cascade import Cascade
from duologue.session.parts import SessionParts
from duologue.session.recorded import RECORDING, read_recording
from duologue.session.responder import Responder, ResponseWriter, current_writer
from duologue.session.roster import Roster
from duologue.session.saying import SpeechHandle, SpeechHandles
from duologue.session.session import SessionDriver
from duologue.session.speaking import VoiceState
from duologue.tts import TextToSpeech, TtsModel

__all__ = ["CallCommands"]


class CallCommands(SessionDriver, ABC):
    """The commands of a live call. Each becomes an input to the rules, which decide its outcome.

    All raise SessionNotActiveError before the session is started and after it has ended.
    """

    def __init__(
        self,
        parts: SessionParts,
        responder: Responder,
        says: SpeechHandles,
        roster: Roster,
        voices: Mapping[str, TextToSpeech | TtsModel],
    ) -> None:
        super().__init__(parts)
        self._responder = responder
        self._says = says
        self._roster = roster
        self._voices = dict(voices)

    @abstractmethod
    async def close(self, reason: str = "closed") -> None:
        """End the call once the agent has finished."""

    # --- what the agent says ---

    async def say(self, text: str, *, interruptible: bool = True) -> SpeechHandle:
        """Have the agent say `text` as soon as the floor is free.

        Called by the agent while it answers, the text becomes a part of its answer, at this point of it.
        """
        self._check_live()
        return await self._say(text, interruptible)

    async def play(
        self, wav: str | os.PathLike[str] | bytes | BinaryIO, *, text: str = "", interruptible: bool = True
    ) -> SpeechHandle:
        """Play a WAV file as `say` says a text; `text` is what it says, for the history.

        Raises InvalidAudioError for what is no WAV file, is empty, or is longer than MAX_PLAY_S, and ConfigError if a
        responder other than an agent and a voice answers.
        """
        self._check_live()
        self._check_cascade()
        audio = await asyncio.to_thread(read_recording, wav, self._responder.rate)
        self._check_live()
        return await self._say(text or RECORDING, interruptible, audio)

    async def _say(self, text: str, interruptible: bool, recording: bytes | None = None) -> SpeechHandle:
        text = repaired(text)
        key, handle = self._says.add(text)
        if recording is not None:
            self._says.recordings[key] = recording
        writer = self._answering()
        self._request_say(inputs.SayRequested(text, interruptible, key, writer.request.generation if writer else 0))
        if writer is not None:
            await writer.say_within(text, key, interruptible=interruptible)
        return handle

    def _request_say(self, say: inputs.SayRequested) -> None:
        try:
            self.tell_rules(say)
        except DuologueError:
            self._says.end(say.id)
            raise

    def _answering(self) -> ResponseWriter | None:
        """The writer of the reply that this code is called from, if it is one of this session."""
        writer = current_writer.get()
        return writer if writer is not None and self._output.replies.is_answering(writer) else None

    def _excuse_silence(self) -> None:
        """Have the agent's answer need no words: what it did to the call is its answer."""
        if (writer := self._answering()) is not None:
            writer.may_stay_silent = True

    def interrupt(self) -> None:
        """Silence the agent, and forget what waits to be said."""
        self._check_live()
        self.tell_rules(inputs.InterruptRequested())

    def clear_buffers(self) -> None:
        """Forget everything pending on both sides: the utterance, the reply, what waits to be said."""
        self._check_live()
        self._button.clear()
        self.tell_rules(inputs.ClearRequested())

    # --- who answers, and how ---

    @property
    def agent_name(self) -> str:
        """The name of the agent that answers now."""
        return self._roster.current

    async def hand_over(self, agent: str, *, greeting: str | None = None) -> None:
        """Have another agent of `agents=` answer from the next turn on; it is given the whole history.

        What is being said is said first, then the new agent's `greeting`: its own, or the one given here; "" for none.
        To hand over to the agent that answers already changes nothing, and only says a greeting that is given here.
        Raises ConfigError if there is no such agent, and what its factory fails with: then nothing changes.
        """
        self._check_live()
        cascade = self._check_cascade()
        if agent == self._roster.current and greeting is None:
            return  # it answers already, and has greeted
        made = await self._roster.get(agent, cascade.agent)
        if not self._is_live and not cascade.has_met(made):
            await close_unused(made, self.id)
        self._check_live()
        cascade.keep(made)
        text = greeting_of(made) if greeting is None else greeting
        self._roster.current = agent
        cascade.change_agent(made)
        self.record.agents.append(agent)
        self.tell_rules(inputs.SettingsChanged(agent_speculates=made.speculative))
        self._publisher.handed_over(agent)
        if text:
            key, _ = self._says.add(text)
            try:
                self._request_say(inputs.SayRequested(text, True, key))
                self._excuse_silence()
            except DuologueError as error:  # too much waits to be said: the agent answers, and does not greet
                self._publisher.failed(error)

    def configure(
        self,
        *,
        voice: str | None = None,
        action_delay: float | None = None,
        timeout: float | None = None,
        barge_in: bool | None = None,
        eagerness: Eagerness | None = None,
    ) -> None:
        """Change settings from now on; None keeps what there is. `voice` is one of `voices=`, of the same rate.

        The others are those of TurnTaking. Raises ConfigError for what cannot be, and changes nothing then.
        """
        self._check_live()
        if voice is not None and voice not in self._voices:
            raise ConfigError(f"There is no voice {voice!r} here.", hint=f"Known: {', '.join(self._voices) or 'none'}.")
        tts = None if voice is None else self.engine.tts(self._voices[voice])
        if tts is not None and tts.rate != self._check_cascade().rate:
            raise ConfigError(
                f"The voice {voice!r} speaks at {tts.rate} Hz, and that of this call at {self._responder.rate} Hz.",
                hint="Change to a voice of the same rate.",
            )
        new = None if tts is None else VoiceState(tts)
        self.tell_rules(inputs.SettingsChanged(action_delay, timeout, barge_in, eagerness=eagerness))
        if new is not None:
            self._check_cascade().change_voice(new)

    def expect(self, kind: AnswerKind, *lengths: int) -> None:
        """Declare what the user's next turn is to answer; called by the agent, it belongs to the answer it is giving.

        `lengths` are the numbers of digits, letters or words that a complete answer may have. Raises ConfigError for
        what cannot be.
        """
        self._check_live()
        writer = self._answering()
        generation = writer.request.generation if writer else 0
        self.tell_rules(inputs.AnswerExpected(expected_answer(kind, lengths), generation))

    def _check_cascade(self) -> Cascade:
        if not isinstance(self._responder, Cascade):
            raise ConfigError(f"{self._responder.name} answers by itself, without an agent and a voice.")
        return self._responder

    # --- the user's button and keyboard ---

    def begin_turn(self) -> None:
        """The button to talk is down: all audio from here until `end_turn` is one turn. Interrupts the agent."""
        self._check_live()
        self._button.press()

    def end_turn(self) -> None:
        """The button is up: the turn is over after the audio so far."""
        self._check_live()
        self._button.release()

    def send_text(self, text: str) -> None:
        """The user typed a turn."""
        self._check_live()
        if text.strip():
            self.tell_rules(inputs.TextArrived(text.strip()))
