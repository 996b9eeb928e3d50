"""What providers were asked for is counted by provider: requests, time, audio, characters, cost; breakers, pools."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from duologue.agent import Turn
from duologue.agent.llm import LLMAgent
from duologue.engine.accounting import owned_by
from duologue.errors import ProviderUnavailableError
from duologue.pool import ProviderPool
from duologue.resilience import BREAKERS, BreakerKey, Hedge, HedgeSettings
from duologue.resilience.readings import resilience_readings
from duologue.stt import SttCapabilities
from duologue.telemetry import names
from duologue.telemetry.context import CONTEXTS
from duologue.telemetry.metrics import Metrics
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText
from duologue.testing.openai_server import OpenAIServer, says
from duologue.testing.virtual import VirtualCall
from duologue.testing.voices import StreamingVoice

pytestmark = pytest.mark.anyio


async def committed() -> None:
    return


class Priced(FakeSpeechToText):
    name = "priced"
    capabilities = SttCapabilities(cost=0.36)


async def test_requests_audio_characters_and_cost_of_a_call() -> None:
    voice = StreamingVoice(faults=[ProviderUnavailableError("down"), ""])
    async with VirtualCall(ScriptedAgent("Yes, of course."), stt=Priced(), tts=voice) as call:
        await call.say("A table please.")
    found = call.engine.telemetry.metrics.snapshot()
    stt, tts = ("priced", names.SPEECH_TO_TEXT), (voice.name, names.TEXT_TO_SPEECH)
    requests: Any = found[names.PROVIDER_REQUESTS.name]
    assert requests[(*stt, "done")] >= 1
    assert {key: value for key, value in requests.items() if key[0] == voice.name} == {
        (*tts, "failed"): 1,
        (*tts, "done"): 1,
    }
    assert found[names.PROVIDER_RETRIES.name] == {tts: 1}
    audio: Any = found[names.PROVIDER_AUDIO.name]
    assert 1.0 < audio[stt] < 10.0
    assert 0.5 < audio[tts] < 3.0
    cost: Any = found[names.PROVIDER_COST.name]
    assert cost[stt] == pytest.approx(audio[stt] / 3600 * 0.36)
    assert found[names.PROVIDER_CHARACTERS.name] == {(voice.name,): len("Yes, of course.")}
    durations: Any = found[names.PROVIDER_DURATION.name]
    assert sum(durations[tts][1:]) == 1
    assert len(CONTEXTS) == 0


async def test_breakers_second_requests_and_pools() -> None:
    breaker = BREAKERS.get(BreakerKey("tts", "readings-voice"))
    breaker.enter().succeeded()
    breaker.enter().failed(ProviderUnavailableError("down", retry_after=60.0))
    for _ in range(breaker.settings.consecutive):
        if breaker.admits:
            breaker.enter().failed(ProviderUnavailableError("down"))
    with pytest.raises(ProviderUnavailableError):
        breaker.enter()

    hedge = Hedge(HedgeSettings(min_calls=5, percentile=0.5, max_share=0.5), name="readings-stt")
    late = iter([0.0] * 5 + [30.0, 0.0])

    async def request() -> str:
        await asyncio.sleep(next(late))
        return "words"

    for _ in range(6):
        assert await hedge.call(request) == "words"

    async def dial() -> object:
        return object()

    pool = ProviderPool(dial, name="readings-pool", close=lambda _: None)
    lease = await pool.acquire()
    metrics = Metrics()
    metrics.add_source(resilience_readings)
    found: Any = metrics.snapshot()
    who = ("readings-voice", names.TEXT_TO_SPEECH)
    assert found[names.PROVIDER_STATE.name][who] == 1.0
    assert found[names.BREAKER_OPENED.name][who] == 1
    assert found[names.BREAKER_CALLS.name][(*who, "refused")] == 1
    assert found[names.BREAKER_CALLS.name][(*who, "done")] == 1
    assert found[names.HEDGES.name]["readings-stt", "won"] == 1
    connections = found[names.POOL_CONNECTIONS.name]
    assert (connections["readings-pool", "leased"], connections["readings-pool", "idle"]) == (1, 0)
    lease.release()
    await pool.aclose()


async def test_the_tokens_of_a_language_model() -> None:
    metrics = Metrics()
    CONTEXTS.begin("tokens", metrics)
    async with OpenAIServer(says("Here is a table.")) as server:
        agent = LLMAgent("openai:any", instructions="Be brief.", base_url=server.base_url, api_key="sk-secret")

        async def ask() -> list[object]:
            return [piece async for piece in agent.reply(Turn(1, "A table?", (), committed))]

        answer = await asyncio.create_task(ask(), context=owned_by("tokens"))
        await agent.aclose()
    CONTEXTS.forget("tokens")
    assert "".join(map(str, answer)) == "Here is a table."
    found: Any = metrics.snapshot()[names.TOKENS.name]
    assert {kind for _, kind in found} == {"input", "output"}
    assert all(tokens > 0 for tokens in found.values())
