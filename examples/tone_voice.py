"""A voice of your own: it hums one tone for each word, and says when each word sounds.

import duologue, tone_voice
duologue.serve(agent, tts=tone_voice.ToneVoice)
"""

from collections.abc import AsyncIterable, AsyncIterator

import numpy as np

from duologue.tts import AudioChunk, SpeechItem, TextSpan, TextToSpeech, TtsCapabilities, WordTiming

WORD = 0.25  # seconds for each word
CHUNK = 0.04  # seconds of audio in each chunk


class ToneVoice(TextToSpeech):
    name = "tone"
    rate = 16_000
    capabilities = TtsCapabilities(aligned=True, typical_latency=0.0)

    async def stream(
        self, text: str | AsyncIterable[str], *, seed: int | None = None, deadline: float | None = None
    ) -> AsyncIterator[SpeechItem]:
        assert isinstance(text, str)  # a voice that does not declare `streams_text` is given one clause at a time
        words = text.split()
        if not words:
            return
        times = tuple(WordTiming(word, n * WORD, (n + 1) * WORD) for n, word in enumerate(words))
        yield TextSpan(text, 0.0, len(words) * WORD, times)
        pcm = b"".join(self._tone(220 + 20 * len(word)) for word in words)
        size = 2 * round(CHUNK * self.rate)
        for at in range(0, len(pcm), size):
            yield AudioChunk(pcm[at : at + size])

    def _tone(self, hertz: float) -> bytes:
        seconds = np.arange(round(WORD * self.rate)) / self.rate
        wave = 8000 * np.sin(2 * np.pi * hertz * seconds) * np.sin(np.pi * seconds / WORD)
        return wave.astype("<i2").tobytes()
