"""A transport of your own: calls over plain TCP, 16 kHz mono PCM16 in both directions.

The client sends raw samples. It is sent messages: a byte, `A` for audio or `C` to clear what it has not played, then
two bytes with the length of what follows. It cannot pause and reports nothing: the session makes up for both.

    server = await serve(engine, stt=stt, tts=tts, agent=MyAgent, port=8999)
"""

import asyncio
from collections.abc import Callable
from typing import Any

from duologue.engine import Engine
from duologue.errors import SessionNotActiveError
from duologue.session import AudioSink, SinkCapabilities, VoiceSession

CHUNK = 640  # bytes: 20 ms
MAX_WAITING = 64_000  # bytes: two seconds that the network has not taken


class TcpSink(AudioSink):
    capabilities = SinkCapabilities(can_pause=False, rate=16_000)

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def send(self, pcm: bytes, position: int, generation: int) -> None:
        self._write(b"A", pcm)

    def flush(self, generation: int) -> None:
        self._write(b"C")

    def _write(self, kind: bytes, data: bytes = b"") -> None:
        if self._writer.transport.get_write_buffer_size() > MAX_WAITING:
            self._writer.transport.abort()  # the client does not read: reading from it ends, and with it the call
        else:
            self._writer.write(kind + len(data).to_bytes(2, "big") + data)


async def serve(engine: Engine, *, stt: Any, tts: Any, agent: Callable[[], Any], port: int) -> asyncio.Server:
    async def call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = VoiceSession(engine=engine, stt=stt, tts=tts, agent=agent(), sink=TcpSink(writer))
        try:
            async with session:
                while True:
                    session.process_audio(await reader.readexactly(CHUNK))
        except (asyncio.IncompleteReadError, ConnectionError, SessionNotActiveError):
            pass  # the caller is gone, or the call has ended
        finally:
            writer.close()

    return await asyncio.start_server(call, "127.0.0.1", port)
