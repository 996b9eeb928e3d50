"""Speech that is kept ready for the moment at which a voice or an agent fails: the apology, and fillers."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from duologue.errors import DuologueError
from duologue.tts import TextToSpeech

__all__ = ["StandbySpeech"]

MAX_TEXTS: Final = 64
MAX_BYTES: Final = 8 * 2**20
SPEAKING_S: Final = 10.0
"""Seconds in which a text must be spoken when it is prepared."""

_log = logging.getLogger(__name__)


class StandbySpeech:
    """Spoken texts by voice, rate and text, shared by all sessions; what was used longest ago goes first."""

    def __init__(self) -> None:
        self.bytes: int = 0
        self._kept: OrderedDict[tuple[str, int, str], bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, voice: str, rate: int, text: str) -> bytes | None:
        """Return PCM16 of `text`, or None if it was not prepared."""
        key = (voice, rate, text)
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, voice: str, rate: int, text: str, pcm: bytes) -> None:
        """Keep the audio of a text."""
        key = (voice, rate, text)
        if not pcm or len(pcm) > MAX_BYTES // 8 or key in self._kept:
            return
        self._kept[key] = pcm
        self.bytes += len(pcm)
        while len(self._kept) > MAX_TEXTS or self.bytes > MAX_BYTES:
            self.bytes -= len(self._kept.popitem(last=False)[1])

    async def prepare(self, voice: TextToSpeech, texts: Iterable[str]) -> None:
        """Have `voice` speak what is not kept. A text that it cannot speak now is spoken when it is needed."""
        for text in texts:
            if not text or self.get(voice.name, voice.rate, text) is not None:
                continue
            try:
                async with asyncio.timeout(SPEAKING_S):
                    speech = await voice.synthesize(text)
            except (DuologueError, TimeoutError) as error:
                code = error.code if isinstance(error, DuologueError) else "timeout"
                _log.warning("%s cannot speak ahead what is said when something fails: %s", voice.name, code)
                return
            self.put(voice.name, voice.rate, text, speech.pcm)
