"""A recognition stream over a recognizer that transcribes whole stretches of audio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Protocol

from duologue.audio.format import RATE
from duologue.errors import InvalidAudioError, InvalidStateError
from duologue.stt import Final, Partial, Transcript

__all__ = ["PARTIAL_TIMEOUT_S", "BufferedStream"]

MAX_STREAM_S = 30.0
"""Seconds of audio that may wait for `finalize`."""
MAX_PADDING = RATE
"""Samples of silence that stand for audio that was left out, at most."""
PARTIAL_TIMEOUT_S = 1.0
"""How far in the future the deadline of a partial lies: work that is waited for goes first."""


class _Transcribes(Protocol):
    """A recognizer of whole segments."""

    async def transcribe(
        self, pcm: bytes, *, language: str | None = None, deadline: float | None = None
    ) -> Transcript: ...


class BufferedStream:
    """Keeps what is pushed and transcribes it: each `partial_every` seconds as a partial, on `finalize` as a final.

    A pass begins only when the one before it is done, so a slow machine shows fewer partials and never a backlog.
    """

    def __init__(self, stt: _Transcribes, *, language: str | None = None, partial_every: float = 1.0) -> None:
        self._stt = stt
        self._language = language
        self._step = int(partial_every * RATE)
        self._pcm = bytearray()
        self._end = 0
        """The position after the last sample in `_pcm`."""
        self._seen = 0
        """How far partials have looked."""
        self._finalize_at: int | None = None
        self._closed = False
        self._changed = asyncio.Event()

    @property
    def _start(self) -> int:
        return self._end - len(self._pcm) // 2

    def push(self, pcm: bytes, position: int) -> None:
        """Add 16 kHz mono PCM16; at most 30 s may wait for `finalize`.

        Raises InvalidAudioError for bytes that are not whole samples and for more than 30 s, InvalidStateError after
        `aclose`.
        """
        if self._closed:
            raise InvalidStateError("The stream is closed.", hint="Open another with `stream()`.")
        if len(pcm) % 2:
            raise InvalidAudioError(f"{len(pcm)} bytes are not whole 16-bit samples.")
        padding = min(max(position - self._end, 0), MAX_PADDING) if self._pcm else 0
        if len(self._pcm) + 2 * padding + len(pcm) > MAX_STREAM_S * RATE * 2:
            raise InvalidAudioError(f"At most {MAX_STREAM_S:.0f} s may wait for `finalize`.", hint="Finalize earlier.")
        self._pcm += bytes(2 * padding)
        self._pcm += pcm
        self._end = position + len(pcm) // 2
        self._changed.set()

    def finalize(self, position: int) -> None:
        """Have the audio before `position` transcribed as a final."""
        self._finalize_at = max(position, self._finalize_at or 0)
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Partial | Final]:
        while not self._closed:
            await self._changed.wait()
            self._changed.clear()
            while not self._closed and (at := self._finalize_at) is not None:
                self._finalize_at = None
                yield await self._final(at)
            if not self._closed and self._step and self._end - max(self._seen, self._start) >= self._step:
                start = self._start
                self._seen = end = self._end
                deadline = time.monotonic() + PARTIAL_TIMEOUT_S
                transcript = await self._stt.transcribe(bytes(self._pcm), language=self._language, deadline=deadline)
                if self._finalize_at is None and not self._closed:
                    yield Partial(transcript.text, start, end)

    async def _final(self, at: int) -> Final:
        start, end = self._start, min(at, self._end)
        taken = 2 * max(end - start, 0)
        pcm = bytes(self._pcm[:taken])
        del self._pcm[:taken]
        if not pcm:
            return Final("", min(start, at), at)
        transcript = await self._stt.transcribe(pcm, language=self._language, deadline=time.monotonic())
        return Final(transcript.text, start, max(end, at))

    async def aclose(self) -> None:
        """Drop the stream and its audio: no final comes."""
        self._closed = True
        self._pcm.clear()
        self._changed.set()
