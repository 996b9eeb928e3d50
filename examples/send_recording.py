"""A caller in Python: sends a recording to a server at the pace of a microphone, and keeps what the agent answers.

python examples/send_recording.py question.wav answer.wav [ws://127.0.0.1:8000/v1/stream]
"""

import asyncio
import sys

from duologue.audio.wav import read_wav_16k, write_wav
from duologue.client import AudioFrame, Conversation, connect
from duologue.wire.messages import AgentHeard

FRAME = 640  # bytes: 20 ms of 16 kHz mono PCM16


async def speak(call: Conversation, pcm: bytes, silence: float) -> None:
    """Send the recording, then silence, as a microphone does."""
    loop = asyncio.get_running_loop()
    pcm += bytes(round(silence * 50) * FRAME)
    began = loop.time()
    for n, at in enumerate(range(0, len(pcm), FRAME)):
        await call.send_audio(pcm[at : at + FRAME])
        await asyncio.sleep(began + (n + 1) * 0.02 - loop.time())


async def converse(url: str, pcm: bytes, silence: float = 8.0) -> tuple[list[str], bytes, int]:
    """Return what was heard of the agent, as texts and as audio, and the audio's sample rate."""
    heard, audio = [], bytearray()
    async with connect(url) as call:
        speaking = asyncio.create_task(speak(call, pcm, silence))
        speaking.add_done_callback(lambda _: asyncio.ensure_future(call.end()))
        async for message in call:
            if isinstance(message, AudioFrame):
                audio += message.data
            elif isinstance(message, AgentHeard):
                heard.append(message.text)
        rate = call.started.audio_out.rate
    return heard, bytes(audio), rate


if __name__ == "__main__":
    question, answer, *where = sys.argv[1:]
    server = where[0] if where else "ws://127.0.0.1:8000/v1/stream"
    texts, sound, rate = asyncio.run(converse(server, read_wav_16k(question).samples.tobytes()))
    write_wav(answer, sound, rate)
    print("\n".join(texts))
