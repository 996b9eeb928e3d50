"""What the user says just after the agent's first sound is understood from its first word, and the echo is no turn."""

from __future__ import annotations

import numpy as np
import pytest

from duologue.audio.resample import resample
from duologue.conversation import events
from duologue.session import SessionConfig
from duologue.settings.local import LocalModels
from duologue.testing.virtual import VirtualCall
from duologue.tts import SpeechRequest

pytestmark = [pytest.mark.anyio, pytest.mark.models]

ANSWER = "I see, thank you for telling me that, let me write it down for you."


async def agent(text: str) -> str:
    return ANSWER


def call(models: LocalModels) -> VirtualCall:
    return VirtualCall(
        agent, vad=models.vad, stt=models.stt, tts=models.tts, words=models.words, config=SessionConfig(seed=1)
    )


def voice(models: LocalModels, text: str) -> bytes:
    speech = models.tts.run([SpeechRequest(text, seed=1)])[0]
    return resample(np.frombuffer(speech.pcm, np.int16), speech.rate, 16_000).tobytes()


async def until_it_speaks(c: VirtualCall) -> None:
    while c.session.state != "speaking":
        await c.silence(0.02)


@pytest.mark.parametrize("text", ["No.", "Wait a moment."])
@pytest.mark.parametrize("after", [0.1, 0.3])
@pytest.mark.no_cover
async def test_the_first_word_over_the_agents_first_sound(models: LocalModels, text: str, after: float) -> None:
    async with call(models) as c:
        await c.play(voice(models, "Cancel my order."))
        await until_it_speaks(c)
        await c.silence(after)
        await c.play(voice(models, text))
        await c.settle()
        assert c.turns[-1].user_text == text


@pytest.mark.parametrize("decibels", [-10, -20])
async def test_the_agents_own_first_sound_is_no_turn(models: LocalModels, decibels: int) -> None:
    random, delay, step = np.random.default_rng(0), 0.1, 0.02
    async with call(models) as c:
        await c.play(voice(models, "Cancel my order."))
        await until_it_speaks(c)
        for _ in range(100):
            played = np.frombuffer(c.sink.timeline(), np.int16)
            at, size = int((c.clock.now() - delay) * c.sink.rate), int(step * c.sink.rate)
            echo = np.pad(piece := played[at : at + size], (0, size - len(piece)))
            heard = resample(echo.astype(np.int16), c.sink.rate, 16_000)[:320] * 10 ** (decibels / 20)
            await c.play((heard + random.normal(0, 8, 320)).astype("<i2").tobytes())
        await c.settle()
        assert c.of(events.Interrupted) == []
        assert len(c.turns) == 1
