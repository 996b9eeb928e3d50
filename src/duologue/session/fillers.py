"""What is said while an answer is late: kept ready by the engine, or spoken by the voice of the call when needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from duologue.engine.accounting import owned_by
from duologue.engine.standby import StandbySpeech
from duologue.errors import DuologueError
from duologue.session.cancellation import drop_cancel_traceback
from duologue.session.responder import Responder
from duologue.tts import TextToSpeech

__all__ = ["STARVED_S", "Fillers"]

STARVED_S: Final = 0.2
"""Seconds without audio in an unfinished reply after which the rules are notified."""
SPEAKING_S: Final = 2.0
"""Seconds in which a filler is spoken that was not kept ready."""


class Fillers:
    """The fillers of one session. At most one is being spoken."""

    def __init__(self, session: str, responder: Responder, standby: StandbySpeech) -> None:
        self.dry_since: float | None = None
        """When the reply ran out of audio, on the clock that paces."""
        self.is_told: bool = False
        """The rules know that it has."""
        self._session = session
        self._responder = responder
        self._standby = standby
        self._task: asyncio.Task[None] | None = None

    def kept(self, text: str) -> bytes | None:
        """Return the audio of a text in the voice of the call, if it was spoken before."""
        return self._standby.get(self._responder.name, self._responder.rate, text)

    def speak(self, text: str, take: Callable[[bytes], None]) -> None:
        """Have the voice of the call speak `text`, and hand its audio to `take`; nothing if it fails."""
        voice: TextToSpeech | None = getattr(self._responder, "voice", None)
        if voice is None or self._task is not None:
            return
        speaking = self._speak(voice, text, take)
        self._task = asyncio.create_task(speaking, name="filler", context=owned_by(self._session))
        self._task.add_done_callback(drop_cancel_traceback)

    async def _speak(self, voice: TextToSpeech, text: str, take: Callable[[bytes], None]) -> None:
        try:
            async with asyncio.timeout(SPEAKING_S):
                speech = await voice.synthesize(text)
        except (DuologueError, TimeoutError):
            return  # the failure that matters is the one for which the answer is late
        finally:
            self._task = None
        self._standby.put(voice.name, voice.rate, text, speech.pcm)
        take(speech.pcm)

    def begin(self) -> None:
        """A reply begins: nothing of the one before is late any more."""
        self.dry_since, self.is_told = None, False

    def close(self) -> None:
        """Stop speaking."""
        if self._task is not None:
            self._task.cancel()
