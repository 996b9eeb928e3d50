"""hibari, a small English voice, with the time of each word read from its graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from duologue.errors import ConfigError, InvalidMessageError, NotInstalledError
from duologue.graph import open_session
from duologue.store import package_file
from duologue.tts import Speech, SpeechRequest, WordTiming
from duologue.tts.alignment import align
from duologue.tts.clauses import ClauseSplitter
from duologue.tts.edges import pause_after, trim
from duologue.tts.english import EnglishPhonemes, Spoken
from duologue.tts.hibari_graph import load_graph
from duologue.tts.hibari_wave import Frames, waveform
from duologue.tts.speakable import speakable

__all__ = ["FRAME_S", "LAG_S", "Hibari"]

_RATE = 24_000
FRAME_S = 0.025
"""What the graph counts durations in: two frames of its spectra."""
LAG_S = 0.045
"""By which sound leads its frames: the median over pauses and onsets."""
_LONGEST_PIECE = 200
"""Characters spoken in one run of the graph, so that what it costs is bounded."""
_LONGEST_TEXT = 5_000


class Hibari:
    """English text to speech at 24 kHz, a clause a call; one instance serves many threads.

    `speed`: 0.5 to 2, the rate of speech. Voice: "heart" of hibari-tts 0.2.1 (Apache-2.0). The text is made speakable
    first. Silence before the first audible sample is cut to 15 ms, and after the last to what the final mark asks for.
    Word timings come from the graph, good to about 50 ms; where several words are read as others they are shared out
    by length, and marked estimated.
    Raises NotInstalledError where hibari, onnx or onnxruntime is missing, ConfigError for another speed.
    """

    name = "hibari-heart"
    languages: frozenset[str] = frozenset({"en"})
    rate = _RATE
    max_batch = 1

    def __init__(self, *, speed: float = 1.0) -> None:
        if not 0.5 <= speed <= 2.0:
            raise ConfigError(f"speed={speed} was given; hibari speaks at 0.5 to 2.0.")
        try:
            graph = load_graph(package_file("hibari", "assets", "hibari.onnx"))
        except ImportError as error:
            raise NotInstalledError(
                f"The package {error.name!r} is not installed.", hint="Install it: pip install 'duologue[local]'."
            ) from error
        self._speed = np.array([speed], np.float32)
        self._session = open_session(graph)
        self._english = EnglishPhonemes()
        # The first run allocates, and an unknown word loads the net that reads such words.
        self.run([SpeechRequest("Warming up, brzlfip.", seed=0)])

    def size(self, item: SpeechRequest) -> float:
        """Estimated seconds of speech in `item`."""
        return 0.3 + 0.05 * len(item.text) / float(self._speed[0])

    def run(self, items: Sequence[SpeechRequest]) -> list[Speech]:
        """The sound of each item; empty audio where nothing in the text can be spoken.

        The same text and seed give the same samples; without a seed they differ in their noise. Raises
        InvalidMessageError for a text of more than 5000 characters, as written or as spoken.
        """
        return [self._speak(item) for item in items]

    def _speak(self, item: SpeechRequest) -> Speech:
        text = speakable(item.text) if len(item.text) <= _LONGEST_TEXT else item.text
        if len(text) > _LONGEST_TEXT:
            raise InvalidMessageError(
                f"A text of {len(text)} characters was given; {_LONGEST_TEXT} can be spoken at once.",
                hint="Cut it into clauses with ClauseSplitter.",
            )
        noise = np.random.default_rng(item.seed)
        pieces: list[NDArray[np.float32]] = []
        spoken: list[WordTiming] = []
        at = 0.0
        for part in _pieces(text):
            sound, words = self._piece(part, noise)
            spoken += [WordTiming(word.text, at + word.start, at + word.end) for word in words]
            pieces.append(sound)
            at += len(sound) / _RATE
        pcm = np.rint(np.clip(np.concatenate(pieces), -1, 1) * 32767).astype("<i2").tobytes() if pieces else b""
        timings, exact = align(item.text, spoken)
        return Speech(item.text, pcm, _RATE, timings, "exact" if exact else "estimated")

    def sound(self, ids: list[int], noise: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The sound of phonemes, at 24 kHz, and by when each has ended, in seconds from its beginning."""
        feed = {"ids": np.array([ids], np.int64), "speed": self._speed}
        levels, harmonic_turns, rest_turns, f0, durations, start = self._session.run(None, feed)
        skipped = int(start[0])
        frames = Frames(levels, harmonic_turns, rest_turns, f0, 2 * skipped)
        return waveform(frames, noise), (np.cumsum(durations) - skipped) * FRAME_S - LAG_S

    def _phonemes(self, text: str) -> tuple[list[int], list[Spoken]]:
        """The graph's input, and each word with where its sounds begin and end in it."""
        return self._english.ids(text)

    def _piece(self, text: str, noise: np.random.Generator) -> tuple[NDArray[np.float32], list[WordTiming]]:
        """One run of the graph: the sound, trimmed, and its words as spoken."""
        ids, words = self._phonemes(text)
        if len(ids) < 3:
            return np.zeros(0, np.float32), []
        sound, ends = self.sound(ids, noise)
        sound, cut = trim(sound, _RATE, pause_after(text))
        ends -= cut
        last = max(0.0, len(sound) / _RATE - pause_after(text))
        timings = [
            WordTiming(word, *(min(max(0.0, float(ends[i])), last) for i in (first - 1, after - 1)))
            for word, first, after in words
        ]
        return sound, timings


def _pieces(text: str) -> Iterator[str]:
    splitter = ClauseSplitter(first_words=len(text) + 1, first_chars=_LONGEST_PIECE, max_chars=_LONGEST_PIECE)
    yield from splitter.push(text)
    yield from splitter.flush()
