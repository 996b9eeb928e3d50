"""The stand-ins of services, where clients of others use more of a protocol than ours do."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from duologue_bench.providers.script import WORDS, Latencies
from duologue_bench.providers.stand_ins import StandIns

QUICK = Latencies(stt=0.0, llm=0.0, tts=0.0)
LOUD = (8000 * np.sin(np.arange(800))).astype("<i2").tobytes()
SILENT = bytes(1600)
"""50 ms."""


def run(service: str, path: str, script: Callable[[ClientConnection], Awaitable[list[Any]]]) -> list[Any]:
    """What a client that does as the script says gets to know."""

    async def whole() -> list[Any]:
        async with StandIns(QUICK) as stand_ins, asyncio.timeout(10):
            url = stand_ins.addresses[service].replace("http", "ws") + path
            async with connect(url, proxy=None) as socket:
                return await script(socket)

    return asyncio.run(whole())


async def listen(socket: ClientConnection, count: int) -> list[Any]:
    return [json.loads(await socket.recv()) for _ in range(count)]


def test_a_segment_ends_in_silence_where_endpointing_is_on() -> None:
    async def script(socket: ClientConnection) -> list[Any]:
        for chunk in (LOUD, SILENT, LOUD, SILENT, SILENT, SILENT):
            await socket.send(chunk)
        return await listen(socket, 2)

    started, final = run("stt", "/v1/listen?endpointing=25&vad_events=true", script)
    assert started == {"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.05}
    assert (final["is_final"], final["speech_final"], final["from_finalize"]) == (True, True, False)
    assert final["channel"]["alternatives"][0]["transcript"] == WORDS
    assert final["metadata"]["request_id"]


def test_a_request_for_finals_after_that_has_no_words() -> None:
    async def script(socket: ClientConnection) -> list[Any]:
        for chunk in (LOUD, SILENT, SILENT):
            await socket.send(chunk)
        found = await listen(socket, 1)
        await socket.send(json.dumps({"type": "Finalize"}))
        return found + await listen(socket, 1)

    final, empty = run("stt", "/v1/listen", script)  # by default the service ends segments
    assert final["channel"]["alternatives"][0]["transcript"] == WORDS
    assert (empty["from_finalize"], empty["channel"]["alternatives"][0]["transcript"]) == (True, "")


def test_without_endpointing_only_a_request_brings_finals() -> None:
    async def script(socket: ClientConnection) -> list[Any]:
        for chunk in (LOUD, SILENT, SILENT, SILENT):
            await socket.send(chunk)
        await socket.send(json.dumps({"type": "Finalize"}))
        return await listen(socket, 1)

    (final,) = run("stt", "/v1/listen?endpointing=false", script)
    assert (final["from_finalize"], final["channel"]["alternatives"][0]["transcript"]) == (True, WORDS)


def test_a_voice_is_kept_open_and_flushed_without_text() -> None:
    async def script(socket: ClientConnection) -> list[Any]:
        for message in (
            {"text": ""},
            {"text": " ", "context_id": "a", "voice_settings": {}},
            {"text": "Yes. ", "context_id": "a"},
            {"context_id": "a", "flush": True},
            {"context_id": "a", "close_context": True},
        ):
            await socket.send(json.dumps(message))
        return await listen(socket, 2)

    audio, end = run("tts", "/v1/text-to-speech/voice/multi-stream-input", script)
    assert "".join(audio["alignment"]["chars"]) == "Yes."
    assert end == {"isFinal": True, "contextId": "a"}


def test_a_connection_to_the_model_is_opened_by_a_list_of_models() -> None:
    async def whole() -> tuple[Any, int]:
        async with StandIns(QUICK) as stand_ins, httpx.AsyncClient(base_url=stand_ins.addresses["llm"]) as client:
            found = await client.get("/v1/models")
            await client.post("/v1/chat/completions", json={"model": "scripted", "messages": []})
            return found.json(), stand_ins.counts["completions"]

    assert asyncio.run(whole()) == ({"object": "list", "data": []}, 1)
