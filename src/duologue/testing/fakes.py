"""Providers that need no model and no network, and fail on demand. Their sound carries its words: see `spoken`.

`faults` says what the first calls to a fake do, one fault a call: raise an exception, or take so many seconds
(`FOREVER`: never answer). Later calls work. `itertools.repeat(error)` fails always.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE, WINDOW
from duologue.stt import SttCapabilities, Transcript
from duologue.stt.base import BatchSpeechToText
from duologue.testing.spoken import CHARACTER, speak, understand, word_timings
from duologue.tts import Speech, SpeechItem, SpeechRequest, TextToSpeech, TtsCapabilities
from duologue.turn import Judgement

__all__ = [
    "FOREVER",
    "FakeSpeechToText",
    "FakeSttModel",
    "FakeTextToSpeech",
    "FakeTtsModel",
    "FakeTurnModel",
    "Fault",
    "PeakVad",
    "SentenceEnd",
]

FOREVER: Final = math.inf
Fault = Exception | float
TAIL = 0.1
"""Seconds of silence at the end of all speech, as real voices have."""
PITCH = 140
"""Of the agent's voice, Hz; the user's is another."""


async def pause(seconds: float) -> None:
    """Wait for `seconds` of real time; for `FOREVER` until cancelled."""
    if seconds == FOREVER:
        await asyncio.get_running_loop().create_future()
    elif seconds:
        await asyncio.sleep(seconds)


class FakeSpeechToText(BatchSpeechToText):
    """A service that reads the words that the sound carries; or, given `texts`, answers call after call with those.

    The last of `texts` answers all that follow.
    """

    name = "fake-stt"
    capabilities: SttCapabilities = SttCapabilities()

    def __init__(self, *texts: str, faults: Iterable[Fault] = ()) -> None:
        self.asked: list[float] = []
        """Seconds of audio in each call."""
        self._texts = list(texts)
        self._faults = iter(faults)

    async def transcribe(self, pcm: bytes, *, language: str | None = None, deadline: float | None = None) -> Transcript:
        """The words in `pcm`, 16 kHz mono PCM16."""
        seconds = len(pcm) / 2 / RATE
        self.asked.append(seconds)
        fault = next(self._faults, 0.0)
        if isinstance(fault, Exception):
            raise fault
        await pause(fault)
        return Transcript(self._next_text(pcm), audio_s=seconds)

    def _next_text(self, pcm: bytes) -> str:
        if not self._texts:
            return understand(pcm)
        return self._texts.pop(0) if len(self._texts) > 1 else self._texts[0]


class FakeTextToSpeech(TextToSpeech):
    """A service that speaks one clause at a time, as one piece. Text without a letter or a figure has no audio.

    `exact`: it says when each word sounds. `StreamingVoice` takes streamed text.
    """

    name = "fake-tts"

    def __init__(self, *, rate: int = 24_000, exact: bool = False, faults: Iterable[Fault] = ()) -> None:
        self.rate = rate
        self.capabilities: TtsCapabilities = TtsCapabilities(aligned=True, rates=(rate,), typical_latency=0.0)
        self.asked: list[str] = []
        """The text of each call."""
        self._exact = exact
        self._faults = iter(faults)

    async def synthesize(self, text: str, *, seed: int | None = None, deadline: float | None = None) -> Speech:
        """All of `text` as one piece."""
        self.asked.append(text)
        fault = next(self._faults, 0.0)
        if isinstance(fault, Exception):
            raise fault
        await pause(fault)
        return _speech(text, self.rate, exact=self._exact)

    async def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        """Speak one clause as one piece."""
        assert isinstance(text, str), "its capabilities say that it does not take text as it comes"
        speech = await self.synthesize(text, seed=seed, deadline=deadline)
        for item in speech.items():
            yield item


def _speech(text: str, rate: int, *, exact: bool) -> Speech:
    pcm = speak(text, rate, pitch=PITCH) + bytes(round(TAIL * rate) * 2) if any(map(str.isalnum, text)) else b""
    return Speech(text, pcm, rate, word_timings(text) if exact else (), "exact" if exact else "estimated")


class FakeSttModel:
    """The same as a model that the engine's threads run; it raises what `faults` says and never waits."""

    name = "fake-stt-model"
    languages: frozenset[str] = frozenset(["en"])
    min_partial_s: float = 0.5

    def __init__(self, *, max_batch: int = 8, faults: Iterable[Exception | None] = ()) -> None:
        self.max_batch = max_batch
        self.batches: list[int] = []
        """How many utterances each run had."""
        self._faults = iter(faults)

    def size(self, item: NDArray[np.float32]) -> float:
        """Seconds of audio."""
        return len(item) / RATE

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[str]:
        """The words that each item carries."""
        self.batches.append(len(items))
        if fault := next(self._faults, None):
            raise fault
        return [understand(np.round(item * 32768).astype(np.int16).tobytes()) for item in items]


class FakeTtsModel:
    """The same as a model that the engine's threads run; it raises what `faults` says and never waits."""

    name = "fake-tts-model"

    def __init__(self, *, rate: int = 24_000, max_batch: int = 1, faults: Iterable[Exception | None] = ()) -> None:
        self.rate = rate
        self.max_batch = max_batch
        self.asked: list[str] = []
        """The text of each item."""
        self._faults = iter(faults)

    def size(self, item: SpeechRequest) -> float:
        """Seconds of speech."""
        return len(item.text) * CHARACTER

    def run(self, items: Sequence[SpeechRequest]) -> list[Speech]:
        """The sound of each item."""
        self.asked += [item.text for item in items]
        if fault := next(self._faults, None):
            raise fault
        return [_speech(item.text, self.rate, exact=False) for item in items]


class FakeTurnModel:
    """Answers call after call with `probabilities`; the last answers all that follow."""

    name = "fake-turn"
    max_batch = 1

    def __init__(self, *probabilities: float) -> None:
        self.asked: list[float] = []
        """Seconds of audio in each call."""
        self._probabilities = list(probabilities) or [1.0]

    def size(self, item: NDArray[np.float32]) -> float:
        """Seconds of audio."""
        return len(item) / RATE

    def run(self, items: Sequence[NDArray[np.float32]]) -> list[float]:
        """The next probability for each item."""
        self.asked += [len(item) / RATE for item in items]
        return [self._probabilities.pop(0) if len(self._probabilities) > 1 else self._probabilities[0] for _ in items]


class SentenceEnd:
    """A words policy: a turn that ends in a full stop, a question mark or an exclamation mark is over."""

    name = "sentence-end"

    def judge(self, text: str) -> Judgement:
        """0.95 after such a mark, else 0.05."""
        return (
            Judgement(0.95, "sentence") if text.rstrip().endswith(tuple(".?!。？！؟।۔")) else Judgement(0.05, "no_mark")
        )


class PeakVad:
    """A detector without memory: the probability of speech in a window is its peak over full scale."""

    name = "peak"
    window = WINDOW

    def __init__(self) -> None:
        self.rows: set[int] = set()
        """Rows that are open."""
        self.resets: list[int] = []
        """Rows that were reset, in order."""
        self.batches: list[list[int]] = []
        """The rows of each call."""

    def open(self) -> int:
        """Take the lowest free row."""
        row = next(i for i in range(len(self.rows) + 1) if i not in self.rows)
        self.rows.add(row)
        return row

    def reset(self, row: int) -> None:
        """Note it."""
        if row not in self.rows:
            raise KeyError(row)
        self.resets.append(row)

    def close(self, row: int) -> None:
        """Give the row back."""
        self.rows.remove(row)

    def score(self, rows: NDArray[np.intp], windows: NDArray[np.int16]) -> NDArray[np.float32]:
        """The peak of each window (B, 512) as (B,)."""
        if not self.rows.issuperset(rows.tolist()):
            raise KeyError(rows.tolist())
        self.batches.append(rows.tolist())
        peaks: NDArray[np.float32] = np.minimum(np.abs(windows.astype(np.int32)).max(axis=1) / 32767, 1).astype(
            np.float32
        )
        return peaks
