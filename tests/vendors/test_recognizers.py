"""Recognizers that are services, each against its vendor's protocol: one suite of behaviors, one row each.

The rows are in provider_table.py. A stand-in has the faults of `recognizer_server.Fault`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from provider_table import RECOGNIZERS, Recognizer, recognizers
from recognizer_server import RETRY_AFTER, Fault

from duologue.cli.live_check import check_live
from duologue.conversation.events import TurnScored
from duologue.errors import (
    AuthenticationError,
    ConfigError,
    DeadlineError,
    DuologueError,
    InvalidAudioError,
    ProviderError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
)
from duologue.session import ErrorRaised, SessionConfig
from duologue.settings import providers
from duologue.settings.providers import provider_names
from duologue.stt import EndOfTurn, Final, Partial, RecognitionEvent, RecognitionStream
from duologue.testing.agents import ScriptedAgent
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall

pytestmark = pytest.mark.anyio

TEXT = "A table for four, please."
RATE = 16_000
PIECE = 512
"""Samples that a session pushes at a time."""
FOREVER = 10**9
"""A position that no audio reaches."""
DEADLINE = 20.0
"""Seconds of real time that anything may take."""
SHORT = 0.2
"""The timeouts of a recognizer whose stand-in says nothing."""
ready_recognizers = pytest.mark.parametrize("row", [row for row in RECOGNIZERS if row.keeps_ready], ids=str)
IMPATIENT = {"stall_timeout": SHORT, "ping_interval": SHORT, "ping_timeout": SHORT, "connect_timeout": SHORT}


@asynccontextmanager
async def served(row: Recognizer, *faults: Fault, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A stand-in and a recognizer of it; in the end neither may hold anything, nor a rule of the vendor be broken."""
    async with asyncio.timeout(DEADLINE), AsyncExitStack() as stack:
        server = await stack.enter_async_context(row.server(faults))
        stt = row.make(server.url, **{"api_key": row.key, **options})
        before = asyncio.all_tasks()
        try:
            yield server, stt
        finally:
            await stt.aclose()
        vendor = f"{row.name.partition('/')[0].partition('-')[0]}-"
        while any(task.get_name().startswith(vendor) for task in asyncio.all_tasks() - before):
            await asyncio.sleep(0.001)
        assert server.problems == []


def say(stream: RecognitionStream, text: str, at: int = 0, *, silence: float = 0.8) -> int:
    """Push speech and the silence after it, and ask for finals; returns the position after it."""
    pcm = speak(text) + bytes(2 * int(silence * RATE))
    for start in range(0, len(pcm) // 2, PIECE):
        piece = pcm[2 * start : 2 * (start + PIECE)]
        stream.push(piece, at + start)
    end = at + len(pcm) // 2
    stream.finalize(end)
    return end


async def until_final(stream: RecognitionStream, end: int, *, count: int = 1) -> list[RecognitionEvent]:
    """The events up to the final that covers `end`, or the `count`th with words."""
    events: list[RecognitionEvent] = []
    texts = 0
    async with aclosing(aiter(stream)) as reader:  # type: ignore[type-var]  # all are generators here
        async for event in reader:
            events.append(event)
            if isinstance(event, Final):
                texts += bool(event.text)
                if event.end >= end or texts == count:
                    break
    return events


def test_every_recognizer_that_streams_has_a_row() -> None:
    others = {"moonshine", "openai", "livekit", "whisper"}
    assert {row.name.partition("/")[0] for row in RECOGNIZERS} == {*provider_names("stt")} - others


@recognizers
@pytest.mark.parametrize("port", ["99999", "0", "-1", "x"])
def test_an_address_with_a_port_that_cannot_be_is_refused_at_once(row: Recognizer, port: str) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        row.make(f"http://127.0.0.1:{port}", api_key=row.key)


# --- what each recognizer does ---


@recognizers
@pytest.mark.parametrize("fault", ["", "slow"])
async def test_it_shows_and_gives_the_words_where_they_are_spoken(row: Recognizer, fault: Fault) -> None:
    async with served(row, fault) as (_, stt):
        stream, start = stt.stream(), 5 * RATE
        end = say(stream, TEXT, start)
        events = await until_final(stream, end)
        await stream.aclose()
        partials = [event for event in events if isinstance(event, Partial)]
        (final,) = [event for event in events if isinstance(event, Final)]
        assert final.text == TEXT
        assert {"a", "a table"} & {partial.text.lower() for partial in partials}
        spans = [(event.start, event.end) for event in partials] + [(final.start, final.end)]
        assert all(start <= first <= last <= end for first, last in spans)
        if stt.capabilities.word_times:
            assert [word.text for word in final.words] == TEXT.split()
            assert abs(final.words[0].start - start) < 0.02 * RATE
        assert stt.usage.streams == 1
        assert round(stt.usage.streamed_s, 3) == round((end - start) / RATE, 3)


@recognizers
async def test_its_opinion_of_the_end_of_a_turn_reaches_the_decision(row: Recognizer) -> None:
    async with served(row) as (_, stt):
        async with VirtualCall(ScriptedAgent("For when?"), stt=stt) as call:
            await call.say("A table for four")  # which the words alone take for unfinished
            scores = call.of(TurnScored)
        said = {score.recognizer for score in scores} - {None}
        assert bool(said) is stt.capabilities.end_of_turn
        assert call.of(ErrorRaised) == []


@recognizers
async def test_audio_that_was_left_out_moves_what_follows(row: Recognizer) -> None:
    async with served(row) as (_, stt):
        stream = stt.stream()
        end = say(stream, "One.", 0)
        later = say(stream, "Two.", end + 10 * RATE)
        events = await until_final(stream, later + FOREVER, count=2)
        finals = [event for event in events if isinstance(event, Final) and event.text]
        assert [final.text for final in finals] == ["One.", "Two."]
        assert finals[0].end <= end + RATE // 10
        assert finals[1].end > end + 10 * RATE


@recognizers
async def test_a_call_is_held_through_it(row: Recognizer) -> None:
    async with served(row) as (server, stt):
        async with VirtualCall(ScriptedAgent("For when?", "Done."), stt=stt) as call:
            await call.say(TEXT)
            await call.say("At eight.")
            assert [turn.user_text for turn in call.turns] == [TEXT, "At eight."]
            assert call.of(ErrorRaised) == []
        assert not row.goodbye or server.received[-1] == row.goodbye


@recognizers
async def test_a_call_goes_on_when_the_connection_breaks_inside_a_word(row: Recognizer) -> None:
    async with served(row, "drop") as (_, stt):
        async with VirtualCall(ScriptedAgent("For when?"), stt=stt) as call:
            await call.say(TEXT)
            assert [turn.user_text for turn in call.turns] == [TEXT]
        assert stt.usage.streams == 2


@recognizers
@pytest.mark.parametrize(
    ("fault", "kind", "retryable"),
    [
        ("hang_up", ProviderUnavailableError, True),
        ("no_handshake", DeadlineError, True),
        ("unauthorized", AuthenticationError, False),
        ("forbidden", AuthenticationError, False),
        ("quota", QuotaExceededError, False),
        ("rate_limited", RateLimitedError, True),
        ("bad_request", ProviderError, False),
        ("unavailable", ProviderUnavailableError, True),
        ("redirect", ProviderError, False),
        ("stall", DeadlineError, True),
        ("half_open", DeadlineError, True),
        ("drop", ProviderUnavailableError, True),
        ("ends", ProviderUnavailableError, True),
        ("garbage", ProviderUnavailableError, True),
        ("binary", ProviderUnavailableError, True),
        ("wrong_fields", ProviderUnavailableError, True),
        ("error", ProviderUnavailableError, True),
        ("server_error", ProviderUnavailableError, True),
        ("audio_refused", InvalidAudioError, False),
    ],
)
async def test_each_fault_is_one_error_of_the_tree(
    row: Recognizer, fault: Fault, kind: type[DuologueError], retryable: bool
) -> None:
    options = IMPATIENT if fault in ("no_handshake", "stall", "half_open") else {}
    async with served(row, fault, **options) as (_, stt):
        stream = stt.stream()
        end = say(stream, TEXT)
        with pytest.raises(DuologueError) as caught:
            await until_final(stream, end + FOREVER)
        await stream.aclose()
        assert type(caught.value) is kind
        assert (caught.value.provider, caught.value.retryable) == (stt.name, retryable)
        assert caught.value.retry_after == (RETRY_AFTER if fault == "rate_limited" else None)
        assert row.key not in str(caught.value)
        assert "table" not in str(caught.value)


@recognizers
async def test_nobody_there_is_an_error_that_may_pass(row: Recognizer) -> None:
    async with served(row) as (server, _):
        url = server.url
    stream = row.make(url, api_key=row.key).stream()
    with pytest.raises(ProviderUnavailableError):
        await until_final(stream, 1)
    await stream.aclose()


@recognizers
async def test_a_wrong_key_is_refused(row: Recognizer) -> None:
    async with served(row, api_key="dg-wrong") as (_, stt):
        with pytest.raises(AuthenticationError) as caught:
            await until_final(stt.stream(), 1)
        assert "dg-wrong" not in str(caught.value)


@recognizers
@pytest.mark.parametrize("fault", ["no_handshake", ""])
async def test_it_can_be_closed_while_it_dials_and_at_any_time(row: Recognizer, fault: Fault) -> None:
    async with served(row, fault) as (server, stt):
        stream = stt.stream()
        reading = asyncio.create_task(until_final(stream, FOREVER))
        await server.dialed.wait()
        await stream.aclose()
        assert await reading == []
        await stream.aclose()
        assert [event async for event in stream] == []
        while server.open:
            await asyncio.sleep(0.001)


@recognizers
async def test_closing_says_goodbye_and_ends_the_iteration(row: Recognizer) -> None:
    async with served(row) as (server, stt):
        stream = stt.stream()
        stream.push(speak("One.") + bytes(RATE // 2), 0)
        events = aiter(stream)
        await anext(events)
        await stream.aclose()
        assert [event async for event in events if isinstance(event, Final)] == []
        while server.open:
            await asyncio.sleep(0.001)
        assert server.received == [row.goodbye] * bool(row.goodbye)


@recognizers
async def test_a_half_open_connection_closes_in_time(row: Recognizer) -> None:
    async with served(row, "half_open") as (server, stt):
        stream = stt.stream()
        say(stream, TEXT)
        reading = asyncio.create_task(until_final(stream, FOREVER))
        await server.misbehaves.wait()
        async with asyncio.timeout(2.0):
            await stream.aclose()
        assert not any(isinstance(event, Final) for event in await reading)


@recognizers
async def test_a_reader_that_is_cancelled_leaves_nothing(row: Recognizer) -> None:
    async with served(row) as (server, stt):
        reading = asyncio.create_task(until_final(stt.stream(), FOREVER))
        while not server.open:
            await asyncio.sleep(0.001)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        while server.open:
            await asyncio.sleep(0.001)


async def converse(stt: Any, text: str = TEXT) -> str:
    """The words that a stream hears."""
    stream = stt.stream()
    events = await until_final(stream, say(stream, text))
    await stream.aclose()
    return next(event.text for event in events if isinstance(event, Final))


@ready_recognizers
async def test_connections_are_kept_ready_and_each_serves_one_stream(row: Recognizer) -> None:
    async with served(row, warm_connections=2) as (server, stt):
        await stt.warm()
        assert (server.open, len(server.queries)) == (2, 2)
        texts = await asyncio.gather(*(converse(stt, f"Number {i}.") for i in range(2)))
        assert texts == ["Number 0.", "Number 1."]
        while (server.open, len(server.queries)) != (2, 4):  # those that were taken are replaced
            await asyncio.sleep(0.001)
        await stt.aclose()
        while server.open:
            await asyncio.sleep(0.001)
        assert await converse(stt) == TEXT


@ready_recognizers
async def test_a_connection_that_was_lost_while_it_waited_is_not_used(row: Recognizer) -> None:
    async with served(row, warm_connections=1) as (server, stt):
        await stt.warm()
        (pool,) = stt._streams._pools.values()
        ((connection, _),) = pool._idle
        for lost in [*server._server.connections]:
            lost.transport.abort()
        while server.open or connection.is_open:
            await asyncio.sleep(0.001)
        assert await converse(stt) == TEXT
        assert len(server.queries) >= 2


@recognizers
async def test_a_key_is_checked_before_calls_where_connections_are_kept_ready(row: Recognizer) -> None:
    options = {"warm_connections": 1} if row.keeps_ready else {}
    async with served(row, api_key="dg-wrong", **options) as (server, stt):
        if row.keeps_ready:
            with pytest.raises(AuthenticationError):
                await stt.warm()
        else:
            with pytest.raises(ConfigError, match="warm_connections"):
                row.make(server.url, api_key=row.key, warm_connections=1)


@recognizers
async def test_a_key_is_read_again_from_its_file(row: Recognizer, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("wrong-key")
    async with row.server(()) as server, asyncio.timeout(DEADLINE):
        stt: Any = row.make(server.url, api_key_file=file)
        with pytest.raises(AuthenticationError):
            await converse(stt)
        file.write_text(row.key)
        assert stt.reload_key()
        assert await converse(stt) == TEXT
        await stt.aclose()
        own: Any = row.make(server.url, api_key_file=file, api_key=row.key)
        assert not own.reload_key()


@recognizers
async def test_no_more_connections_than_allowed(row: Recognizer) -> None:
    async with served(row, max_connections=2) as (server, stt):
        held = [stt.stream(), stt.stream()]
        reading = [asyncio.create_task(until_final(stream, FOREVER)) for stream in held]
        while server.open < 2:
            await asyncio.sleep(0.001)
        (pool,) = stt._streams._pools.values()
        with pytest.raises(DeadlineError, match="in use"):
            await pool.acquire(0.05)
        waiting = asyncio.create_task(converse(stt))
        while not pool.waiting:
            await asyncio.sleep(0.001)
        await held[0].aclose()
        assert await waiting == TEXT
        await held[1].aclose()
        await asyncio.gather(*reading)
        assert len(server.queries) == 3


@recognizers
async def test_the_key_and_the_words_reach_no_log(row: Recognizer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with served(row) as (_, stt):
        stream = stt.stream()
        await until_final(stream, say(stream, TEXT))
        await stream.aclose()
        said = [r.getMessage() for r in caplog.records if r.name != "websockets.server"]  # which is the stand-in's
        assert not any(row.key in message or "table" in message for message in said)
        assert row.key not in f"{stt!r} {stt.settings!r}"


@recognizers
async def test_twenty_streams_at_once_keep_apart(row: Recognizer) -> None:
    async with served(row) as (_, stt):

        async def one(i: int) -> str:
            stream = stt.stream()
            events = await until_final(stream, say(stream, f"Number {i}."))
            await stream.aclose()
            return next(event.text for event in events if isinstance(event, Final))

        texts = await asyncio.gather(*map(one, range(20)))
        assert texts == [f"Number {i}." for i in range(20)]
    gc.collect()


@recognizers
async def test_a_user_with_a_key_can_check_it(row: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with row.server(["", "unauthorized", "hang_up"]) as server, asyncio.timeout(DEADLINE):
        monkeypatch.setattr(providers, "stt_provider", lambda name: row.make(server.url, api_key=row.key))
        said, seconds = await asyncio.to_thread(check_live, row.name)
        assert "2 s of silence" in said
        assert 0 < seconds < DEADLINE
        for kind in (AuthenticationError, ProviderUnavailableError):
            with pytest.raises(kind):
                await asyncio.to_thread(check_live, row.name)
        assert server.problems == []


@recognizers
async def test_an_outage_is_reported_once_and_the_call_recovers(row: Recognizer) -> None:
    async with served(row, "unauthorized") as (_, stt):
        config = SessionConfig(max_retries=0)
        async with VirtualCall(ScriptedAgent("Yes."), stt=stt, config=config) as call:
            await call.say(TEXT)
            assert [error.code for error in call.of(ErrorRaised)] == ["authentication_failed"]


def opinions(events: Iterable[RecognitionEvent]) -> list[tuple[float, bool]]:
    """The opinions on the end of the turn, and whether they are early ones."""
    return [(event.probability, event.eager) for event in events if isinstance(event, EndOfTurn)]
