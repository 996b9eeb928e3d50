"""The words of a recording of any length: speech is found, cut at its quietest points, and understood."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.conversation.config import SpeechDetection
from duologue.conversation.speech import SpeechDetector
from duologue.stt import Final, Partial, SpeechToText
from duologue.vad import VoiceActivityDetector

__all__ = ["stretches", "transcribe_long"]

LONGEST = 15.0
"""Seconds of one stretch."""
PADDING = int(0.3 * RATE)
JOINED = int(0.8 * RATE)
"""Silences up to this long stay inside a stretch."""
TOGETHER = 8
"""Stretches understood at once."""
PACE = 0.1
"""Seconds of audio pushed at a time when partial transcripts are shown."""


def stretches(vad: VoiceActivityDetector, samples: NDArray[np.int16]) -> list[tuple[int, int]]:
    """The stretches [start, end) of `samples` (n,) int16 at 16 kHz that hold speech, padded, none above `LONGEST`."""
    spans: list[tuple[int, int]] = []
    row, window = vad.open(), vad.window
    detector, scores = SpeechDetector(SpeechDetection()), []
    rows = np.array([row], np.intp)
    for at in range(0, len(samples) - window + 1, window):
        p = float(vad.score(rows, samples[None, at : at + window])[0])
        scores.append(p)
        was = detector.speaking
        detector.window(at, at + window, p)
        if detector.speaking and not was:
            spans.append((at + window - detector.speech_run, at + window))
        elif detector.speaking:
            spans[-1] = (spans[-1][0], at + window)
    vad.close(row)
    padded: list[tuple[int, int]] = []
    for start, end in spans:
        start, end = max(0, start - PADDING), min(len(samples), end + PADDING)
        if padded and start - padded[-1][1] < JOINED - 2 * PADDING:
            padded[-1] = (padded[-1][0], end)
        else:
            padded.append((start, end))
    return [part for span in padded for part in _cut(span, scores, window)]


def _cut(span: tuple[int, int], scores: Sequence[float], window: int) -> list[tuple[int, int]]:
    """A long span in parts, each cut at the quietest window of its second half."""
    start, end = span
    longest = int(LONGEST * RATE)
    parts = []
    while end - start > longest:
        first, last = (start + longest // 2) // window, (start + longest) // window
        quietest = first + int(np.argmin(scores[first:last]))
        parts.append((start, quietest * window))
        start = quietest * window
    return [*parts, (start, end)]


async def transcribe_long(
    stt: SpeechToText,
    vad: VoiceActivityDetector,
    samples: NDArray[np.int16],
    *,
    language: str | None = None,
    on_partial: Callable[[str], None] | None = None,
) -> str:
    """All words of `samples`; with `on_partial` at the pace of speech, and words so far are shown."""
    parts = [samples[a:b].tobytes() for a, b in stretches(vad, samples)]
    words: list[str] = []
    if on_partial is not None:
        words = [await _live(stt, part, language, on_partial) for part in parts]
        return " ".join(filter(None, words))
    for i in range(0, len(parts), TOGETHER):
        found = await stt.transcribe_batch(parts[i : i + TOGETHER], language=language)
        words.extend(t.text for t in found if t.text)
    return " ".join(words)


async def _live(stt: SpeechToText, pcm: bytes, language: str | None, on_partial: Callable[[str], None]) -> str:
    samples, step = len(pcm) // 2, int(PACE * RATE)
    finals: list[str] = []
    stream = stt.stream(language=language)

    async def push() -> None:
        try:
            for at in range(0, samples, step):
                stream.push(pcm[2 * at : 2 * (at + step)], at)
                await asyncio.sleep(PACE)
            stream.finalize(samples)
        except Exception:
            await stream.aclose()  # ends the loop below
            raise

    pushing = asyncio.create_task(push())
    try:
        async for event in stream:
            if isinstance(event, Final):
                finals.append(event.text)
            if isinstance(event, Final | Partial):
                so_far = [*finals, event.text] if isinstance(event, Partial) else finals
                on_partial(" ".join(filter(None, so_far)))
            if isinstance(event, Final) and event.end >= samples:
                break
        if pushing.done():
            pushing.result()
    finally:
        pushing.cancel()
        await stream.aclose()
    return " ".join(filter(None, finals))
