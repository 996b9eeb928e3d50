"""An agent and a voice that cost next to nothing, so that what is measured is the runtime and its detector."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

import numpy as np

from duologue.agent import Turn
from duologue.tts import Speech, SpeechItem, TextToSpeech, TtsCapabilities

__all__ = ["InstantAgent", "InstantTextToSpeech"]

RATE: Final = 24_000
"""Of the agent's voice."""
SHORT: Final = "All right."
LONG: Final = "And there is more to say."
LONGEST: Final = 30
"""Sentences of an answer that is to be interrupted, at most."""


class InstantTextToSpeech(TextToSpeech):
    """A service whose every clause is the same tone of `seconds`, made beforehand."""

    name = "instant-tts"
    rate = RATE

    def __init__(self, seconds: float) -> None:
        tone = 8000 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * RATE)) / RATE)
        self._pcm = tone.astype("<i2").tobytes()
        self.capabilities = TtsCapabilities(aligned=True)

    async def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        """The tone, in one piece."""
        assert isinstance(text, str), "its capabilities say that it does not take text as it comes"
        for item in Speech(text, self._pcm, RATE).items():
            yield item


class InstantAgent:
    """Answers with one sentence; every `long_every`-th answer goes on until the user interrupts it, none if 0.

    `silent`: it answers nothing.
    """

    speculative = False

    def __init__(self, *, long_every: int = 0, silent: bool = False) -> None:
        self._long_every = long_every
        self._silent = self.may_stay_silent = silent
        self._turns = 0

    async def reply(self, turn: Turn) -> AsyncIterator[str]:
        """The answer to the next turn."""
        self._turns += 1
        if self._silent:
            return
        is_long = self._long_every and self._turns % self._long_every == 0
        for _ in range(LONGEST if is_long else 1):
            yield LONG + " " if is_long else SHORT
