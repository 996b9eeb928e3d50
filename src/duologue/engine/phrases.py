"""A cache of phrases that were spoken before, bounded in bytes: what is said often is synthesised once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from duologue.tts import Speech, SpeechRequest

__all__ = ["PhraseCache"]

OVERHEAD: Final = 512
"""Bytes that a phrase takes besides its sound."""


@dataclass(slots=True)
class Counters:
    """What the cache did, as plain numbers."""

    hits: int = 0
    misses: int = 0
    evicted: int = 0


class PhraseCache:
    """Speech by voice, text and seed; the phrase that was asked for longest ago goes first. Not thread-safe.

    A phrase longer than an eighth of the whole is not kept: it would push out many that are said more often. 0 bytes
    turn it off.
    """

    def __init__(self, max_bytes: int) -> None:
        self.counters: Counters = Counters()
        self.bytes: int = 0
        """What it holds."""
        self._max = max_bytes
        self._kept: OrderedDict[tuple[int, str, int | None], tuple[object, Speech]] = OrderedDict()
        """With the voice, so that no other can have its id."""

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, voice: object, request: SpeechRequest) -> Speech | None:
        """What `voice`, a model with its settings, said for this request before."""
        key = (id(voice), request.text, request.seed)
        if key not in self._kept:
            self.counters.misses += 1
            return None
        self._kept.move_to_end(key)
        self.counters.hits += 1
        return self._kept[key][1]

    def put(self, voice: object, request: SpeechRequest, speech: Speech) -> None:
        """Keep what `voice` said."""
        if not self._max:
            return
        key = (id(voice), request.text, request.seed)
        size = self._size(speech)
        if size > self._max // 8 or key in self._kept:
            return
        self._kept[key] = voice, speech
        self.bytes += size
        while self.bytes > self._max:
            _, (_, oldest) = self._kept.popitem(last=False)
            self.bytes -= self._size(oldest)
            self.counters.evicted += 1

    @staticmethod
    def _size(speech: Speech) -> int:
        return len(speech.pcm) + 4 * len(speech.text) + OVERHEAD
