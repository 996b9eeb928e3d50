"""Stand-ins for Deepgram, a language model and ElevenLabs in one process, made to cost little: they hear no words.

`python -m duologue_bench.providers.stand_ins STT LLM TTS` prints their addresses as a line of JSON, serves until its
input ends, and prints what it did. The protocols are as in the adapters of duologue; whether these are right is for the
strict stand-ins of the tests to say.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections import deque
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import numpy as np
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from duologue.audio.format import RATE
from duologue_bench.figures import Spread
from duologue_bench.providers.script import ANSWER, CHARACTER_S, WORDS, Latencies

__all__ = ["VOICE_RATE", "StandIns"]

VOICE_RATE: Final = 24_000
CHUNK_S: Final = 0.24
"""Seconds of audio in a message of the voice: four characters."""
INTERIM_EVERY: Final = 16_384
"""Samples between two interim results: a second, whatever the size of messages."""
LOUD: Final = 300
"""The highest sample of silence."""
WORD_S: Final = 0.2
AFTER_AUDIO_S: Final = 0.001
"""The end of a context comes after its audio, also where both are due at once."""
LEAST_PAUSE_S: Final = 0.1
"""Silence of less inside a word, such as before a "p", is no end of a segment, whatever `endpointing` says."""
DEFAULT_ENDPOINTING_MS: Final = 10
NO_MODELS: Final = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{"object":"list","data":[]}'
)
METADATA: Final = (
    '{"request_id":"r","model_uuid":"m","model_info":{"name":"general-nova-3","version":"1","arch":"nova-3"}}'
)


class StandIns:
    """Serves all three on the loopback; `addresses` are known once it is entered."""

    def __init__(self, latencies: Latencies) -> None:
        self.latencies = latencies
        self.late: list[float] = []
        """Seconds by which answers were sent after their time."""
        self.counts = {"audio_messages": 0, "finals": 0, "segments": 0, "completions": 0, "texts": 0}
        tone = 8000 * np.sin(2 * np.pi * 220 * np.arange(round(CHUNK_S * VOICE_RATE)) / VOICE_RATE)
        self.audio = base64.b64encode(tone.astype("<i2").tobytes()).decode()
        """A message's audio."""
        self.addresses: dict[str, str] = {}
        self._servers: list[asyncio.Server] = []

    async def __aenter__(self) -> StandIns:
        self._servers = [
            await ws_create_server(self._recognizer, "127.0.0.1", 0, logger_name="stand-in"),
            await ws_create_server(self._voice, "127.0.0.1", 0, logger_name="stand-in"),
            await asyncio.get_running_loop().create_server(lambda: _Model(self), "127.0.0.1", 0),
        ]
        ports = [server.sockets[0].getsockname()[1] for server in self._servers]
        schemes = {"stt": "http", "tts": "ws", "llm": "http"}
        self.addresses = {
            name: f"{scheme}://127.0.0.1:{port}" for (name, scheme), port in zip(schemes.items(), ports, strict=True)
        }
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()

    def _recognizer(self, request: WSUpgradeRequest) -> WSListener:
        query = parse_qs(urlsplit(request.path.decode()).query)
        return _Recognizer(self, {name: values[-1] for name, values in query.items()})

    def _voice(self, request: WSUpgradeRequest) -> WSListener:
        return _Voice(self)

    def later(self, seconds: float, send: Any, *args: Any) -> None:
        """Call `send` after so long, and note how late that is."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds

        def on_time() -> None:
            self.late.append(loop.time() - due)
            send(*args)

        loop.call_at(due, on_time)

    def as_dict(self) -> dict[str, Any]:
        """What it did, as plain JSON types."""
        return {**self.counts, "late": Spread.of(self.late).as_dict()}


class _Recognizer(WSListener):
    """A stream of `/v1/listen`.

    It ends segments after the silence that `endpointing` names, and with `vad_events` tells where speech starts.
    """

    def __init__(self, service: StandIns, query: dict[str, str]) -> None:
        super().__init__()
        self._service = service
        self._samples = self._begin = self._words = 0
        self._interim_at = INTERIM_EVERY
        endpointing = query.get("endpointing", str(DEFAULT_ENDPOINTING_MS))
        self._pause = 0 if endpointing == "false" else round(max(int(endpointing) / 1000, LEAST_PAUSE_S) * RATE)
        """Samples of silence that end a segment; 0: only a request does."""
        self._tells_start = query.get("vad_events") == "true"
        self._loud_until = 0
        """The end of the last message that was speech; 0: none was in this segment."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            self._hear(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.TEXT:
            kind = json.loads(frame.get_payload_as_bytes())["type"]
            if kind == "Finalize":
                self._service.counts["finals"] += 1
                has_words = not self._pause or self._loud_until > 0
                self._service.later(self._service.latencies.stt, self._finish, self._samples, has_words, True)
                self._loud_until = 0
            elif kind == "CloseStream":
                transport.send_close(1000, b"")
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(1000, b"")
            transport.disconnect()

    def _hear(self, pcm: bytes) -> None:
        self._service.counts["audio_messages"] += 1
        self._samples += len(pcm) // 2
        if self._pause:
            self._segment(pcm)
        if self._samples < self._interim_at:
            return
        self._interim_at = self._samples + INTERIM_EVERY
        if _is_loud(pcm):
            self._words = min(self._words + 2, len(WORDS.split()))
        if self._words:
            self._say(self._samples, WORDS.split()[: self._words], is_final=False)

    def _segment(self, pcm: bytes) -> None:
        if _is_loud(pcm):
            if self._tells_start and not self._loud_until:
                at = self._samples / RATE
                self._send(f'{{"type":"SpeechStarted","channel":[0,1],"timestamp":{at:.3f}}}')
            self._loud_until = self._samples
        elif self._loud_until and self._samples - self._loud_until >= self._pause:
            self._service.counts["segments"] += 1
            self._service.later(self._service.latencies.stt, self._finish, self._samples, True, False)
            self._loud_until = 0

    def _finish(self, end: int, has_words: bool, from_finalize: bool) -> None:
        self._say(end, WORDS.split() if has_words else [], is_final=True, from_finalize=from_finalize)
        self._begin, self._words = end, 0

    def _say(self, end: int, words: list[str], *, is_final: bool, from_finalize: bool = False) -> None:
        begin, last = self._begin / RATE, end / RATE
        first = max(begin, last - WORD_S * len(words))
        step = (last - first) / max(1, len(words))
        spoken = ",".join(
            f'{{"word":"{word}","start":{first + n * step:.3f},"end":{first + (n + 1) * step:.3f},"confidence":0.9}}'
            for n, word in enumerate(words)
        )
        final, finalized = json.dumps(is_final), json.dumps(from_finalize)
        self._send(
            f'{{"type":"Results","channel_index":[0,1],"start":{begin:.3f},"duration":{last - begin:.3f},'
            f'"is_final":{final},"speech_final":{final},"from_finalize":{finalized},"metadata":{METADATA},'
            f'"channel":{{"alternatives":'
            f'[{{"transcript":"{" ".join(words)}","confidence":0.9,"words":[{spoken}]}}]}}}}'
        )

    def _send(self, text: str) -> None:
        self._transport.send(WSMsgType.TEXT, text.encode())


def _is_loud(pcm: bytes) -> bool:
    return int(np.abs(np.frombuffer(pcm, np.int16)).max(initial=0)) > LOUD


class _Voice(WSListener):
    """A connection of the multi-context WebSocket."""

    def __init__(self, service: StandIns) -> None:
        super().__init__()
        self._service = service
        self._ready: dict[str, float] = {}
        """When the first audio of a context is there."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(1000, b"")
            transport.disconnect()
        if frame.msg_type != WSMsgType.TEXT:
            return
        message = json.loads(frame.get_payload_as_bytes())
        if message.get("close_socket"):
            transport.send_close(1000, b"")
            return
        context = message.get("context_id", "")
        now = asyncio.get_running_loop().time()
        if message.get("close_context"):
            wait = max(0.0, self._ready.pop(context, now) - now) + AFTER_AUDIO_S
            self._service.later(wait, self._send, json.dumps({"isFinal": True, "contextId": context}))
        elif text := message.get("text", "").strip():  # else it opens a context, keeps it open or asks for the rest
            self._service.counts["texts"] += 1
            ready = self._ready.setdefault(context, now + self._service.latencies.tts)
            self._service.later(max(0.0, ready - now), self._speak, context, text)

    def _send(self, text: str) -> None:
        self._transport.send(WSMsgType.TEXT, text.encode())

    def _speak(self, context: str, text: str) -> None:
        size = round(CHUNK_S / CHARACTER_S)
        text += " " * (-len(text) % size)
        step = round(CHARACTER_S * 1000)
        starts = [n * step for n in range(size)]
        for at in range(0, len(text), size):
            times = f'"charStartTimesMs":{starts},"charDurationsMs":{[step] * size}'
            alignment = f'{{"chars":{json.dumps(list(text[at : at + size]))},{times}}}'
            self._send(f'{{"audio":"{self._service.audio}","alignment":{alignment},"contextId":"{context}"}}')


class _Model(asyncio.Protocol):
    """A connection of `/v1/chat/completions` and `/v1/models`."""

    def __init__(self, service: StandIns) -> None:
        self._service = service
        self._held = bytearray()
        self._answer = _completion()
        self._owed: deque[int] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._held[:end]).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or b"0")
            if len(self._held) < end + 4 + length:
                return
            del self._held[: end + 4 + length]
            if head.startswith(b"get "):  # `/v1/models`, which opens a connection before it is needed
                self._transport.write(NO_MODELS)
                continue
            self._service.counts["completions"] += 1
            self._service.later(self._service.latencies.llm, self._respond)

    def _respond(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._answer)


def _completion() -> bytes:
    """The answer to every request, as a stream of events in chunks."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": token} for token in ANSWER)]
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    base: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
    usage = {"prompt_tokens": 100, "completion_tokens": len(ANSWER), "total_tokens": 100 + len(ANSWER)}
    events = [{**base, "choices": [choice]} for choice in choices] + [{**base, "choices": [], "usage": usage}]
    lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events] + [b"data: [DONE]\n\n"]
    body = b"".join(f"{len(line):x}\r\n".encode() + line + b"\r\n" for line in lines) + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + body


async def _serve(latencies: Latencies) -> None:
    async with StandIns(latencies) as service:
        print(json.dumps(service.addresses), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        print(json.dumps(service.as_dict()), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(Latencies(*map(float, sys.argv[1:4]))))
