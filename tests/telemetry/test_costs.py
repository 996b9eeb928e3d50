"""Prices that the operator writes, and the cost of usage in metrics, in records of calls and in /ops."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from duologue import CostTable, Price
from duologue.agent import CallInfo
from duologue.client import connect
from duologue.engine.accounting import owned_by
from duologue.errors import ConfigError, ProviderUnavailableError
from duologue.resilience import BreakerRegistry, resilient_stt, resilient_tts
from duologue.server.configured import options_of
from duologue.server.records import call_entry
from duologue.settings.load import load_settings
from duologue.stt import SttCapabilities, Transcript
from duologue.telemetry import names
from duologue.telemetry.call_usage import MAX_LINES, CallUsage
from duologue.telemetry.context import CONTEXTS
from duologue.telemetry.hub import Telemetry
from duologue.telemetry.metrics import Metrics
from duologue.telemetry.usage import ProviderUse, count_tokens, count_use, usage_rows
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText
from duologue.testing.streaming import FakeStreamingSpeechToText, StreamFault
from duologue.testing.virtual import VirtualCall
from duologue.testing.voices import StreamingVoice
from serving import heard, serving, use_fakes

pytestmark = pytest.mark.anyio

STT, TTS = names.SPEECH_TO_TEXT, names.TEXT_TO_SPEECH


@pytest.mark.parametrize(
    ("operation", "provider", "expected"),
    [
        (STT, "deepgram/nova-3", 1.0),
        (STT, "deepgram/nova-2", 2.0),
        (STT, "deepgram/nova-3+moonshine", 1.0),
        (STT, "assemblyai", None),
        (STT, "moonshine-tiny", 0.5),
        (STT, "openai-realtime/x", None),
        (TTS, "deepgram/nova-3", None),
        (names.CHAT, "gpt-6-luna", 3.0),
        (names.CHAT, "openai:gpt-6-luna", 3.0),
        (names.CHAT, "qwen3:8b", 4.0),
        (names.CHAT, "gpt-6", None),
        ("other", "deepgram", None),
    ],
)
def test_the_price_of_a_name(operation: str, provider: str, expected: float | None) -> None:
    costs = CostTable(
        stt={"deepgram/nova-3": Price(per_audio_hour=1.0), "deepgram": Price(per_audio_hour=2.0)}
        | {"moonshine": Price(per_audio_hour=0.5), "openai": Price(per_audio_hour=9.0)},
        llm={
            "openai:gpt-6-luna": Price(per_million_input_tokens=3.0),
            "qwen3:8b": Price(per_million_input_tokens=4.0),
        },
    )
    price = costs.price(operation, provider)
    assert (price and price.of(audio=3600, read=1_000_000)) == expected


def test_the_terms_of_a_price_add_up() -> None:
    price = Price(
        per_audio_hour=1.0, per_1000_characters=2.0, per_million_input_tokens=3.0, per_million_output_tokens=4.0
    )
    assert price.of(audio=1800, characters=500, read=2_000_000, written=500_000) == 0.5 + 1.0 + 6.0 + 2.0


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (Price, "names no amount"),
        (lambda: Price(per_audio_hour=-1.0), "per_audio_hour is -1"),
        (lambda: Price(per_audio_hour=float("nan")), "per_audio_hour is nan"),
        (lambda: CostTable(stt={"a": 1.0}), r"costs\.stt\['a'\] is float"),  # type: ignore[dict-item]  # the mistake
        (lambda: CostTable(stt={"a": Price(per_1000_characters=1.0)}), "per_1000_characters, by which it is not"),
    ],
)
def test_a_price_that_cannot_be_meant_is_refused(make: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make()


def test_prices_of_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "duologue.toml"
    file.write_text(
        "[costs.stt]\n"
        '"deepgram/nova-3" = { per_audio_hour = 0.3 }\n'
        "[costs.tts]\n"
        "elevenlabs = { per_1000_characters = 0.05 }\n"
        "[costs.llm.gpt-6-luna]\n"
        "per_million_input_tokens = 1\n"
        "per_million_output_tokens = 8\n"
    )
    assert options_of(load_settings(file, environment={}))["costs"] == CostTable(
        stt={"deepgram/nova-3": Price(per_audio_hour=0.3)},
        tts={"elevenlabs": Price(per_1000_characters=0.05)},
        llm={"gpt-6-luna": Price(per_million_input_tokens=1, per_million_output_tokens=8)},
    )
    for line, told in (
        (
            "[costs.stt]\nmoonshine = { per_audio_hour = 1, per_1000_characters = 1 }",
            r"The settings of \[costs.stt.moonshine\] are: per_audio_hour",
        ),
        ("[costs.tts]\nhibari = {}", "must have per_1000_characters or per_audio_hour"),
        ("[costs.llm]\na = { per_million_input_tokens = 1 }", "costs.llm.a.per_million_output_tokens is not set"),
        ("[costs.stt]\nmoonshine = { per_audio_hour = -1 }", "is -1, and must be at least 0"),
    ):
        file.write_text(line)
        with pytest.raises(ConfigError, match=told) as caught:
            load_settings(file, environment={})
        assert f"{file}, line 2: " in str(caught.value)


async def test_the_cost_of_a_call_is_by_the_table_and_else_by_what_providers_declare() -> None:
    stt = FakeStreamingSpeechToText()
    stt.capabilities = replace(stt.capabilities, cost=99.0)
    voice = StreamingVoice()
    costs = CostTable(stt={stt.name: Price(per_audio_hour=0.36)})
    async with VirtualCall(
        ScriptedAgent("Yes, of course."), stt=stt, tts=voice, telemetry=Telemetry(None, costs)
    ) as call:
        await call.say("A table please.")
        record = call.session.record
    heard_s = record.usage.lines[stt.name, STT].audio_s
    assert heard_s > 2.0
    found: Any = call.engine.telemetry.metrics.snapshot()
    assert found[names.PROVIDER_COST.name] == {(stt.name, STT): pytest.approx(heard_s * 0.0001)}
    assert record.usage.lines[stt.name, STT].cost == pytest.approx(heard_s * 0.0001)
    assert record.usage.lines[voice.name, TTS].cost is None
    assert record.usage.cost is None  # the voice has no price, so the call has none
    entry = call_entry(CallInfo(id="c"), record, (), 1.0)
    assert entry["cost_usd"] is None
    assert [(line["provider"], line["characters"]) for line in entry["usage"]] == [
        (voice.name, len("Yes, of course.")),
        (stt.name, 0),
    ]
    rows = {row["operation"]: row for row in usage_rows(found)}
    assert rows[STT]["cost_usd"] == pytest.approx(heard_s * 0.0001)
    assert (rows[TTS]["cost_usd"], rows[TTS]["requests"], rows[TTS]["characters"]) == (None, 1, 15)


class Named(FakeSpeechToText):
    def __init__(self, name: str, cost: float, *, fails: bool = False) -> None:
        super().__init__()
        self.name, self.fails = name, fails
        self.capabilities = SttCapabilities(cost=cost)

    async def transcribe(self, pcm: bytes, **options: Any) -> Transcript:
        if self.fails:
            raise ProviderUnavailableError("down", provider=self.name)
        return await super().transcribe(pcm, **options)


async def test_of_a_list_the_one_that_served_is_charged() -> None:
    breakers = BreakerRegistry()
    stt = resilient_stt([Named("dear", 100.0, fails=True), Named("cheap", 1.0)], breakers=breakers)
    broken, spare = StreamingVoice(faults=[ProviderUnavailableError("down")] * 9), StreamingVoice()
    broken.name, spare.name = "broken", "spare"
    tts = resilient_tts([broken, spare], breakers=breakers)
    async with VirtualCall(ScriptedAgent("Yes, of course."), stt=stt, tts=tts) as call:
        await call.say("A table please.")
        usage = call.session.record.usage.lines
    assert set(usage) == {("cheap", STT), ("spare", TTS)}
    assert usage["cheap", STT].cost == pytest.approx(usage["cheap", STT].audio_s / 3600)
    assert usage["spare", TTS].characters == len("Yes, of course.")


async def test_of_streams_each_is_charged_for_what_it_was_sent() -> None:
    first = FakeStreamingSpeechToText(faults=[StreamFault("break", after=3)] * 9)
    second = FakeStreamingSpeechToText()
    first.name, second.name = "first", "second"
    stt = resilient_stt([first, second], breakers=BreakerRegistry())
    async with VirtualCall(ScriptedAgent("For when?", "Done."), stt=stt) as call:
        await call.say("A table for four, please.")
        await call.say("At eight.")
        total = call.session._input.hearing.position / 16_000
        record = call.session.record
    lines = {provider: line.audio_s for (provider, operation), line in record.usage.lines.items() if operation == STT}
    assert set(lines) == {"first", "second"}
    assert lines["first"] < lines["second"] < total + 0.1
    assert sum(lines.values()) >= total - 0.1


async def test_what_a_stream_left_out_is_not_charged() -> None:
    class Sparing(FakeStreamingSpeechToText):
        def stream(self, *, language: str | None = None) -> Any:
            stream = super().stream(language=language)
            stream.sent_s = 0.5  # type: ignore[attr-defined]  # as the adapter of a service has it
            return stream

    stt = Sparing()
    async with VirtualCall(ScriptedAgent("For when?"), stt=stt) as call:
        await call.say("A table for four, please.")
        record = call.session.record
    assert record.usage.lines[stt.name, STT].audio_s == 0.5


async def test_tokens_have_a_price() -> None:
    prices = {"m": Price(per_million_input_tokens=1.0, per_million_output_tokens=10.0)}
    metrics, usage = Metrics(costs=CostTable(llm=prices)), CallUsage()
    CONTEXTS.begin("priced", metrics, usage)

    async def think() -> None:
        count_tokens("m", read=2000, written=300)
        count_tokens("m", read=0, written=0)

    await asyncio.create_task(think(), context=owned_by("priced"))
    CONTEXTS.forget("priced")
    count_tokens("m", read=1, written=1)  # of no call
    line = usage.lines["m", names.CHAT]
    assert (line.input_tokens, line.output_tokens) == (2000, 300)
    assert usage.cost == pytest.approx(0.005)
    (row,) = usage_rows(metrics.snapshot())
    assert (row["input_tokens"], row["output_tokens"], row["cost_usd"]) == (2000, 300, pytest.approx(0.005))


def test_usage_that_costs_nothing_is_known_to_cost_nothing() -> None:
    metrics, usage = Metrics(), CallUsage()
    count_use(ProviderUse("local", STT, "done", audio=2.0, cost=0.0), metrics, usage)
    assert usage.cost == 0.0
    assert usage_rows(metrics.snapshot())[0]["cost_usd"] == 0.0
    count_use(ProviderUse("cloud", STT, "failed"), metrics, usage)
    assert usage.cost == 0.0  # nothing was used of it
    count_use(ProviderUse("cloud", STT, "done", audio=2.0), metrics, usage)
    assert usage.cost is None


def test_a_call_tells_a_bounded_number_of_providers_apart() -> None:
    usage = CallUsage()
    for n in range(2 * MAX_LINES):
        usage.add(f"provider-{n}", STT, audio=1.0, cost=1.0)
    assert len(usage.lines) == MAX_LINES + 1
    assert usage.lines["other", STT].audio_s == MAX_LINES
    assert usage.cost == 2 * MAX_LINES


async def test_operators_see_usage_and_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)

    async def agent(text: str) -> str:
        return f"You said: {text}"

    async with serving(agent) as stream, connect(stream) as call, httpx.AsyncClient(trust_env=False) as client:
        await heard(call, "Hello.")
        address = stream.replace("ws", "http").removesuffix("/v1/stream")
        shown = (await client.get(f"{address}/ops")).json()
        (row,) = shown["usage"]
        assert (row["operation"], row["characters"], row["cost_usd"]) == (TTS, len("You said: Hello."), 0.0)
        page = (await client.get(f"{address}/ops/calls/{shown['calls'][0]['id']}")).json()
        assert page["usage_of_call"][0]["characters"] == row["characters"]
        assert page["cost_usd"] == 0.0
